/* SPDX-License-Identifier: MIT */
/*
 * The census: which live blocks of Python's object domain hold which types, at one moment.
 *
 * Any thread that holds the interpreter's lock; nothing is allocated, no Python code runs, no
 * reference is taken. Costs some milliseconds for 100,000 blocks, all of it now.
 */
#ifndef PMT_TRACER_CENSUS_H
#define PMT_TRACER_CENSUS_H

#include <stdint.h>

/*
 * Take a census and put it into the log. MOMENT is PMT_MOMENT_*, LABEL at most 1000 bytes. Returns
 * 0, or -1 when there is none: types are not traced, or this thread does not hold the interpreter's
 * lock.
 */
int census_take(unsigned moment, const char *label);

/* For this log: one every INTERVAL_S seconds, 0: none; at an allocation of the interpreter's. */
void census_start(uint64_t interval_s);

/*
 * For a signal handler, before the process ends: as census_take(), but the thread need not hold the
 * lock. Only reads what is the interpreter's, and takes no lock that the interrupted code can have.
 * Returns 0, whether there is one or not; -1: the tracer was interrupted, try once more.
 */
int census_in_handler(void);

/* The process ends, perhaps without the interpreter's own end: the last census, if there was none.
 */
void census_at_end(void);

/* In a forked child: numbers begin anew, and its end is still to come. */
void census_reset(void);

#endif
