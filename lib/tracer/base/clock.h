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

/* Alone in its cache line. */
struct clock_shared {
	/* CLOCK_MONOTONIC in ns at the sampler's last tick, or later; 0: no sampler. */
	_Alignas(64) _Atomic uint64_t tick_ns;
	/* The latest time that an event had while there was none. */
	_Atomic uint64_t high_ns;
	/*
	 * While there is none: the first event at this time or later calls `at_due` with the time,
	 * which sets the next one. 0: no event does.
	 */
	_Atomic uint64_t due_ns;
	void (*at_due)(uint64_t now_ns);
	char fill[32];
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

/* *PLACE becomes TO_NS, unless it is later, or 0 and NOT_ZERO. */
static inline void clock_raise(_Atomic uint64_t *place, uint64_t to_ns, int not_zero)
{
	uint64_t old = atomic_load_explicit(place, memory_order_relaxed);

	while (old < to_ns && !(not_zero && old == 0) &&
	       !atomic_compare_exchange_weak_explicit(place, &old, to_ns, memory_order_release,
						      memory_order_relaxed))
		;
}

/* An event at NOW_NS of the coarse clock, while no sampler runs. Returns the latest time so far. */
uint64_t clock_reach(uint64_t now_ns);

/* A thread's `time` records are no closer than this. */
#define CLOCK_STEP_NS 1000000ULL

/* An event knows that it is NOW_NS; the clock becomes that if it is late by a step. Any thread. */
static inline void clock_advance(uint64_t now_ns)
{
	const uint64_t tick = clock_tick();

	if (tick != 0 && now_ns >= tick + CLOCK_STEP_NS)
		clock_raise(&clock_shared.tick_ns, now_ns, 1);
	else if (tick == 0 &&
		 now_ns >= atomic_load_explicit(&clock_shared.high_ns, memory_order_relaxed) +
				   CLOCK_STEP_NS)
		clock_raise(&clock_shared.high_ns, now_ns, 0);
}

#endif
