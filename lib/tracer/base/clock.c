/* SPDX-License-Identifier: MIT */
/* The clock of the event path while no sampler moves it on. */
#include "clock.h"

struct clock_shared clock_shared;

uint64_t clock_reach(uint64_t now_ns)
{
	uint64_t due_ns;

	clock_raise(&clock_shared.high_ns, now_ns, 0);
	now_ns = atomic_load_explicit(&clock_shared.high_ns, memory_order_relaxed);
	due_ns = atomic_load_explicit(&clock_shared.due_ns, memory_order_acquire);
	if (due_ns != 0 && now_ns >= due_ns)
		clock_shared.at_due(now_ns);
	return now_ns;
}
