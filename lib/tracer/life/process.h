/* SPDX-License-Identifier: MIT */
/*
 * The life of the tracer in a process: its start, forks, logs that the program begins, its end. The
 * functions are in process_start.c, process_fork.c, process_begin.c and process_end.c; what they do
 * to all floors, and in which order, stands in process_log.c.
 */
#ifndef PMT_TRACER_PROCESS_H
#define PMT_TRACER_PROCESS_H

struct text;

/* Start once; from the constructor, or from the first hooked call before it. */
void process_start(void);
/* The first event in a forked child: starts its log, or leaves it untraced. */
void process_start_child(void);
/*
 * process_before_exec() runs before an exec, process_still_here() after one that has returned, so
 * failed.
 */
void process_before_exec(void);
void process_still_here(void);
/* In the parent, after fork() returned CHILD. */
void process_forked(int child);
/*
 * The process ends without running destructors: process_exit_from() where CALLER called _exit(),
 * process_exit_now() elsewhere.
 */
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
