/* SPDX-License-Identifier: MIT */
/* pymemtrace.cPyRefTraceExample: how many objects are born and die, counted by the reference
 * tracer. */
#include "module.h"

#if PY_VERSION_HEX < 0x030D0000

static int execute(PyObject *Py_UNUSED(module))
{
	PyErr_SetString(
		PyExc_ImportError,
		"pymemtrace.cPyRefTraceExample needs Python 3.13 or later, which can tell of the births and deaths of objects");
	return -1;
}

#else

#include "objcount.h"

struct counter {
	PyObject_HEAD long long born;
	long long dead;
};

static PyObject *counter_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static char *names[] = {NULL};
	struct counter *self;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, ":RefTraceCount", names))
		return NULL;
	self = (struct counter *)type->tp_alloc(type, 0);
	if (self == NULL)
		return NULL;
	atomic_fetch_add(&objcount.counters, 1);
	if (objcount_start() < 0) {
		Py_DECREF(self);
		return NULL;
	}
	self->born = atomic_load(&objcount.born);
	self->dead = atomic_load(&objcount.dead);
	return (PyObject *)self;
}

static void counter_dealloc(PyObject *self)
{
	if (atomic_fetch_sub(&objcount.counters, 1) == 1)
		objcount_stop();
	Py_TYPE(self)->tp_free(self);
}

static PyObject *count_new(PyObject *self, PyObject *Py_UNUSED(unused))
{
	return PyLong_FromLongLong(atomic_load(&objcount.born) - ((struct counter *)self)->born);
}

static PyObject *count_del(PyObject *self, PyObject *Py_UNUSED(unused))
{
	return PyLong_FromLongLong(atomic_load(&objcount.dead) - ((struct counter *)self)->dead);
}

static PyMethodDef counter_methods[] = {
	{"count_new", count_new, METH_NOARGS,
	 PyDoc_STR("count_new() -> int\n\nObjects that were born since this one was.")},
	{"count_del", count_del, METH_NOARGS,
	 PyDoc_STR("count_del() -> int\n\nObjects that died since this one was born.")},
	{NULL, NULL, 0, NULL},
};

static PyTypeObject counter_type = {
	.ob_base = PyVarObject_HEAD_INIT(NULL, 0).tp_name = "cPyRefTraceExample.RefTraceCount",
	.tp_doc = PyDoc_STR(
		"RefTraceCount()\n\nCounts births and deaths of objects, of all threads, while it lives."),
	.tp_basicsize = sizeof(struct counter),
	.tp_flags = Py_TPFLAGS_DEFAULT,
	.tp_new = counter_new,
	.tp_dealloc = counter_dealloc,
	.tp_methods = counter_methods,
};

static int execute(PyObject *module)
{
	return PyModule_AddType(module, &counter_type);
}

#endif

static PyModuleDef_Slot slots[] = MODULE_SLOTS(execute);

static struct PyModuleDef definition = {
	.m_base = PyModuleDef_HEAD_INIT,
	.m_name = "cPyRefTraceExample",
	.m_doc = PyDoc_STR("Counts objects that are born and die."),
	.m_slots = slots,
};

MODULE_ENTRY(cPyRefTraceExample)
{
	return PyModuleDef_Init(&definition);
}
