/* SPDX-License-Identifier: MIT */
/*
 * Finds things of an array by their keys: a hash table of their numbers. The array stays with the
 * caller, who says with SAME whether the thing with some number has the key that is looked for.
 *
 * Keys come from logs, which may have been made to be slow to read. Hashes depend on random numbers
 * that are drawn for each table, so no log can be made in advance whose keys collide.
 *
 *	cells    [hash 7a.. number 2] [-] [hash 51.. number 1] [hash 51.. number 3] ...
 *	array    thing 1, thing 2, thing 3                     (number 0 is no thing)
 */
#ifndef PMT_TOOLS_HASHINDEX_H
#define PMT_TOOLS_HASHINDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mix.h"

struct hashindex_cell {
	uint32_t hash;	 /* the upper half; its low bits say where the search begins */
	uint32_t number; /* 0: the cell is empty */
};

struct hashindex {
	struct hashindex_cell *cells; /* at most half of them are used; NULL before the first */
	uint32_t mask;		      /* number of cells, a power of two, less one */
	uint32_t count;
	uint64_t factors[2];
	const char *what; /* what is counted, for the message that there are too many */
};

/* Caller-owned; takes no memory before the first thing. WHAT must outlive it: "stacks". */
void hashindex_init(struct hashindex *index, const char *what);
void hashindex_fini(struct hashindex *index);

/* The hash of a key is made word by word, beginning with 0 or with the first word itself. */
static inline uint64_t hashindex_mix(const struct hashindex *index, uint64_t hash, uint64_t word)
{
	return mix(index->factors[0], hash + word * index->factors[1]);
}

/* The same with the bytes of a text. */
uint64_t hashindex_mix_text(const struct hashindex *index, uint64_t hash, const char *text,
			    size_t size);

/* Whether thing NUMBER has the key that KEY points to. */
typedef bool (*hashindex_same)(const void *key, uint32_t number);

/* The number of the thing with this HASH and KEY; 0: there is none. */
static inline uint32_t hashindex_find(const struct hashindex *index, uint64_t hash,
				      hashindex_same same, const void *key)
{
	const uint32_t upper = (uint32_t)(hash >> 32);

	if (index->cells == NULL)
		return 0;
	for (uint32_t i = upper;; i++) {
		const struct hashindex_cell *cell = &index->cells[i & index->mask];

		if (cell->number == 0 || (cell->hash == upper && same(key, cell->number)))
			return cell->number;
	}
}

/* Add thing NUMBER, which is not there. Ends the program when there is no memory. */
void hashindex_add(struct hashindex *index, uint64_t hash, uint32_t number);

/* Bring the first cell for HASH into the processor's cache, for a search that comes soon. */
static inline void hashindex_prefetch(const struct hashindex *index, uint64_t hash)
{
	if (index->cells != NULL)
		__builtin_prefetch(&index->cells[(uint32_t)(hash >> 32) & index->mask]);
}

#endif
