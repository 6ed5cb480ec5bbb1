/* SPDX-License-Identifier: MIT */
/* A hash table of numbers with linear probing, half full at most. */
#include "hashindex.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

enum { CELLS_FIRST = 64 };

void hashindex_init(struct hashindex *index, const char *what)
{
	*index = (struct hashindex){
		.factors = {mix_factor(), mix_factor()},
		.what = what,
	};
}

void hashindex_fini(struct hashindex *index)
{
	free(index->cells);
	*index = (struct hashindex){0};
}

/* Eight bytes at a time; the size, which is mixed in last, tells "a" from "a\0". */
uint64_t hashindex_mix_text(const struct hashindex *index, uint64_t hash, const char *text,
			    size_t size)
{
	for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
		const size_t left = size - at;
		uint64_t word = 0;

		memcpy(&word, text + at, left < sizeof(word) ? left : sizeof(word));
		hash = hashindex_mix(index, hash, word);
	}
	return hashindex_mix(index, hash, size);
}

static void put_cell(struct hashindex *index, struct hashindex_cell cell)
{
	uint32_t i = cell.hash;

	while (index->cells[i & index->mask].number != 0)
		i++;
	index->cells[i & index->mask] = cell;
}

/* Twice the cells. A cell keeps its hash, so the things need not be looked at. */
static void grow_cells(struct hashindex *index)
{
	const struct hashindex old = *index;
	const size_t old_count = old.cells == NULL ? 0 : old.mask + (size_t)1;
	const size_t count = old_count == 0 ? CELLS_FIRST : old_count * 2;

	if (count > UINT32_MAX)
		die(EXIT_DATA, "too many %s", index->what);
	index->cells = need_memory(count * sizeof(*index->cells));
	memset(index->cells, 0, count * sizeof(*index->cells));
	index->mask = (uint32_t)(count - 1);
	for (size_t i = 0; i < old_count; i++)
		if (old.cells[i].number != 0)
			put_cell(index, old.cells[i]);
	free(old.cells);
}

void hashindex_add(struct hashindex *index, uint64_t hash, uint32_t number)
{
	if (index->cells == NULL || index->count > index->mask / 2)
		grow_cells(index);
	index->count++;
	put_cell(index, (struct hashindex_cell){(uint32_t)(hash >> 32), number});
}
