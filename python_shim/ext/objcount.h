/* SPDX-License-Identifier: MIT */
/*
 * Counting objects that are born and die, by the reference tracer of Python 3.13 and later. For one
 * file of an extension: its state is static.
 */
#ifndef PMT_EXT_OBJCOUNT_H
#define PMT_EXT_OBJCOUNT_H

#include <Python.h>
#include <stdatomic.h>

/* A tracer, as the interpreter keeps it. */
struct objcount_tracer {
	PyRefTracer function;
	void *data;
};

#define OBJCOUNT_PLACES 2

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
	struct objcount_tracer next[OBJCOUNT_PLACES];
} objcount;

static _Thread_local int objcount_inside; /* calls of ours that have not returned */

static int objcount_hand_on(PyObject *object, PyRefTracerEvent event)
{
	const int place =
		atomic_load_explicit(&objcount.depth, memory_order_acquire) - 1 - objcount_inside;
	int rc = 0;

	if (place >= 0 && objcount.next[place].function != NULL) {
		objcount_inside++;
		rc = objcount.next[place].function(object, event, objcount.next[place].data);
		objcount_inside--;
	}
	return rc;
}

/* Called while an object is half made or half gone: must not touch it. */
static int objcount_event(PyObject *object, PyRefTracerEvent event, void *Py_UNUSED(data))
{
	/* 3.15 also tells that this tracer was replaced, which is not about the next one. */
	if (event != PyRefTracer_CREATE && event != PyRefTracer_DESTROY)
		return 0;
	if (objcount_inside == 0)
		atomic_fetch_add_explicit(event == PyRefTracer_CREATE ? &objcount.born
								      : &objcount.dead,
					  1, memory_order_relaxed);
	return objcount_hand_on(object, event);
}

/* Installs our tracer in front of all others. Returns -1 with an exception set on failure. */
static int objcount_start(void)
{
	const int depth = atomic_load(&objcount.depth);
	struct objcount_tracer present;

	present.function = PyRefTracer_GetTracer(&present.data);
	if (present.function == objcount_event || depth == OBJCOUNT_PLACES)
		return 0;
	objcount.next[depth] = present;
	atomic_store_explicit(&objcount.depth, depth + 1, memory_order_release);
	return PyRefTracer_SetTracer(objcount_event, NULL);
}

/* When another tracer was installed on top of ours, ours stays below it, where it does no harm. */
static void objcount_stop(void)
{
	void *data = NULL;
	PyRefTracer present = PyRefTracer_GetTracer(&data);

	if (present == objcount_event) {
		const int depth = atomic_fetch_sub(&objcount.depth, 1) - 1;
		PyRefTracer_SetTracer(objcount.next[depth].function, objcount.next[depth].data);
	} else if (present == NULL) {
		atomic_store(&objcount.depth, 0);
	}
}

#endif
