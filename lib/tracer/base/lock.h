/* SPDX-License-Identifier: MIT */
/*
 * A lock for the rare paths (definitions, new chunks, new threads). Sleeps by futex, leaves errno
 * alone. Not recursive: the guard of struct thread keeps signal handlers out.
 */
#ifndef PMT_TRACER_LOCK_H
#define PMT_TRACER_LOCK_H

#include <linux/futex.h>
#include <stdatomic.h>

#include "sys.h"

struct lock {
	_Atomic int word; /* 0 free, 1 held, 2 held and waited for */
};

static inline void lock_take(struct lock *lock)
{
	int seen = 0;

	if (atomic_compare_exchange_strong_explicit(&lock->word, &seen, 1, memory_order_acquire,
						    memory_order_relaxed))
		return;
	while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
		(void)SYS4(SYS_futex, &lock->word, FUTEX_WAIT_PRIVATE, 2, 0);
}

/*
 * For a thread that may have been interrupted while it held the lock: wait a fifth of a second at
 * most. Returns 0 with the lock, -1 without.
 */
static inline int lock_take_soon(struct lock *lock)
{
	const struct timespec rest = {0, 1000000};

	for (int i = 0; i < 200; i++) {
		int seen = 0;

		if (atomic_compare_exchange_strong_explicit(
			    &lock->word, &seen, 2, memory_order_acquire, memory_order_relaxed))
			return 0;
		(void)SYS2(SYS_nanosleep, &rest, 0);
	}
	return -1;
}

static inline void lock_release(struct lock *lock)
{
	if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2)
		(void)SYS3(SYS_futex, &lock->word, FUTEX_WAKE_PRIVATE, 1);
}

/* For a forked child, in which the holder may not exist. */
static inline void lock_reset(struct lock *lock)
{
	atomic_store(&lock->word, 0);
}

#endif
