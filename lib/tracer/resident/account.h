/* SPDX-License-Identifier: MIT */
/*
 * Accounts: where the resident set is, from /proc/self/smaps.
 *
 * Taken by the sampler's thread when the resident set has grown by an eighth, or has shrunk by that
 * for a while, and at the end of the log by the program's thread, which can ask malloc, too. Never
 * on the event path. Reading smaps takes about 10 ms for each GiB of small pages, and can keep
 * mmap() waiting for parts of that. So all accounts together take a thousandth of the time and 20
 * ms; those of a resident set that has doubled are always taken, and cost twice the last together.
 */
#ifndef PMT_TRACER_ACCOUNT_H
#define PMT_TRACER_ACCOUNT_H

#include <stdint.h>

#include "writer.h"

/* Not of "self": its memory is gone once the first thread has ended. */
#define ACCOUNT_SMAPS "/proc/thread-self/smaps"
#define ACCOUNT_PAGEMAP "/proc/thread-self/pagemap"

/* What an account writes to, and what it asks on its way. */
struct account_place {
	struct writer *writer;
	/* Descriptors, 0: none, the file is opened. */
	int smaps;
	int pagemap;
	int statm;
	/* Called now and then; not 0: give up. May be NULL. */
	int (*pause)(void);
};

/*
 * At the start, in the program's thread, which may allocate for it. WANTED: are there to be any?
 * MALLOC_FUNCTION: what the program's blocks come from; only the C library's has figures to ask
 * for.
 */
void account_start(int wanted, const void *malloc_function);
/* After a sample that read RESIDENT at NOW_NS: takes an account if one is due. */
void account_poll(const struct account_place *place, uint64_t now_ns, uint64_t resident);
/* Are there to be accounts? */
int account_wanted(void);
/*
 * The last one, unless it would take too long. ASK: this thread holds no lock of malloc's, so
 * mallinfo2() may be called.
 */
void account_finish(const struct account_place *place, uint64_t now_ns, int ask);
/* Was a function called from CALLER called by the interpreter, in a thread of Python? */
int account_is_python(const void *caller);
/* In a forked child: nothing has been taken yet. */
void account_reset(void);

#endif
