/* SPDX-License-Identifier: MIT */
/*
 * The clock of the event path: a number that the sampler moves on, so that an event reads the time
 * with one load. While no sampler runs the number is 0 and events ask the coarse system clock.
 */
#ifndef PMT_TRACER_CLOCK_H
#define PMT_TRACER_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

/* CLOCK_MONOTONIC in ns at the sampler's last tick; 0: no sampler. Alone in its cache line. */
struct clock_shared {
	_Alignas(64) _Atomic uint64_t tick_ns;
	char fill[56];
};

extern struct clock_shared clock_shared;

static inline uint64_t clock_tick(void)
{
	return atomic_load_explicit(&clock_shared.tick_ns, memory_order_acquire);
}

#endif
