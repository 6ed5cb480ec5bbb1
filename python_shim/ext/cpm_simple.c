/* SPDX-License-Identifier: MIT */
/*
 * Counting without a log. Such contexts form a stack of their own, of which only the top one
 * counts.
 */
#include "module.h"

#include "cpm_simple.h"

#if PY_VERSION_HEX >= 0x030D0000

#include "objcount.h"

struct simple {
	PyObject_HEAD int entered;
	int suspended;
	int counting;
	long long born; /* while it counts: what the sums were when it began, taken off */
	long long dead;
	struct simple *below; /* held */
};

static struct simple *top; /* held */

#define ALL_LOCK() OBJECT_LOCK((PyObject *)&cpm_simple_type)
#define ALL_UNLOCK() OBJECT_UNLOCK()

/* COUNT: 1 or -1. */
static void add_sums(struct simple *s, int sign)
{
	s->born += sign * atomic_load(&objcount.born);
	s->dead += sign * atomic_load(&objcount.dead);
}

/* Begins to count when the context is on top of the stack, and ends it otherwise. */
static void settle(struct simple *s)
{
	const int counting = s->entered && !s->suspended && s == top;

	if (counting != s->counting)
		add_sums(s, counting ? -1 : 1);
	s->counting = counting;
}

int cpm_simple_depth(void)
{
	int depth = 0;

	ALL_LOCK();
	for (const struct simple *s = top; s != NULL; s = s->below)
		depth++;
	ALL_UNLOCK();
	return depth;
}

static int enter(struct simple *s)
{
	struct simple *below = top;

	if (s->entered) {
		PyErr_SetString(PyExc_RuntimeError, "this context is entered already");
		return -1;
	}
	if (objcount_start() < 0)
		return -1;
	Py_INCREF(s);
	s->entered = 1;
	s->suspended = 0;
	s->born = s->dead = 0;
	s->below = below;
	top = s;
	if (below != NULL)
		settle(below);
	settle(s);
	return 0;
}

static void leave(struct simple *s)
{
	struct simple **at = &top;

	while (*at != s)
		at = &(*at)->below;
	*at = s->below;
	s->below = NULL;
	s->entered = 0;
	settle(s);
	if (top != NULL)
		settle(top);
	else
		objcount_stop();
	Py_DECREF(s);
}

static int is_active(const struct simple *s)
{
	if (s->entered)
		return 1;
	PyErr_SetString(PyExc_RuntimeError, "this reference tracer is not active");
	return 0;
}

static PyObject *simple_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
	int rc;

	ALL_LOCK();
	rc = enter((struct simple *)self);
	ALL_UNLOCK();
	if (rc < 0)
		return NULL;
	Py_INCREF(self);
	return self;
}

static PyObject *simple_exit(PyObject *self, PyObject *args)
{
	PyObject *type = NULL, *value = NULL, *trace = NULL;
	int active;

	if (!PyArg_UnpackTuple(args, "__exit__", 0, 3, &type, &value, &trace))
		return NULL;
	ALL_LOCK();
	active = is_active((struct simple *)self);
	if (active)
		leave((struct simple *)self);
	ALL_UNLOCK();
	if (!active)
		return NULL;
	Py_RETURN_FALSE;
}

static int suspend(struct simple *s, int suspended)
{
	if (!is_active(s))
		return -1;
	if (s != top || s->suspended == suspended) {
		PyErr_Format(PyExc_RuntimeError, "%s() out of order",
			     suspended ? "suspend" : "resume");
		return -1;
	}
	s->suspended = suspended;
	settle(s);
	return 0;
}

static PyObject *simple_suspend(PyObject *self, PyObject *Py_UNUSED(unused))
{
	int rc;

	ALL_LOCK();
	rc = suspend((struct simple *)self, 1);
	ALL_UNLOCK();
	if (rc < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *simple_resume(PyObject *self, PyObject *Py_UNUSED(unused))
{
	int rc;

	ALL_LOCK();
	rc = suspend((struct simple *)self, 0);
	ALL_UNLOCK();
	if (rc < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *count(struct simple *s, const long long *field, const atomic_llong *sum)
{
	PyObject *number = NULL;

	ALL_LOCK();
	if (is_active(s))
		number = PyLong_FromLongLong(*field + (s->counting ? atomic_load(sum) : 0));
	ALL_UNLOCK();
	return number;
}

static PyObject *simple_new_count(PyObject *self, PyObject *Py_UNUSED(unused))
{
	struct simple *s = (struct simple *)self;

	return count(s, &s->born, &objcount.born);
}

static PyObject *simple_del_count(PyObject *self, PyObject *Py_UNUSED(unused))
{
	struct simple *s = (struct simple *)self;

	return count(s, &s->dead, &objcount.dead);
}

static PyObject *simple_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static char *names[] = {NULL};

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "", names))
		return NULL;
	return type->tp_alloc(type, 0);
}

static void simple_dealloc(PyObject *self)
{
	Py_TYPE(self)->tp_free(self);
}

static PyMethodDef simple_methods[] = {
	{"__enter__", simple_enter, METH_NOARGS,
	 PyDoc_STR("Begin to count, and return this object.")},
	{"__exit__", simple_exit, METH_VARARGS, PyDoc_STR("End. Exceptions go on.")},
	{"suspend", simple_suspend, METH_NOARGS,
	 PyDoc_STR("suspend() -> None\n\nCount nothing for now.")},
	{"resume", simple_resume, METH_NOARGS, PyDoc_STR("resume() -> None\n\nGo on.")},
	{"count_new", simple_new_count, METH_NOARGS,
	 PyDoc_STR("count_new() -> int\n\nObjects made.")},
	{"count_del", simple_del_count, METH_NOARGS,
	 PyDoc_STR("count_del() -> int\n\nObjects destroyed.")},
	{NULL, NULL, 0, NULL},
};

PyTypeObject cpm_simple_type = {
	.ob_base = PyVarObject_HEAD_INIT(NULL, 0).tp_name = "cPyMemTrace.ReferenceTracingSimple",
	.tp_doc = PyDoc_STR(
		"ReferenceTracingSimple()\n\nA context that counts objects made and destroyed, in all threads."),
	.tp_basicsize = sizeof(struct simple),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_new = simple_new,
	.tp_dealloc = simple_dealloc,
	.tp_methods = simple_methods,
};

#endif
