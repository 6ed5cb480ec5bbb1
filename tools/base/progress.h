/* SPDX-License-Identifier: MIT */
/*
 * A line on stderr that says how far the work is: after one second, and only when stderr is a
 * terminal and the output does not go to the same one.
 */
#ifndef PMT_TOOLS_PROGRESS_H
#define PMT_TOOLS_PROGRESS_H

#include <stdint.h>

/* Begin work named WHAT ("reading x.pmt"), which must outlive it. One at a time. */
void progress_begin(const char *what);
/* The same for work that prints all the time: no line when that goes to a terminal too. */
void progress_begin_output(const char *what);
/* The same for work that is counted in MiB. */
void progress_begin_bytes(const char *what);
/* Wipe the line. */
void progress_end(void);
/* The slow part of progress_step(). */
void progress_show(uint64_t done);

/* Call it with a growing number for every event; it looks at the clock only now and then. */
static inline void progress_step(uint64_t done)
{
	if ((done & 0xffff) == 0)
		progress_show(done);
}

/* The same after COUNT events at once. */
static inline void progress_steps(uint64_t done, uint64_t count)
{
	if (((done ^ (done + count)) & ~(uint64_t)0xffff) != 0)
		progress_show(done);
}

#endif
