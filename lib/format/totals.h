/* SPDX-License-Identifier: MIT */
/*
 * The contents of a totals chunk (PMT_CHUNK_TOTALS): what is known of chunks of events that were
 * dropped because the log had reached its size limit.
 *
 * Behind the chunk's head stand struct pmt_totals, then `sites` places for sites. All totals chunks
 * are of one slot, which has no others; the first one (sequence 0) says how many chunks were
 * dropped and what else there was in them.
 *
 * The process may be killed between two stores while a chunk is dropped, so everything that changes
 * is there twice. Chunks are dropped one after the other, and have numbers from 1:
 *	- What chunk N adds goes into the older of a site's two halves, under the number N, together
 *	  with what the newer one has; and into numbers[N & 1].
 *	- Then `dropped` becomes N: this one store makes all of it valid.
 *	- Then the place of the chunk is cleared, and used again.
 * So a reader takes numbers[dropped & 1], and of each site the half with the greatest number that
 * is not above `dropped`. When it still finds the chunk that the numbers name as the last, it passes
 * it over.
 *
 * With PMT_COMPATIBLE_HELD the totals chunks hold the beginning of the kept window, too: the blocks
 * and mappings that were live there, the threads and their names. Such a chunk has no places for
 * sites but `entries` places for struct pmt_totals_entry. An entry is valid when chunk `since` was
 * dropped and chunk `until` was not. Where the window begins is said for each slot with records in
 * the log (PMT_HELD_POSITION): what comes before has been taken in. A slot without a position has
 * nothing that was taken in.
 */
#ifndef PMT_FORMAT_TOTALS_H
#define PMT_FORMAT_TOTALS_H

#include <stdint.h>

/* Which slot the dropped records belong to that end blocks or mappings. */
#define PMT_TOTALS_FREES_NONE 0U
#define PMT_TOTALS_FREES_ONE 1U	 /* of `frees_slot` */
#define PMT_TOTALS_FREES_MORE 2U /* of several slots */

struct pmt_totals_numbers {
	uint64_t time_ns;      /* greatest time of a dropped record */
	uint64_t order;	       /* greatest order number */
	uint64_t frees;	       /* `free` records, `realloc` with an old block, folded blocks */
	uint64_t folded;       /* blocks of `folded` records; part of the sites' counts, too */
	uint64_t folded_bytes; /* requested bytes of these */
	uint64_t others;       /* events that are about no block */
	uint64_t lost;	       /* sum of the `lost` records */
	uint32_t slot;	       /* the chunk that was dropped last */
	uint32_t sequence;
	uint32_t frees_from; /* PMT_TOTALS_FREES_* */
	uint32_t frees_slot;
	uint64_t reallocs; /* `realloc` records that are an allocation and a free */
};

struct pmt_totals {
	uint64_t dropped; /* chunks; below 2^32 */
	uint32_t sites;	  /* places for sites in this chunk */
	uint32_t entries; /* places for entries in this chunk, which then has none for sites */
	struct pmt_totals_numbers numbers[2];
	uint64_t missing; /* of the first chunk: entries that found no place, at least so many */
	uint64_t reserved2;
};

struct pmt_totals_half {
	uint64_t count; /* allocations */
	uint64_t bytes; /* requested bytes of these */
};

struct pmt_totals_site {
	uint32_t stack;
	uint32_t allocator;  /* PMT_ALLOCATOR_*; that of a realloc is its own */
	uint32_t dropped[2]; /* number of the chunk that each half is as of, 0: none */
	struct pmt_totals_half halves[2];
};

/* What an entry is about: the upper eight bits of `what`. The other 56 are its value. */
#define PMT_HELD_MAPPING                                                                           \
	1U		   /* addr; value: length, below 2^48, and PMT_HELD_MAP_* from bit 48 on   \
			    */
#define PMT_HELD_FREE 2U   /* addr; value: slot; stack, thread: order number, low half first */
#define PMT_HELD_THREAD 3U /* addr: thread number; value: kernel thread id */
#define PMT_HELD_NAME 4U   /* thread; value: part << 8 | bytes; text in addr, then stack */
#define PMT_HELD_POSITION                                                                          \
	5U		   /* addr: slot; value: bytes of records; stack: sequence of the chunk    \
			    */
#define PMT_HELD_PEAK 6U   /* addr: bytes; value: time; stack, thread: blocks, low half first */
#define PMT_HELD_BLOCK 64U /* + PMT_ALLOCATOR_*: addr; value: requested bytes */

/* Of a mapping; the lower three bits are its protection. */
#define PMT_HELD_MAP_ARENA 8U
#define PMT_HELD_MAP_ANONYMOUS 16U
#define PMT_HELD_MAP_PRIVATE 32U
#define PMT_HELD_MAP_NORESERVE 64U
#define PMT_HELD_MAP_OTHER 128U /* it had further flags */

#define PMT_HELD_VALUE_BITS 56
#define PMT_HELD_NAME_BYTES 12U /* of a name in one entry */

struct pmt_totals_entry {
	uint64_t addr;
	uint64_t what;
	uint32_t stack;
	uint32_t thread; /* that made the block or mapping */
	uint32_t since;	 /* number of a dropped chunk, 0: an empty place */
	uint32_t until;	 /* number of a dropped chunk, 0: none */
};

static inline unsigned pmt_held_kind(const struct pmt_totals_entry *entry)
{
	return (unsigned)(entry->what >> PMT_HELD_VALUE_BITS);
}

static inline uint64_t pmt_held_value(const struct pmt_totals_entry *entry)
{
	return entry->what & ((1ULL << PMT_HELD_VALUE_BITS) - 1);
}

static inline uint64_t pmt_held_what(unsigned kind, uint64_t value)
{
	return (uint64_t)kind << PMT_HELD_VALUE_BITS |
	       (value & ((1ULL << PMT_HELD_VALUE_BITS) - 1));
}

/* Two halves of a number that need not be aligned. */
static inline uint64_t pmt_held_number(const struct pmt_totals_entry *entry)
{
	return (uint64_t)entry->thread << 32 | entry->stack;
}

_Static_assert(sizeof(struct pmt_totals_entry) == 32, "layout");
_Static_assert(sizeof(struct pmt_totals_numbers) == 80, "layout");
_Static_assert(sizeof(struct pmt_totals) == 192, "layout");
_Static_assert(sizeof(struct pmt_totals_site) == 48, "layout");

#endif
