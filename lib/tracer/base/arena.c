/* SPDX-License-Identifier: MIT */
/* The tracer's own memory, by mmap. */
#include "arena.h"

#include <stdatomic.h>

#include "sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/*
 * At most so many ranges are remembered. The bytes of further ones count, but arena_owns() does
 * not know them.
 */
#define RANGES 512

static _Atomic long held;
static struct {
	_Atomic uint64_t start;
	_Atomic uint64_t size; /* 0: none, or none any more */
} ranges[RANGES];
static _Atomic uint32_t ranges_used;

void arena_remember(const void *pages, size_t size)
{
	uint32_t i = atomic_load(&ranges_used);

	while (i < RANGES && !atomic_compare_exchange_weak(&ranges_used, &i, i + 1))
		;
	/*
	 * If there is no free entry, take one whose pages are gone. Its size is 1 while it is
	 * being written, so that no other thread takes it.
	 */
	if (i >= RANGES) {
		for (i = 0; i < RANGES; i++) {
			uint64_t none = 0;

			if (atomic_compare_exchange_strong(&ranges[i].size, &none, 1))
				break;
		}
	}
	if (i >= RANGES)
		return;
	atomic_store(&ranges[i].start, (uintptr_t)pages);
	atomic_store(&ranges[i].size, size);
}

void arena_gone(const void *pages)
{
	for (uint32_t i = 0; i < atomic_load(&ranges_used); i++)
		if (atomic_load(&ranges[i].start) == (uintptr_t)pages)
			atomic_store(&ranges[i].size, 0);
}

int arena_owns(uint64_t addr, uint64_t limit, uint64_t *end)
{
	*end = limit;
	for (uint32_t i = 0; i < atomic_load(&ranges_used); i++) {
		uint64_t start = atomic_load(&ranges[i].start);
		uint64_t size = atomic_load(&ranges[i].size);

		if (addr - start < size) {
			*end = start + size < limit ? start + size : limit;
			return 1;
		}
		if (size != 0 && start > addr && start < *end)
			*end = start;
	}
	return 0;
}

void *arena_pages(size_t size, int forget)
{
	void *p = sys_memory(size);

	if (p == NULL)
		return NULL;
	if (forget)
		(void)sys_madvise(p, size, MADV_WIPEONFORK);
	arena_remember(p, size);
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
