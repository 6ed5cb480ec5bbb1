/* SPDX-License-Identifier: MIT */
/* pymemtrace.cPyRefTraceExample: how many objects are born and die, counted by the reference
 * tracer. */
#include "module.h"

#if PY_VERSION_HEX < 0x030D0000

static int execute(PyObject *Py_UNUSED(module))
{
	PyErr_SetString(
		PyExc_ImportError,
		"pymemtrace.cPyRefTraceExample needs Python 3.13 or later, which can tell of "
		"the births and deaths of objects");
	return -1;
}

#else

#include <stdatomic.h>

/*
 * The interpreter has room for one tracer. Ours counts for all counters at once: each has what the
 * sums were when it was made. It is there while a counter is, and hands on to the tracer it found.
 */
static struct {
	atomic_llong born;
	atomic_llong dead;
	atomic_int counters;
	PyRefTracer next;
	void *next_data;
} state;

struct counter {
	PyObject_HEAD long long born;
	long long dead;
};

/* Called while an object is half made or half gone: must not touch it. */
static int count(PyObject *object, PyRefTracerEvent event, void *Py_UNUSED(data))
{
	if (event == PyRefTracer_CREATE)
		atomic_fetch_add_explicit(&state.born, 1, memory_order_relaxed);
	else if (event == PyRefTracer_DESTROY)
		atomic_fetch_add_explicit(&state.dead, 1, memory_order_relaxed);
	return state.next == NULL ? 0 : state.next(object, event, state.next_data);
}

static int start(void)
{
	void *data = NULL;
	PyRefTracer present = PyRefTracer_GetTracer(&data);

	if (present == count)
		return 0;
	state.next = present;
	state.next_data = data;
	return PyRefTracer_SetTracer(count, NULL);
}

/* Another tracer may have come since. Then ours stays below it, if it hands on, and does no harm.
 */
static void stop(void)
{
	void *data = NULL;

	if (PyRefTracer_GetTracer(&data) == count)
		PyRefTracer_SetTracer(state.next, state.next_data);
}

static PyObject *counter_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static char *names[] = {NULL};
	struct counter *self;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, ":RefTraceCount", names))
		return NULL;
	self = (struct counter *)type->tp_alloc(type, 0);
	if (self == NULL)
		return NULL;
	atomic_fetch_add(&state.counters, 1);
	if (start() < 0) {
		Py_DECREF(self);
		return NULL;
	}
	self->born = atomic_load(&state.born);
	self->dead = atomic_load(&state.dead);
	return (PyObject *)self;
}

static void counter_dealloc(PyObject *self)
{
	if (atomic_fetch_sub(&state.counters, 1) == 1)
		stop();
	Py_TYPE(self)->tp_free(self);
}

static PyObject *count_new(PyObject *self, PyObject *Py_UNUSED(unused))
{
	return PyLong_FromLongLong(atomic_load(&state.born) - ((struct counter *)self)->born);
}

static PyObject *count_del(PyObject *self, PyObject *Py_UNUSED(unused))
{
	return PyLong_FromLongLong(atomic_load(&state.dead) - ((struct counter *)self)->dead);
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
	.tp_doc =
		PyDoc_STR("RefTraceCount()\n\nCounts births and deaths of objects, of all threads, "
			  "while it lives."),
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

PyMODINIT_FUNC PyInit_cPyRefTraceExample(void);
PyMODINIT_FUNC PyInit_cPyRefTraceExample(void)
{
	return PyModuleDef_Init(&definition);
}
