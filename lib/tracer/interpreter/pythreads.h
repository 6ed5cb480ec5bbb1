/* SPDX-License-Identifier: MIT */
/*
 * Names of threads, as the module `threading` has them. The system's names are "python" for all
 * threads up to 3.13, and cut to 15 bytes from 3.14 on.
 *
 * A name is read where the interpreter's lock is held and nothing is half done: where a thread
 * makes another one, where the program has just set `Thread.name`, and when a log begins in the
 * middle of the program. No code in Python runs for it, and a name that is no plain text is passed
 * over.
 */
#ifndef PMT_TRACER_PYTHREADS_H
#define PMT_TRACER_PYTHREADS_H

#include <pthread.h>

#define PYTHREADS_NAME_BYTES 256U

/* The interpreter is ready: hear of `Thread.name` from now on. Attached. */
void pythreads_start(void);
/* A log begins in the middle of the program: threads that are there have names. Attached. */
void pythreads_begin(void);
/*
 * Does `threading` start or rename a thread by the call that this thread is in? Then returns 1, and
 * the thread's NAME. Any thread, not in an allocator.
 */
int pythreads_calls(char name[PYTHREADS_NAME_BYTES]);
/* The thread HANDLE was made, for `threading`: it has this NAME. */
void pythreads_made(pthread_t handle, const char *name);
/* This thread enters the interpreter or leaves it: if it was given a name, that is recorded. */
void pythreads_here(void);
/* Record names that could not be before, as their threads had no number: some, or all. Any time. */
void pythreads_flush(void);
void pythreads_flush_all(void);

#endif
