/* SPDX-License-Identifier: MIT */
/* A module whose tracer of references counts, and hands on to the tracer that it found. */
#include <Python.h>

static struct {
	long long seen;
	PyRefTracer next;
	void *next_data;
} state;

static int trace(PyObject *object, PyRefTracerEvent event, void *data)
{
	(void)data;
	if (event == PyRefTracer_CREATE)
		state.seen++;
	else if (event != PyRefTracer_DESTROY)
		return 0;
	return state.next == NULL ? 0 : state.next(object, event, state.next_data);
}

static PyObject *install(PyObject *module, PyObject *unused)
{
	(void)module;
	(void)unused;
	state.next = PyRefTracer_GetTracer(&state.next_data);
	return PyLong_FromLong(PyRefTracer_SetTracer(trace, NULL));
}

static PyObject *seen(PyObject *module, PyObject *unused)
{
	(void)module;
	(void)unused;
	return PyLong_FromLongLong(state.seen);
}

static PyObject *is_installed(PyObject *module, PyObject *unused)
{
	void *data;

	(void)module;
	(void)unused;
	return PyBool_FromLong(PyRefTracer_GetTracer(&data) == trace);
}

static PyObject *clear(PyObject *module, PyObject *unused)
{
	(void)module;
	(void)unused;
	return PyLong_FromLong(PyRefTracer_SetTracer(NULL, NULL));
}

static PyMethodDef functions[] = {
	{"install", install, METH_NOARGS, NULL},
	{"seen", seen, METH_NOARGS, NULL},
	{"is_installed", is_installed, METH_NOARGS, NULL},
	{"clear", clear, METH_NOARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "chain", .m_size = -1,
					.m_methods = functions};

PyMODINIT_FUNC PyInit_chain(void)
{
	return PyModule_Create(&definition);
}
