/* SPDX-License-Identifier: MIT */
/* What everybody asks: is this process traced, what of it, by which options, and what time is it?
 */
#include "tracing.h"

#include <stddef.h>

#include "arena.h"
#include "sys.h"

struct tracing_shared tracing_shared;

static _Atomic int *alive; /* 1; a forked child sees 0 here */

uint64_t tracing_coarse_now(void)
{
	struct timespec ts;
	uint64_t now;

	/* The C library's version needs no system call. It cannot fail, so errno stays. */
	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
	if (!tracing_is_on())
		return now;
	now = clock_reach(now);
	/* A sampler that began meanwhile may have published a later time. */
	return clock_tick() != 0 ? clock_tick() : now;
}

int tracing_own(void)
{
	if (alive == NULL)
		alive = arena_pages(4096, 1);
	if (alive == NULL)
		return -1;
	atomic_store(alive, 1);
	tracing_shared.pid = sys_getpid();
	return 0;
}

void tracing_disown(void)
{
	atomic_store(alive, 0);
}

int tracing_was_owned(void)
{
	return alive != NULL;
}

int tracing_is_same_process(void)
{
	return atomic_load_explicit(alive, memory_order_relaxed) == 1;
}

int tracing_is_own(void)
{
	return tracing_is_on() && tracing_is_same_process();
}

int tracing_is_own_surely(void)
{
	return tracing_is_own() && sys_getpid() == tracing_shared.pid;
}
