/* SPDX-License-Identifier: MIT */
/* The table's write side. */
#include "table.h"

#include <stddef.h>
#include <sys/mman.h>

#include "arena.h"
#include "sys.h"

#define FIRST_ENTRIES 1024

static struct table_body *make_body(uint64_t entries)
{
	size_t bytes = sizeof(struct table_body) + entries * sizeof(struct table_entry);

	bytes = (bytes + 4095) & ~(size_t)4095;
	struct table_body *body = arena_pages(bytes, 0);

	if (body != NULL) {
		body->mask = entries - 1;
		body->bytes = bytes;
	}
	return body;
}

/* The place of KEY, or the free one where it belongs. */
static struct table_entry *find_place(struct table_body *body, uint64_t key)
{
	for (uint64_t i = table_hash(key);; i++) {
		struct table_entry *e = &body->entries[i & body->mask];
		uint64_t found = atomic_load_explicit(&e->key, memory_order_relaxed);

		if (found == key || found == 0)
			return e;
	}
}

static void put_entry(struct table_body *body, struct table_entry *e, uint64_t key, uint64_t value)
{
	atomic_store_explicit(&e->value, value, memory_order_release);
	if (atomic_load_explicit(&e->key, memory_order_relaxed) == 0) {
		atomic_store_explicit(&e->key, key, memory_order_release);
		body->used++;
	}
}

static struct table_body *grow_body(struct table *table, struct table_body *old)
{
	struct table_body *body = make_body(old == NULL ? FIRST_ENTRIES : (old->mask + 1) * 2);

	if (body == NULL)
		return NULL;
	for (uint64_t i = 0; old != NULL && i <= old->mask; i++) {
		uint64_t key = atomic_load_explicit(&old->entries[i].key, memory_order_relaxed);
		uint64_t value = atomic_load_explicit(&old->entries[i].value, memory_order_relaxed);

		if (key != 0 && value != 0)
			put_entry(body, find_place(body, key), key, value);
	}
	atomic_store_explicit(&table->body, body, memory_order_release);
	/*
	 * Readers may be in the old copy, so its addresses stay; its pages go back. They read zeros
	 * from then on, which is "not found". The page of the head stays: they need the mask.
	 */
	if (old != NULL && old->bytes > 4096) {
		(void)sys_madvise((char *)old + 4096, old->bytes - 4096, MADV_DONTNEED);
		arena_account(-(long)(old->bytes - 4096));
	}
	return body;
}

int table_set(struct table *table, uint64_t key, uint64_t value)
{
	struct table_body *body = atomic_load_explicit(&table->body, memory_order_relaxed);

	if (body == NULL || body->used * 3 >= body->mask * 2)
		body = grow_body(table, body);
	if (body == NULL)
		return -1;
	put_entry(body, find_place(body, key), key, value);
	return 0;
}

void table_clear(struct table *table)
{
	struct table_body *body = atomic_load(&table->body);

	atomic_store(&table->body, NULL);
	if (body != NULL) {
		arena_give_back(body, body->bytes);
	}
}
