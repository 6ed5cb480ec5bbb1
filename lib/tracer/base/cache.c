/* SPDX-License-Identifier: MIT */
/* The cache's write side. */
#include "cache.h"

#include <sys/mman.h>

#include "arena.h"
#include "sys.h"

#define ENTRIES_FIRST 1024U

static struct cache_body *make_body(uint64_t entries)
{
	const size_t needed = sizeof(struct cache_body) + entries * sizeof(struct cache_entry);
	const size_t bytes = (needed + 4095) & ~(size_t)4095;
	struct cache_body *body = arena_pages(bytes, 0);

	if (body != NULL) {
		body->mask = entries - 1;
		body->bytes = bytes;
	}
	return body;
}

/* The value goes first and comes last, so that a reader never sees the new one with the old key. */
static void put_entry(struct cache_body *body, uint64_t key, uint64_t value)
{
	struct cache_entry *ways = cache_ways(body, key), *e = NULL;

	for (unsigned i = 0; i < CACHE_WAYS && e == NULL; i++)
		if (atomic_load_explicit(&ways[i].value, memory_order_relaxed) == 0)
			e = &ways[i];
	if (e == NULL)
		e = &ways[body->replaced++ % CACHE_WAYS];
	else
		body->used++;
	atomic_store_explicit(&e->value, 0, memory_order_release);
	atomic_store_explicit(&e->check, key ^ value, memory_order_release);
	atomic_store_explicit(&e->value, value, memory_order_release);
}

static struct cache_body *grow_body(struct cache *cache, struct cache_body *old)
{
	struct cache_body *body = make_body(old == NULL ? ENTRIES_FIRST : (old->mask + 1) * 2);

	if (body == NULL)
		return old;
	for (uint64_t i = 0; old != NULL && i <= old->mask; i++) {
		uint64_t value = atomic_load_explicit(&old->entries[i].value, memory_order_relaxed);
		uint64_t check = atomic_load_explicit(&old->entries[i].check, memory_order_relaxed);

		if (value != 0)
			put_entry(body, check ^ value, value);
	}
	atomic_store_explicit(&cache->body, body, memory_order_release);
	/* Readers may be in the old copy: they find zeros there. They need the mask in its head. */
	if (old != NULL && old->bytes > 4096) {
		(void)sys_madvise((char *)old + 4096, old->bytes - 4096, MADV_DONTNEED);
		arena_account(-(long)(old->bytes - 4096));
	}
	return body;
}

int cache_set(struct cache *cache, uint64_t key, uint64_t value)
{
	struct cache_body *body = atomic_load_explicit(&cache->body, memory_order_relaxed);

	if (body == NULL ||
	    (body->used > (body->mask + 1) / 2 && body->mask + 1 < CACHE_ENTRIES_MOST))
		body = grow_body(cache, body);
	if (body == NULL)
		return -1;
	put_entry(body, key, value);
	return 0;
}

void cache_clear(struct cache *cache)
{
	struct cache_body *body = atomic_load(&cache->body);

	atomic_store(&cache->body, NULL);
	if (body != NULL)
		arena_give_back(body, body->bytes);
}
