/* SPDX-License-Identifier: MIT */
/*
 * What everybody asks: is this process traced, what of it, by which options, and what time is it?
 *
 * Only life/ changes what stands here. The questions that events ask are inline.
 */
#ifndef PMT_TRACER_TRACING_H
#define PMT_TRACER_TRACING_H

#include <stdatomic.h>
#include <stdint.h>

#include "clock.h"
#include "names.h"
#include "options.h"

enum tracing_mode {
	TRACING_UNSTARTED = 0, /* before our constructor */
	TRACING_STARTING,
	TRACING_INERT, /* not traced: no interpreter, wrong options, or no log */
	TRACING_ON,
	TRACING_CLOSED, /* the log is complete */
};

struct tracing_shared {
	_Atomic int mode; /* enum tracing_mode */
	uint64_t traced;  /* bit set of PMT_TRACED_* */
	int types;	  /* Python's objects are told by type */
	_Atomic int suspended;

	/* What no event asks for. */
	struct pmt_options options;
	int pid;
	int late; /* the library was loaded while the program ran: it does not see all calls */
};

extern struct tracing_shared tracing_shared;

/* The program wants nothing recorded for now. */
static inline int tracing_is_suspended(void)
{
	return atomic_load_explicit(&tracing_shared.suspended, memory_order_acquire);
}

static inline int tracing_is_on(void)
{
	return atomic_load_explicit(&tracing_shared.mode, memory_order_acquire) == TRACING_ON;
}

/* Does the user want WHAT (PMT_TRACED_*)? */
static inline int tracing_wants(unsigned what)
{
	return (tracing_shared.traced >> what & 1) != 0;
}

/* Events of the interpreter, in whatever form. */
static inline int tracing_wants_events(void)
{
	return tracing_shared.traced >> PMT_TRACED_CALLS != 0;
}

static inline int tracing_wants_types(void)
{
	return tracing_shared.types;
}

/* The options as they are in this process. */
static inline const struct pmt_options *tracing_options(void)
{
	return &tracing_shared.options;
}

/* Was the library loaded while the program ran? Then the program's own calls do not pass it. */
static inline int tracing_is_late(void)
{
	return tracing_shared.late;
}

/* tracing_now() without a sampler. */
uint64_t tracing_coarse_now(void);

/* The time for a record made now, ns: the sampler's tick, or the coarse clock without sampler. */
static inline uint64_t tracing_now(void)
{
	uint64_t now = clock_tick();

	return __builtin_expect(now != 0, 1) ? now : tracing_coarse_now();
}

/*
 * This process is the one that is traced from now on. The mark of that lies in memory that the
 * kernel wipes in a forked child. Returns 0, or -1 without memory.
 */
int tracing_own(void);
/* In a forked child: this is not the process that was traced. */
void tracing_disown(void);
/* Has tracing_own() been called, in this process or in a parent of it? */
int tracing_was_owned(void);
/* Is this the process that tracing_own() was called in, whatever its mode? */
int tracing_is_same_process(void);
/* True while this very process (not a forked child that has no log yet) is traced. */
int tracing_is_own(void);
/* The same, and it is no child of vfork() either: that one shares our memory. One system call. */
int tracing_is_own_surely(void);

#endif
