/* SPDX-License-Identifier: MIT */
/* C functions that Python calls: from an object in the interpreter's memory to a number. */
#ifndef PMT_TRACER_CFUNCTION_H
#define PMT_TRACER_CFUNCTION_H

#include <stdint.h>

#include "thread.h"

/* Look up the interpreter's types. Returns 0, or -1 where they are not to be had. */
int cfunction_init(void);
/* In a forked child: numbers begin anew. */
void cfunction_reset(void);
/* A C function in the interpreter's memory. */
struct cfunction {
	const void *method; /* its PyMethodDef */
	const void *callable;
};

/*
 * Is CALLABLE what a profile function hears of (not a type, a Python function or another callable)?
 * SELF: there is a first argument. Fills FUNCTION.
 */
int cfunction_of(const void *callable, int self, struct cfunction *function);
/* Number of the function, 0 when it cannot be had. Between enter and leave. */
uint32_t cfunction_number(struct thread *t, const struct cfunction *function);

#endif
