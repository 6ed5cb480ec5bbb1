/* SPDX-License-Identifier: MIT */
/*
 * Entries of what is live: places in the file, and an index in memory that is made of their numbers
 * alone. An entry is written while it is invalid, and becomes valid with the one store that counts
 * a dropped chunk; what goes is only marked until then. So its place is free one chunk later.
 */
#include "held.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "arena.h"
#include "sys.h"

/* As many as places.c has chunks of 64 KiB in a terabyte, a quarter of it. */
#define CHUNKS_MAX 32768U
#define CELLS_FIRST 4096U

/* Numbers in pages of their own. */
struct list {
	uint32_t *numbers;
	uint32_t count;
	uint32_t room;
};

static struct {
	struct pmt_totals_entry *chunks[CHUNKS_MAX];
	uint32_t chunk_count;
	uint32_t per_chunk;
	uint32_t drop;
	uint32_t unused; /* first empty place + 1; linked by `stack` */
	uint32_t unused_count;
	uint32_t count;	    /* in use */
	uint32_t grown;	    /* most by which a chunk raised that */
	uint32_t before;    /* count before the chunk that is being dropped */
	struct list gone;   /* places that are empty once the chunk is dropped */
	struct list maps;   /* places of mappings */
	uint32_t *cells;    /* place + 1 by hash, 0: empty */
	uint32_t cell_mask; /* 0: no cells */
	uint64_t missing;
	void (*more)(void);
} held;

void held_init(void (*more)(void))
{
	held.more = more;
}

struct pmt_totals_entry *held_at(uint32_t place)
{
	return &held.chunks[place / held.per_chunk][place % held.per_chunk];
}

static void set_unused(uint32_t place)
{
	struct pmt_totals_entry *entry = held_at(place);

	entry->since = 0;
	atomic_signal_fence(memory_order_seq_cst);
	entry->stack = held.unused;
	held.unused = place + 1;
	held.unused_count++;
}

void held_give(struct pmt_totals_entry *entries, uint32_t count)
{
	const uint32_t first = held.chunk_count * count;

	if (held.chunk_count == CHUNKS_MAX)
		return;
	held.per_chunk = count;
	held.chunks[held.chunk_count++] = entries;
	for (uint32_t i = count; i-- > 0;)
		set_unused(first + i);
}

int held_wants(void)
{
	return held.unused_count < held.grown + held.per_chunk / 8;
}

uint64_t held_missing(void)
{
	return held.missing;
}

static void give_back(void *pages, uint64_t bytes)
{
	if (pages == NULL)
		return;
	arena_give_back(pages, bytes);
}

static int add_number(struct list *list, uint32_t number)
{
	if (list->count == list->room) {
		const uint32_t room = list->room == 0 ? 4096 : 2 * list->room;
		uint32_t *numbers = arena_pages(room * sizeof(uint32_t), 0);

		if (numbers == NULL)
			return -1;
		if (list->count != 0)
			memcpy(numbers, list->numbers, list->count * sizeof(uint32_t));
		give_back(list->numbers, list->room * sizeof(uint32_t));
		list->numbers = numbers;
		list->room = room;
	}
	list->numbers[list->count++] = number;
	return 0;
}

static void drop_list(struct list *list)
{
	give_back(list->numbers, list->room * sizeof(uint32_t));
	*list = (struct list){NULL, 0, 0};
}

void held_reset(void)
{
	drop_list(&held.gone);
	drop_list(&held.maps);
	if (held.cells != NULL)
		give_back(held.cells, (held.cell_mask + 1UL) * sizeof(uint32_t));
	memset(held.chunks, 0, held.chunk_count * sizeof(held.chunks[0]));
	held.cells = NULL;
	held.cell_mask = held.chunk_count = held.unused = held.unused_count = 0;
	held.count = held.grown = 0;
	held.missing = 0;
}

void held_begin(uint32_t drop)
{
	held.drop = drop;
	held.before = held.count;
}

void held_committed(void)
{
	for (uint32_t i = 0; i < held.gone.count; i++)
		set_unused(held.gone.numbers[i]);
	held.gone.count = 0;
	if (held.count > held.before && held.count - held.before > held.grown)
		held.grown = held.count - held.before;
}

/* Blocks by their address; the others' keys are no addresses. */
static uint64_t make_key(unsigned kind, uint64_t number)
{
	return kind >= PMT_HELD_BLOCK ? number : (1ULL << 63 | (uint64_t)kind << 56) ^ number;
}

static uint64_t key_of(const struct pmt_totals_entry *entry)
{
	const unsigned kind = pmt_held_kind(entry);

	if (kind == PMT_HELD_NAME)
		return make_key(kind, (uint64_t)entry->thread << 8 | pmt_held_value(entry) >> 8);
	return make_key(kind, entry->addr);
}

static uint32_t home_of(uint64_t key)
{
	return (uint32_t)((key * 0x9E3779B97F4A7C15ULL) >> 32) & held.cell_mask;
}

static void put_cell(uint32_t place)
{
	uint32_t i = home_of(key_of(held_at(place)));

	while (held.cells[i] != 0)
		i = (i + 1) & held.cell_mask;
	held.cells[i] = place + 1;
}

/* Room for one more in the index. Returns 0, or -1. */
static int grow_cells(void)
{
	const uint32_t *old = held.cells;
	const uint32_t count = old == NULL ? 0 : held.cell_mask + 1;
	const uint32_t wanted = count == 0 ? CELLS_FIRST : 2 * count;
	uint32_t *cells;

	if (count / 3 * 2 > held.count)
		return 0;
	cells = wanted < count ? NULL : arena_pages(wanted * sizeof(uint32_t), 0);
	if (cells == NULL)
		return -1;
	held.cells = cells;
	held.cell_mask = wanted - 1;
	for (uint32_t i = 0; i < count; i++)
		if (old[i] != 0)
			put_cell(old[i] - 1);
	give_back((void *)(uintptr_t)old, count * sizeof(uint32_t));
	return 0;
}

/* The gap that entry I leaves is closed by those behind it that are not at home. */
static void close_gap(uint32_t i)
{
	uint32_t next = i;

	for (;;) {
		next = (next + 1) & held.cell_mask;
		if (held.cells[next] == 0)
			break;
		const uint32_t home = home_of(key_of(held_at(held.cells[next] - 1)));

		if (((next - home) & held.cell_mask) < ((next - i) & held.cell_mask))
			continue;
		held.cells[i] = held.cells[next];
		i = next;
	}
	held.cells[i] = 0;
}

static void remove_cell(uint32_t place)
{
	uint32_t i = home_of(key_of(held_at(place)));

	while (held.cells[i] != place + 1)
		i = (i + 1) & held.cell_mask;
	close_gap(i);
}

static int is_mapping(const struct pmt_totals_entry *entry)
{
	return pmt_held_kind(entry) == PMT_HELD_MAPPING;
}

static uint32_t take_unused(void)
{
	uint32_t place;

	if (held.unused == 0)
		held.more();
	if (held.unused == 0)
		return HELD_NONE;
	place = held.unused - 1;
	held.unused = held_at(place)->stack;
	held.unused_count--;
	return place;
}

uint32_t held_put(const struct pmt_totals_entry *given)
{
	const uint32_t place = grow_cells() == 0 ? take_unused() : HELD_NONE;
	struct pmt_totals_entry *entry;

	if (place == HELD_NONE || (is_mapping(given) && add_number(&held.maps, place) != 0)) {
		if (place != HELD_NONE)
			set_unused(place);
		held.missing++;
		return HELD_NONE;
	}
	entry = held_at(place);
	entry->addr = given->addr;
	entry->what = given->what;
	entry->stack = given->stack;
	entry->thread = given->thread;
	entry->until = 0;
	atomic_signal_fence(memory_order_seq_cst);
	entry->since = held.drop;
	held.count++;
	if (!is_mapping(given))
		put_cell(place);
	return place;
}

void held_remove(uint32_t place)
{
	struct pmt_totals_entry *entry = held_at(place);

	held.count--;
	if (is_mapping(entry)) {
		for (uint32_t i = 0; i < held.maps.count; i++)
			if (held.maps.numbers[i] == place) {
				held.maps.numbers[i] = held.maps.numbers[--held.maps.count];
				break;
			}
	} else {
		remove_cell(place);
	}
	if (entry->since == held.drop) {
		set_unused(place);
		return;
	}
	/* Without memory for it, the place is never used again. */
	entry->until = held.drop;
	(void)add_number(&held.gone, place);
}

/* The place of the next entry with this key, from cell *I on, which is moved on behind it. */
static uint32_t next_with(uint64_t key, uint32_t *i)
{
	while (held.cells[*i] != 0) {
		const uint32_t place = held.cells[*i] - 1;

		*i = (*i + 1) & held.cell_mask;
		if (key_of(held_at(place)) == key)
			return place;
	}
	return HELD_NONE;
}

static uint32_t find_key(uint64_t key)
{
	uint32_t i = home_of(key);

	return held.cells == NULL ? HELD_NONE : next_with(key, &i);
}

uint32_t held_block(uint64_t addr)
{
	return find_key(addr);
}

uint32_t held_thread(uint32_t number)
{
	return find_key(make_key(PMT_HELD_THREAD, number));
}

uint32_t held_name(uint32_t number, uint32_t part)
{
	return find_key(make_key(PMT_HELD_NAME, (uint64_t)number << 8 | part));
}

uint32_t held_free(uint64_t addr, uint64_t order, uint32_t slot)
{
	const uint64_t key = make_key(PMT_HELD_FREE, addr);
	uint32_t i = home_of(key), best = HELD_NONE, place;

	if (held.cells == NULL)
		return HELD_NONE;
	while ((place = next_with(key, &i)) != HELD_NONE) {
		const struct pmt_totals_entry *entry = held_at(place), *other = entry;
		const uint64_t at = pmt_held_number(entry);

		if (at < order || (at == order && pmt_held_value(entry) <= slot))
			continue;
		if (best != HELD_NONE)
			other = held_at(best);
		if (best == HELD_NONE || at < pmt_held_number(other) ||
		    (at == pmt_held_number(other) && pmt_held_value(entry) < pmt_held_value(other)))
			best = place;
	}
	return best;
}

uint32_t held_mapping(uint32_t i)
{
	return i < held.maps.count ? held.maps.numbers[i] : HELD_NONE;
}
