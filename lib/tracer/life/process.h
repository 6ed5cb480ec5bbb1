/* SPDX-License-Identifier: MIT */
/*
 * The life of the tracer in a process: the one file that knows the order of start-up, fork and end.
 */
#ifndef PMT_TRACER_PROCESS_H
#define PMT_TRACER_PROCESS_H

#include <stdatomic.h>
#include <stdint.h>

#include "clock.h"
#include "names.h"
#include "options.h"

struct text;

enum process_mode {
	PROCESS_UNSTARTED = 0, /* before our constructor */
	PROCESS_STARTING,
	PROCESS_INERT, /* not traced: no interpreter, wrong options, or no log */
	PROCESS_TRACED,
	PROCESS_CLOSED, /* the log is complete */
};

struct process_shared {
	_Atomic int mode;
	uint64_t traced; /* bit set of PMT_TRACED_* */
	int types;	 /* Python's objects are told by type */
	_Atomic int suspended;
};

extern struct process_shared process_shared;

/* The program wants nothing recorded for now. */
static inline int process_suspended(void)
{
	return atomic_load_explicit(&process_shared.suspended, memory_order_acquire);
}

static inline int process_traced(void)
{
	return atomic_load_explicit(&process_shared.mode, memory_order_acquire) == PROCESS_TRACED;
}

static inline int process_traces(unsigned what)
{
	return (process_shared.traced >> what & 1) != 0;
}

/* The options as they are in this process. */
const struct pmt_options *process_options(void);

/* process_now() without a sampler. */
uint64_t process_coarse_now(void);

/* Events of the interpreter, in whatever form. */
static inline int process_traces_events(void)
{
	return process_shared.traced >> PMT_TRACED_CALLS != 0;
}

static inline int process_traces_types(void)
{
	return process_shared.types;
}

/* The time for a record made now, ns: the sampler's tick, or the coarse clock without sampler. */
static inline uint64_t process_now(void)
{
	uint64_t now = clock_tick();

	return __builtin_expect(now != 0, 1) ? now : process_coarse_now();
}

/* Start once; from the constructor, or from the first hooked call before it. */
void process_start(void);
/* Was the library loaded while the program ran? Then the program's own calls do not come by us. */
int process_is_late(void);
/* 0 when this is the process that the state belongs to; starts a forked child's log otherwise. */
int process_check_fork(void);
/* True while this very process (not a forked child that has no log yet) is traced. */
int process_is_own(void);
/* os.exec*() is about to be called; and: it has returned, so it failed. */
void process_before_exec(void);
void process_still_here(void);
/* In the parent, after fork() returned CHILD. */
void process_forked(int child);
/* The process ends now without destructors; and: by a call from CALLER (_exit). */
void process_exit_now(void);
void process_exit_from(const void *caller);
/* End tracing for good, for REASON (PMT_STOP_*). */
void process_stop(unsigned reason);
/* libpython was loaded late, as HANDLE: an embedding program. */
void process_interpreter_loaded(void *handle);
/*
 * Begin a log while the program runs. SETTINGS: "NAME=VALUE" with names of options without their
 * prefix, NULL at the end; they go before the environment and must stay where they are. The caller
 * is attached to the interpreter. Returns 0, or -1 and why in PROBLEM.
 */
int process_begin(const char *const *settings, struct text *problem);
/* Close the log; another may be begun. The caller is attached. */
void process_end(void);
/* Change an option of the events of the interpreter; SETTING need not stay. */
int process_change(const char *setting, struct text *problem);
/* Record nothing (1) until it is called with 0. */
void process_suspend(int suspended);
/* In a forked child, before it does anything else. */
void process_in_child(void);

#endif
