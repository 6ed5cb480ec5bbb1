/* SPDX-License-Identifier: MIT */
/*
 * The clock of the event path: a number that the sampler moves on, so that an event reads the time
 * with one load. While no sampler runs the number is 0 and events ask the coarse system clock.
 */
#ifndef PMT_TRACER_CLOCK_H
#define PMT_TRACER_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC in ns at the sampler's last tick, or later; 0: no sampler. Alone in its cache
 * line. */
struct clock_shared {
	_Alignas(64) _Atomic uint64_t tick_ns;
	char fill[56];
};

extern struct clock_shared clock_shared;

static inline uint64_t clock_tick(void)
{
	return atomic_load_explicit(&clock_shared.tick_ns, memory_order_acquire);
}

/* CLOCK_MONOTONIC in ns, precise, mostly without a system call. */
static inline uint64_t clock_precise(void)
{
	struct timespec ts;

	/* It cannot fail, so errno stays. */
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* It is NOW_NS, or later; does nothing without a sampler. Any thread. */
static inline void clock_advance(uint64_t now_ns)
{
	uint64_t tick = clock_tick();

	while (tick != 0 && tick < now_ns &&
	       !atomic_compare_exchange_weak_explicit(&clock_shared.tick_ns, &tick, now_ns,
						      memory_order_release, memory_order_relaxed))
		;
}

#endif
