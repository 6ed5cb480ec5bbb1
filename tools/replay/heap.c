/* SPDX-License-Identifier: MIT */
/*
 * Live blocks: one open-addressing table, sorted by hash.
 *
 *	home of a hash = hash * homes / 2^64, so a larger hash never has an earlier home
 *
 *	slot   0    1    2    3    4    5    6
 *	hash  .12  .14   -   .45  .47  .48   -      entries are in the order of their hashes,
 *	home   1    1         3    3    3           each at its home or behind it without a gap
 *
 * A search goes from the home until the hashes are larger; taking out closes the gap, so there are
 * no tombstones. Because the order is the same for any number of homes, the table grows in place by
 * two straight passes over memory, in steps of a third: that keeps it between 51 and 68 percent
 * full.
 */
#include "heap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "mix.h"

/* The hash is the key: it is a bijection of the address. */
struct heap_slot {
	uint64_t hash; /* HASH_EMPTY when the slot is empty: not less than any */
	uint32_t size; /* SIZE_LARGE: there may be more of it in the other table */
	uint32_t site; /* 0: the slot is empty */
};

_Static_assert(sizeof(struct heap_slot) == 16, "the memory of a block");

enum {
	HOMES_FIRST = 1024,
	TAIL = 64, /* slots behind the last home, for the entries whose home is near the end */
	LOOK = 4,  /* slots that a search looks at together; so many at the end are always empty */
};

#define SIZE_LARGE UINT32_MAX
#define HASH_EMPTY UINT64_MAX
#define HOMES_MAX ((size_t)1 << 31)

void heap_init(struct heap *heap)
{
	memset(heap, 0, sizeof(*heap));
	heap->blocks.factor = mix_factor();
	heap->large.factor = heap->blocks.factor;
	heap->births.factor = heap->blocks.factor;
}

void heap_fini(struct heap *heap)
{
	free(heap->blocks.slots);
	free(heap->large.slots);
	free(heap->births.slots);
	memset(heap, 0, sizeof(*heap));
}

/* Upper halves only, so that no 128-bit product is needed; homes stay below 2^32. */
static inline size_t home_of(uint64_t hash, size_t homes)
{
	return (size_t)(((hash >> 32) * homes) >> 32);
}

static const struct heap_slot no_entry = {.hash = HASH_EMPTY};

/*
 * Where HASH is or belongs; the table has slots. Hashes only grow from its home on, empty slots
 * left out, so counting the smaller ones saves a branch for each, which nobody could predict.
 */
static inline size_t find_slot(const struct heap_table *table, uint64_t hash)
{
	size_t i = home_of(hash, table->homes);

	for (;;) {
		const struct heap_slot *slots = &table->slots[i];
		size_t smaller = 0;

		for (size_t j = 0; j < LOOK; j++)
			smaller += slots[j].hash < hash;
		i += smaller;
		if (smaller < LOOK)
			return i;
	}
}

static inline bool slot_holds(const struct heap_table *table, size_t i, uint64_t hash)
{
	return table->slots[i].site != 0 && table->slots[i].hash == hash;
}

/* One more than the slot of the last entry, if there were HOMES homes. */
static size_t end_with(const struct heap_table *table, size_t homes)
{
	size_t end = 0;

	for (size_t i = 0; i < table->size; i++) {
		if (table->slots[i].site == 0)
			continue;
		size_t home = home_of(table->slots[i].hash, homes);

		end = (home > end ? home : end) + 1;
	}
	return end;
}

/* Move all entries, in order, to the end of the SIZE slots; returns the first one's slot. */
static size_t pack_slots(struct heap_slot *slots, size_t used, size_t size)
{
	size_t to = size;

	for (size_t i = used; i-- > 0;)
		if (slots[i].site != 0)
			slots[--to] = slots[i];
	return to;
}

/*
 * Move the packed entries [FROM, SIZE) to their places for HOMES homes. An entry never moves up:
 * the last one has room below SIZE (end_with() told), and each earlier one lies at least one lower.
 */
static void spread_slots(struct heap_slot *slots, size_t from, size_t size, size_t homes)
{
	size_t next = 0;

	for (size_t i = from; i < size; i++) {
		struct heap_slot entry = slots[i];
		size_t place = home_of(entry.hash, homes);

		if (place < next)
			place = next;
		while (next < place)
			slots[next++] = no_entry;
		slots[next++] = entry;
	}
	while (next < size)
		slots[next++] = no_entry;
}

static void grow_table(struct heap_table *table)
{
	const size_t homes = table->homes == 0 ? HOMES_FIRST : table->homes + table->homes / 3 + 1;

	if (homes > HOMES_MAX)
		die(EXIT_DATA, "too many live blocks");
	const size_t end = end_with(table, homes);
	const size_t size = (end > homes ? end : homes) + TAIL;

	table->slots = need_resize(table->slots, size * sizeof(*table->slots));
	spread_slots(table->slots, pack_slots(table->slots, table->size, size), size, homes);
	table->homes = homes;
	table->size = size;
	table->limit = homes / 16 * 11;
}

/*
 * Put ENTRY into slot I and move the run from there up by one. Returns false when the run reaches
 * the end of the table: then ENTRY is the last one of the run, which has no place now.
 */
static inline bool insert_slot(struct heap_table *table, size_t i, struct heap_slot *entry)
{
	for (; i + LOOK < table->size; i++) {
		const struct heap_slot moved = table->slots[i];

		table->slots[i] = *entry;
		if (moved.site == 0)
			return true;
		*entry = moved;
	}
	return false;
}

/* Take the entry at slot I out and draw up those behind it that are not at home. */
static inline void close_gap(struct heap_table *table, size_t i)
{
	struct heap_slot *slots = table->slots;

	for (; slots[i + 1].site != 0 && home_of(slots[i + 1].hash, table->homes) <= i; i++)
		slots[i] = slots[i + 1];
	slots[i] = no_entry;
}

/* Put ENTRY in; when its hash is there, OLD gets what was there. Returns whether it was. */
static inline bool table_put(struct heap_table *table, struct heap_slot entry,
			     struct heap_slot *old)
{
	if (table->count >= table->limit)
		grow_table(table);
	size_t i = find_slot(table, entry.hash);

	if (slot_holds(table, i, entry.hash)) {
		*old = table->slots[i];
		table->slots[i] = entry;
		return true;
	}
	table->count++;
	while (!insert_slot(table, i, &entry)) {
		grow_table(table);
		i = find_slot(table, entry.hash);
	}
	return false;
}

static inline bool table_take(struct heap_table *table, uint64_t hash, struct heap_slot *old)
{
	if (table->count == 0)
		return false;
	size_t i = find_slot(table, hash);

	if (!slot_holds(table, i, hash))
		return false;
	*old = table->slots[i];
	close_gap(table, i);
	table->count--;
	return true;
}

/* What is kept aside of a block; false where there is nothing. */
static bool take_aside(struct heap_table *table, uint64_t hash, struct heap_slot *slot)
{
	return table->count != 0 && table_take(table, hash, slot);
}

static void put_aside(struct heap_table *table, uint64_t hash, uint32_t size, uint32_t site)
{
	struct heap_slot old;

	table_put(table, (struct heap_slot){hash, size, site}, &old);
}

/* The block that was in SLOT, with what was kept aside of it. */
static inline void unpack_block(struct heap *heap, const struct heap_slot *slot,
				struct heap_block *block)
{
	struct heap_slot aside;

	block->size_bytes = slot->size;
	block->site = slot->site;
	block->sequence = 0;
	if (slot->size == SIZE_LARGE && take_aside(&heap->large, slot->hash, &aside))
		block->size_bytes = (uint64_t)aside.site << 32 | aside.size;
	if (heap->with_sequences && take_aside(&heap->births, slot->hash, &aside))
		block->sequence = aside.size;
}

bool heap_put(struct heap *heap, uint64_t addr, const struct heap_block *block,
	      struct heap_block *old)
{
	const uint64_t hash = mix(heap->blocks.factor, addr);
	const uint32_t upper = (uint32_t)(block->size_bytes >> 32);
	const uint32_t lower = (uint32_t)block->size_bytes;
	struct heap_slot before;

	assert(block->site != 0);
	const bool replaced = table_put(
		&heap->blocks,
		(struct heap_slot){hash, upper != 0 ? SIZE_LARGE : lower, block->site}, &before);

	if (replaced)
		unpack_block(heap, &before, old);
	if (upper != 0)
		put_aside(&heap->large, hash, lower, upper);
	if (heap->with_sequences)
		put_aside(&heap->births, hash, block->sequence, 1);
	return replaced;
}

bool heap_take(struct heap *heap, uint64_t addr, struct heap_block *old)
{
	struct heap_slot slot;

	if (!table_take(&heap->blocks, mix(heap->blocks.factor, addr), &slot))
		return false;
	unpack_block(heap, &slot, old);
	return true;
}

static const struct heap_slot *look_up(const struct heap_table *table, uint64_t hash)
{
	if (table->count == 0)
		return NULL;
	const size_t i = find_slot(table, hash);

	return slot_holds(table, i, hash) ? &table->slots[i] : NULL;
}

bool heap_look(const struct heap *heap, uint64_t addr, struct heap_block *block)
{
	const struct heap_slot *slot = look_up(&heap->blocks, mix(heap->blocks.factor, addr));

	if (slot == NULL)
		return false;
	*block = (struct heap_block){slot->size, slot->site, 0};
	if (slot->size == SIZE_LARGE && (slot = look_up(&heap->large, slot->hash)) != NULL)
		block->size_bytes = (uint64_t)slot->site << 32 | slot->size;
	return true;
}

size_t heap_footprint(const struct heap *heap)
{
	return (heap->blocks.size + heap->large.size + heap->births.size) *
	       sizeof(struct heap_slot);
}

void heap_prefetch(const struct heap *heap, uint64_t addr)
{
	const struct heap_table *table = &heap->blocks;

	if (table->count == 0)
		return;
	const struct heap_slot *home =
		&table->slots[home_of(mix(table->factor, addr), table->homes)];

	__builtin_prefetch(home, 1);
	__builtin_prefetch(home + LOOK - 1, 1);
}
