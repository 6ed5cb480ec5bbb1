/* SPDX-License-Identifier: MIT */
/* The tracer's own memory, by mmap. */
#include "arena.h"

#include <stdatomic.h>

#include "sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static _Atomic long held;

void *arena_pages(size_t size, int forget)
{
	void *p = sys_memory(size);

	if (p == NULL)
		return NULL;
	if (forget)
		(void)sys_madvise(p, size, MADV_WIPEONFORK);
	arena_account((long)size);
	return p;
}

void arena_account(long bytes)
{
	atomic_fetch_add_explicit(&held, bytes, memory_order_relaxed);
}

uint64_t arena_bytes(void)
{
	long bytes = atomic_load_explicit(&held, memory_order_relaxed);

	return bytes < 0 ? 0 : (uint64_t)bytes;
}

void arena_reset(void)
{
	atomic_store(&held, 0);
}
