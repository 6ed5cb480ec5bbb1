/* SPDX-License-Identifier: MIT */
/*
 * A hash table from a 64-bit key (not 0) to a 32-bit value that is read without a lock and written
 * under one. Grows by copying; a reader that still looks at the old copy finds nothing there and
 * asks again under the lock.
 */
#ifndef PMT_TRACER_TABLE_H
#define PMT_TRACER_TABLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct table_entry {
	_Atomic uint64_t key;	/* 0: free */
	_Atomic uint64_t value; /* 0: none (removed) */
};

struct table_body {
	uint64_t mask; /* entries - 1 */
	uint64_t used; /* keys, removed ones included */
	uint64_t bytes;
	struct table_entry entries[];
};

struct table {
	struct table_body *_Atomic body; /* NULL: empty */
};

static inline uint64_t table_hash(uint64_t key)
{
	key = (key ^ key >> 32) * 0x9E3779B97F4A7C15ULL;
	return key ^ key >> 29;
}

/* The value of KEY, 0 when there is none. Any thread. */
static inline uint64_t table_get(struct table *table, uint64_t key)
{
	struct table_body *body = atomic_load_explicit(&table->body, memory_order_acquire);

	if (body == NULL)
		return 0;
	for (uint64_t i = table_hash(key);; i++) {
		struct table_entry *e = &body->entries[i & body->mask];
		uint64_t found = atomic_load_explicit(&e->key, memory_order_acquire);

		if (found == key)
			return atomic_load_explicit(&e->value, memory_order_acquire);
		if (found == 0)
			return 0;
	}
}

/* Set KEY to VALUE (0 removes it). The caller holds the lock. Returns 0, or -1 without memory. */
int table_set(struct table *table, uint64_t key, uint64_t value);
/* Drop everything: in a forked child, with nobody else looking. */
void table_clear(struct table *table);

#endif
