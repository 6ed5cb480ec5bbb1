/* SPDX-License-Identifier: MIT */
/*
 * A hash table from a 64-bit key to a 64-bit value that forgets: it grows up to a bound, and then
 * new entries take the places of others. Read without a lock and written under one. A reader that
 * looks at the moment when an entry is replaced, or when the cache grows, finds nothing and asks
 * again under the lock.
 */
#ifndef PMT_TRACER_CACHE_H
#define PMT_TRACER_CACHE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* At most so many entries, of 16 bytes. */
#define CACHE_ENTRIES_MOST (1U << 19)
/* Entries that a key may be in: they share a line of the processor's cache. */
#define CACHE_WAYS 4U

/* Two words that are read one after the other: only both of one entry give a key. */
struct cache_entry {
	_Atomic uint64_t check; /* key ^ value */
	_Atomic uint64_t value; /* 0: free */
};

struct cache_body {
	uint64_t mask; /* entries - 1 */
	uint64_t used;
	uint64_t bytes;
	uint64_t replaced; /* which of the ways is next */
	uint64_t unused[4];
	struct cache_entry entries[];
};

struct cache {
	struct cache_body *_Atomic body; /* NULL: empty */
};

/* KEY must be well mixed. */
static inline struct cache_entry *cache_ways(struct cache_body *body, uint64_t key)
{
	return &body->entries[key & body->mask & ~(uint64_t)(CACHE_WAYS - 1)];
}

/* The value of KEY, 0 when there is none. Any thread. */
static inline uint64_t cache_get(struct cache *cache, uint64_t key)
{
	struct cache_body *body = atomic_load_explicit(&cache->body, memory_order_acquire);
	struct cache_entry *e;

	if (body == NULL)
		return 0;
	e = cache_ways(body, key);
	for (unsigned i = 0; i < CACHE_WAYS; i++, e++) {
		uint64_t value = atomic_load_explicit(&e->value, memory_order_acquire);

		if (value != 0 &&
		    (atomic_load_explicit(&e->check, memory_order_acquire) ^ value) == key)
			return value;
	}
	return 0;
}

/* Set KEY, which is not there, to VALUE, not 0. The caller holds the lock. 0, or -1: no memory. */
int cache_set(struct cache *cache, uint64_t key, uint64_t value);
/* Drop everything, with nobody else looking. */
void cache_clear(struct cache *cache);

#endif
