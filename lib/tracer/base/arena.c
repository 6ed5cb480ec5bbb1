/* SPDX-License-Identifier: MIT */
/* The tracer's own memory, by mmap. */
#include "arena.h"

#include <stdatomic.h>
#include <sys/auxv.h>

#include "sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/*
 * At most so many ranges are remembered. The bytes of further ones count, but arena_owns() does
 * not know them.
 */
#define RANGES 512

/*
 * Pieces are cut from areas, so that there are few ranges, however many pieces: areas get larger
 * with the number of ranges. Nothing of an area is resident before it is touched.
 */
#define AREA_BYTES (1UL << 20)
#define AREAS_OF_A_SIZE 64U

struct area {
	uint64_t bytes; /* with this head */
	_Atomic uint64_t used;
};

static _Atomic long held;
static struct {
	_Atomic uint64_t start;
	_Atomic uint64_t size; /* 0: none, or none any more */
} ranges[RANGES];
static _Atomic uint32_t ranges_used;
/* Where pieces are cut from now: kept in a forked child, and forgotten there. */
static struct area *_Atomic areas[2];

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

static void forget_range(const void *pages)
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

/* SIZE bytes in pages of their own, in a range of their own. */
static void *make_range(size_t size, int forget)
{
	void *p = sys_memory(size);

	if (p == NULL)
		return NULL;
	if (forget)
		(void)sys_madvise(p, size, MADV_WIPEONFORK);
	arena_remember(p, size);
	return p;
}

static uint64_t area_bytes(void)
{
	const unsigned step = atomic_load(&ranges_used) / AREAS_OF_A_SIZE;

	return AREA_BYTES << (step < 8 ? step : 8);
}

static size_t page_bytes(void)
{
	static _Atomic size_t known;
	size_t bytes = atomic_load_explicit(&known, memory_order_relaxed);

	if (bytes == 0) {
		bytes = getauxval(AT_PAGESZ);
		atomic_store_explicit(&known, bytes, memory_order_relaxed);
	}
	return bytes;
}

/* Whole pages: nothing else shares a page that may be given back. */
static size_t whole_pages(size_t size)
{
	return (size + page_bytes() - 1) & ~(page_bytes() - 1);
}

/* Cut SIZE bytes from AREA, or NULL. In a forked child the head of one that is wiped says 0. */
static void *cut_block(struct area *area, size_t size)
{
	uint64_t used = atomic_load(&area->used), from;

	do {
		from = used == 0 ? page_bytes() : used;
		if (area->bytes < from + size)
			return NULL;
	} while (!atomic_compare_exchange_weak(&area->used, &used, from + size));
	return (char *)area + from;
}

static struct area *make_area(int forget)
{
	const uint64_t bytes = area_bytes();
	struct area *area = make_range(bytes, forget);

	if (area == NULL)
		return NULL;
	/* A huge page would be resident for the sake of one small piece. */
	(void)sys_madvise(area, bytes, MADV_NOHUGEPAGE);
	area->bytes = bytes;
	return area;
}

static void *cut_somewhere(size_t size, int forget)
{
	for (;;) {
		struct area *area = atomic_load(&areas[forget]);
		void *p = area == NULL ? NULL : cut_block(area, size);
		struct area *made;

		if (p != NULL)
			return p;
		made = make_area(forget);
		if (made == NULL)
			return NULL;
		/* Another thread was faster: its area is as good. */
		if (!atomic_compare_exchange_strong(&areas[forget], &area, made)) {
			forget_range(made);
			(void)sys_munmap(made, made->bytes);
		}
	}
}

void *arena_pages(size_t size, int forget)
{
	void *p = whole_pages(size) > AREA_BYTES / 2
			  ? make_range(whole_pages(size), forget)
			  : cut_somewhere(whole_pages(size), forget != 0);

	if (p != NULL)
		arena_account((long)whole_pages(size));
	return p;
}

void arena_give_back(void *pages, size_t size)
{
	arena_account(-(long)whole_pages(size));
	if (whole_pages(size) <= AREA_BYTES / 2) {
		(void)sys_madvise(pages, whole_pages(size), MADV_DONTNEED);
		return;
	}
	forget_range(pages);
	(void)sys_munmap(pages, whole_pages(size));
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
