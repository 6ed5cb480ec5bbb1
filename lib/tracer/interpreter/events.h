/* SPDX-License-Identifier: MIT */
/*
 * Events of the interpreter: calls, lines, instructions, exceptions, each with the position and the
 * resident set. What raises them is monitor.c (from 3.12 on) or slots.c (before); here they are
 * filtered and recorded.
 *
 * The functions that record are called by a thread that is attached to the interpreter. They call
 * nothing of it that could allocate, raise or run Python code, and leave errno alone.
 */
#ifndef PMT_TRACER_EVENTS_H
#define PMT_TRACER_EVENTS_H

#include <stdint.h>

#include "cfunction.h"
#include "thread.h"

/* What becomes of the event's place in the code. */
enum events_fate {
	EVENTS_GO_ON = 0,
	EVENTS_NEVER, /* the filters pass over it each time: it need not be raised again */
};

/* At the start of a log: what is traced, and the filters. */
void events_start(void);

/* WHAT: PMT_PYEVENT_*. */
enum events_fate events_py(unsigned what, const void *code, uint32_t position);
/* WHAT: PMT_CEVENT_*; CODE has called FUNCTION. */
enum events_fate events_c(unsigned what, const void *code, uint32_t position,
			  const struct cfunction *function);
enum events_fate events_line(const void *code, uint32_t line);

/* Are events of this word (PMT_TRACED_*) recorded? */
int events_wants(unsigned word);

/* Is this thread one of those whose events are recorded? Between enter and leave. */
int events_thread_wanted(struct thread *t);
/* Put a `notice` record; TEXT may be NULL. Any thread. */
void events_notice(unsigned what, const char *text);

/* At each audit event: install what raises the events where it is not there yet. */
void events_at_audit(const char *event);
/* The same at once, in the middle of the program. Attached. */
void events_begin(void);
/* The options have changed: raise other events, or none. Attached. */
void events_change(void);
/* The log is about to be closed while the program goes on: raise no more. Attached. */
void events_end(void);
/* The interpreter has ended; another may begin. */
void events_python_ended(void);
/* This thread is about to end, or the interpreter: write what is kept back. Any time. */
void events_flush(void);

#endif
