/* SPDX-License-Identifier: MIT */
/*
 * Python objects made and destroyed (the word `objects`): what of it is recorded.
 *
 * Who tells is reftracer.c, which the interpreter calls for each object, and objwatch.c, which sees
 * the memory of objects come and go. The interpreter does not tell of every end: 3.13.0 to 3.13.2
 * tell of few that the evaluation loop brings about, early 3.14 of none that a deep nest puts off,
 * and some extensions go their own way. So each object that has a `create` record is kept in a map
 * (objlive.h); when its memory is given back, or is another object's, and nothing was said, its end
 * is recorded as inferred.
 *
 * Nothing here makes or keeps objects, and of an object that is being made only the type is read.
 * The thread is attached to the interpreter.
 */
#ifndef PMT_TRACER_OBJECTS_H
#define PMT_TRACER_OBJECTS_H

#include <stddef.h>
#include <stdint.h>

#include "objlive.h"

/*
 * At each audit event, and when a log begins or its options change in the middle of the program,
 * with the thread attached: begin when objects are to be recorded and the interpreter can do it,
 * end when they are no longer. Says it in the log and on stderr when this Python cannot.
 */
void objects_check(void);
/* More types are wanted than before: look at each again when its next object is made. Attached. */
void objects_look_again(void);
/* The log is about to be closed while the program goes on: record no more. Attached. */
void objects_end(void);
/* The program has ended, its objects are still there: collect garbage if that is asked for. */
void objects_at_end(void);
/* Before another log, in a forked child or in this process: no object has a record. */
void objects_reset(void);

/* Put a `notice` record: WHAT is PMT_NOTICE_*. */
void objects_notice(unsigned what, const char *text);

/* Objects are being recorded. */
extern int objects_running;

/* What the allocator handed out to this thread last: most likely the block of its next object. */
struct objects_self {
	uintptr_t block;
	size_t size;
	int paused;	  /* what happens is the tracer's own doing */
	const void *told; /* another tracer is being told of this object */
};

extern __thread struct objects_self objects_self __attribute__((tls_model("initial-exec")));

/* BLOCK of the object domain was handed out. */
static inline void objects_block(const void *block, size_t size)
{
	objects_self.block = (uintptr_t)block;
	objects_self.size = size;
}

/* The end of the object in BLOCK was not told; CELL is what was known of it. */
void objects_infer(uintptr_t block, uint32_t cell);

/* BLOCK of the object domain is about to be given back. */
static inline void objects_freed(const void *block)
{
	_Atomic uint32_t *cell = objlive_find((uintptr_t)block);
	const uint32_t old = cell == NULL ? 0 : atomic_load_explicit(cell, memory_order_relaxed);

	if (old == 0 || !objects_running)
		return;
	atomic_store_explicit(cell, 0, memory_order_relaxed);
	if (__builtin_expect(!(old & OBJLIVE_DYING) || (old & OBJLIVE_NUMBER) == 0, 0))
		objects_infer((uintptr_t)block, old);
}

#endif
