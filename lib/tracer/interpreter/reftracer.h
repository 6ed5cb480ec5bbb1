/* SPDX-License-Identifier: MIT */
/*
 * The interpreter's tracer of references, 3.13 and later: one function that it calls for each
 * object that it makes or is about to destroy.
 *
 * There is one place for such a function in a process. Whoever was there before ours is called by
 * ours; whoever comes later (tracemalloc.start() does) throws ours out, so ours is put in front
 * again, and calls it. Each time it is put there it has data of its own, which says whom to call: a
 * program that saves what it finds and puts it back later gets what was there then.
 */
#ifndef PMT_TRACER_REFTRACER_H
#define PMT_TRACER_REFTRACER_H

#include <stddef.h>

typedef int (*reftracer_function)(void *object, int event, void *data);

/* PyRefTracerEvent; from 3.15 on there is one more, which comes without an object. */
enum { REFTRACER_CREATE = 0, REFTRACER_DESTROY = 1 };

/* As the interpreter keeps it. */
struct reftracer_slot {
	reftracer_function function;
	void *data;
};

extern struct reftracer_shared {
	struct reftracer_slot *slot; /* NULL: not found, or not to be written */
	reftracer_function ours;
} reftracer_shared;

/*
 * Install OURS, with the thread attached. Its data will be a struct reftracer_slot, whose function,
 * if there is one, it has to call in turn. Returns 0, or -1 when this interpreter has no such
 * place.
 */
int reftracer_start(reftracer_function ours);

/*
 * If our function has the place, give the place back to the function that ours calls. The
 * interpreter may still call ours afterwards: the program may have saved it, and put it back.
 */
void reftracer_stop(void);

/* Puts our function in front again if another one has taken its place. The thread is attached. */
void reftracer_check(void);

/* The same for where it has to be quick, and only where the interpreter's lock makes it safe. */
static inline void reftracer_glance(void)
{
	const struct reftracer_slot *slot = reftracer_shared.slot;

	if (__builtin_expect(slot != NULL && slot->function != reftracer_shared.ours, 0))
		reftracer_check();
}

#endif
