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

/* A tracer, as the interpreter keeps it. */
struct tracer {
	PyRefTracer function;
	void *data;
};

#define PLACES 2

/*
 * The interpreter has room for one tracer. Ours counts for all counters at once: each has what the
 * sums were when it was made. It is there while a counter is, and hands on to the one it found.
 *
 * If another tracer came on top and a new counter goes on top of that one, ours is there twice, in
 * case that the other one hands on: ours, the other, ours, the first one. So there are two to hand
 * on to.
 */
static struct {
	atomic_llong born;
	atomic_llong dead;
	atomic_int counters;
	atomic_int depth;
	struct tracer next[PLACES];
} state;

static _Thread_local int inside; /* calls of ours that have not returned */

struct counter {
	PyObject_HEAD long long born;
	long long dead;
};

static int hand_on(PyObject *object, PyRefTracerEvent event)
{
	const int place = atomic_load_explicit(&state.depth, memory_order_acquire) - 1 - inside;
	int rc = 0;

	if (place >= 0 && state.next[place].function != NULL) {
		inside++;
		rc = state.next[place].function(object, event, state.next[place].data);
		inside--;
	}
	return rc;
}

/* Called while an object is half made or half gone: must not touch it. */
static int count(PyObject *object, PyRefTracerEvent event, void *Py_UNUSED(data))
{
	/* 3.15 also tells that this tracer was replaced, which is not about the next one. */
	if (event != PyRefTracer_CREATE && event != PyRefTracer_DESTROY)
		return 0;
	if (inside == 0)
		atomic_fetch_add_explicit(event == PyRefTracer_CREATE ? &state.born : &state.dead,
					  1, memory_order_relaxed);
	return hand_on(object, event);
}

static int start(void)
{
	const int depth = atomic_load(&state.depth);
	struct tracer present;

	present.function = PyRefTracer_GetTracer(&present.data);
	if (present.function == count || depth == PLACES)
		return 0;
	state.next[depth] = present;
	atomic_store_explicit(&state.depth, depth + 1, memory_order_release);
	return PyRefTracer_SetTracer(count, NULL);
}

/* Below another tracer ours stays. It does no harm there. */
static void stop(void)
{
	void *data = NULL;
	PyRefTracer present = PyRefTracer_GetTracer(&data);

	if (present == count) {
		const int depth = atomic_fetch_sub(&state.depth, 1) - 1;
		PyRefTracer_SetTracer(state.next[depth].function, state.next[depth].data);
	} else if (present == NULL) {
		atomic_store(&state.depth, 0);
	}
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

MODULE_ENTRY(cPyRefTraceExample)
{
	return PyModuleDef_Init(&definition);
}
