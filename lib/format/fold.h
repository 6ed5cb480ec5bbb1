/* SPDX-License-Identifier: MIT */
/*
 * The contents of a fold chunk (PMT_CHUNK_FOLD): what a thread knows of its short-lived blocks.
 *
 * A thread keeps its youngest small blocks in `blocks`. A block that it frees from there leaves no
 * record: it is counted in `sites`, by the stack and the allocator that it came from. A block that
 * gives way to a younger one is written as an `alloc` record, late. The chunk lies in the file
 * while it changes, so that at any moment records and chunk together hold everything:
 *
 *	allocations = records (`alloc`, `realloc`, `folded`) + counts of `sites` + `blocks`
 *
 * Behind the chunk's head stand struct pmt_fold, then `blocks`, then `sites`. The chunk has a slot
 * of its own, and the sequence 0; `slot` in it names that of the thread's events. No two name the
 * same.
 *
 * The chunk is sealed when nobody changes it any more: then it is right as it is. Before that the
 * process may be killed between two stores. A reader sets right, in chunks that are not sealed:
 *	- A block leaves for the log: the record is committed, then the block's place is emptied.
 *	  When the last record of the thread's events is an `alloc` of this address, size, stack
 *	  and allocator, under this order number, the block is in the log already.
 *	- Counts leave for the log: the same, when the last record is a `folded` record of this
 *	  key and these counts.
 *	- A block is freed: `journal` is written, then a word of its site grows, then its place is
 *	  emptied. When a block has the number of the journal, and the count of its site has the
 *	  journal's parity, the block has been counted and is gone.
 */
#ifndef PMT_FORMAT_FOLD_H
#define PMT_FORMAT_FOLD_H

#include <stdint.h>

#include "record.h"

/* Larger blocks are written at once. */
#define PMT_FOLD_SIZE_MAX 16384U

/*
 * With PMT_COMPATIBLE_FOLD_BOUND the tables of all threads together never hold more bytes than
 * this: a hundredth of a heap of 25 MiB.
 */
#define PMT_FOLD_HELD_MAX (256U << 10)

/* How many further allocations the thread made before it freed a block: 0, 1, more. */
#define PMT_FOLD_DISTANCES 3

struct pmt_fold {
	uint32_t slot;	 /* of the thread's events */
	uint32_t blocks; /* places for blocks, a power of two */
	uint32_t sites;	 /* places for sites, a power of two */
	uint32_t reserved;
	uint64_t held_peak; /* most bytes that `blocks` held at one time */
	uint64_t journal;   /* pmt_fold_journal() of the last block that was freed */
	uint64_t reserved2[4];
};

struct pmt_fold_block {
	uint64_t addr;	/* 0: an empty place */
	uint64_t order; /* the thread's order number at the allocation */
	uint32_t size;	/* requested bytes */
	uint32_t stack;
	uint32_t number;    /* of this allocation in its thread, modulo 2^32 */
	uint32_t allocator; /* PMT_ALLOCATOR_* */
};

struct pmt_fold_site {
	uint64_t key;			    /* pmt_fold_key(), 0: an empty place */
	uint64_t words[PMT_FOLD_DISTANCES]; /* count and bytes, see below */
};

_Static_assert(sizeof(struct pmt_fold) == 64, "layout");
_Static_assert(sizeof(struct pmt_fold_block) == 32, "layout");
_Static_assert(sizeof(struct pmt_fold_site) == 32, "layout");

/* A count and its bytes in one word, so that one store changes both. */
#define PMT_FOLD_BYTES_BITS 40
#define PMT_FOLD_COUNT_MAX (1ULL << 23) /* at the latest then it goes to a `folded` record */

static inline uint64_t pmt_fold_word(uint64_t count, uint64_t bytes)
{
	return count << PMT_FOLD_BYTES_BITS | bytes;
}

static inline uint64_t pmt_fold_count(uint64_t word)
{
	return word >> PMT_FOLD_BYTES_BITS;
}

static inline uint64_t pmt_fold_bytes(uint64_t word)
{
	return word & ((1ULL << PMT_FOLD_BYTES_BITS) - 1);
}

static inline uint64_t pmt_fold_key(uint32_t stack, uint32_t allocator)
{
	return 1ULL << 63 | (uint64_t)allocator << 32 | stack;
}

static inline uint32_t pmt_fold_key_stack(uint64_t key)
{
	return (uint32_t)key;
}

static inline uint32_t pmt_fold_key_allocator(uint64_t key)
{
	return (uint32_t)(key >> 32) & 31;
}

/* The `folded` record that says what SITE says. */
static inline struct pmt_folded pmt_fold_record(const struct pmt_fold_site *site)
{
	return (struct pmt_folded){
		.stack = pmt_fold_key_stack(site->key),
		.allocator = pmt_fold_key_allocator(site->key),
		.count0 = pmt_fold_count(site->words[0]),
		.bytes0 = pmt_fold_bytes(site->words[0]),
		.count1 = pmt_fold_count(site->words[1]),
		.bytes1 = pmt_fold_bytes(site->words[1]),
		.count = pmt_fold_count(site->words[2]),
		.bytes = pmt_fold_bytes(site->words[2]),
	};
}

/* COUNT: that of all words of the site, the block that is being freed included. */
static inline uint64_t pmt_fold_journal(uint32_t number, uint64_t count)
{
	return 1ULL << 63 | (uint64_t)number << 1 | (count & 1);
}

#endif
