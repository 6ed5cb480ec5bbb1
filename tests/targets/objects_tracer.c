/* SPDX-License-Identifier: MIT */
/*
 * A tracer of references that is not ours, and ways around the interpreter: an extension for the
 * tests of the word `objects`.
 */
#include <Python.h>

#include <string.h>

static struct {
	const char *name;
	long created, destroyed, removed;
	PyRefTracer saved;
	void *saved_data;
	int chain;
} counter;

static int count(PyObject *object, PyRefTracerEvent event, void *data)
{
	if (data != &counter)
		abort();
	if (object == NULL)
		counter.removed++;
	else if (strcmp(Py_TYPE(object)->tp_name, counter.name) == 0)
		*(event == PyRefTracer_CREATE ? &counter.created : &counter.destroyed) += 1;
	if (counter.chain && counter.saved != NULL)
		return counter.saved(object, event, counter.saved_data);
	return 0;
}

/* start(name): count objects of this type, with whoever was there before put aside. */
static PyObject *start(PyObject *self, PyObject *name)
{
	counter.name = PyUnicode_AsUTF8(Py_NewRef(name));
	counter.saved = PyRefTracer_GetTracer(&counter.saved_data);
	PyRefTracer_SetTracer(count, &counter);
	Py_RETURN_NONE;
}

/* chain(name): the same, and call whoever was there before. */
static PyObject *chain(PyObject *self, PyObject *name)
{
	counter.chain = 1;
	return start(self, name);
}

/* stop(how): by "nothing" in its place, or by "restore" of what was there. */
static PyObject *stop(PyObject *self, PyObject *how)
{
	if (strcmp(PyUnicode_AsUTF8(how), "restore") == 0)
		PyRefTracer_SetTracer(counter.saved, counter.saved_data);
	else
		PyRefTracer_SetTracer(NULL, NULL);
	return Py_BuildValue("lll", counter.created, counter.destroyed, counter.removed);
}

/* bypass(list): destroy the list's objects, the last first, and tell nobody. */
static PyObject *bypass(PyObject *self, PyObject *list)
{
	while (PyList_GET_SIZE(list) != 0) {
		Py_ssize_t last = PyList_GET_SIZE(list) - 1;
		PyObject *object = PyList_GET_ITEM(list, last);

		Py_SET_SIZE((PyVarObject *)list, last);
		Py_SET_REFCNT(object, 0);
		Py_TYPE(object)->tp_dealloc(object);
	}
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"start", start, METH_O, NULL},
				{"chain", chain, METH_O, NULL},
				{"stop", stop, METH_O, NULL},
				{"bypass", bypass, METH_O, NULL},
				{NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "objects_tracer", NULL, -1, methods};

PyMODINIT_FUNC PyInit_objects_tracer(void)
{
	return PyModule_Create(&definition);
}
