/* SPDX-License-Identifier: MIT */
/*
 * The contents of a totals chunk (PMT_CHUNK_TOTALS): what is known of chunks of events that were
 * dropped because the log had reached its size limit.
 *
 * Behind the chunk's head stand struct pmt_totals, then `sites` places for sites. All totals chunks
 * are of one slot, which has no others; the first one (sequence 0) says how many chunks were
 *dropped and what else there was in them.
 *
 * The process may be killed between two stores while a chunk is dropped, so everything that changes
 * is there twice. Chunks are dropped one after the other, and have numbers from 1:
 *	- What chunk N adds goes into the older of a site's two halves, under the number N, together
 *	  with what the newer one has; and into numbers[N & 1].
 *	- Then `dropped` becomes N: this one store makes all of it valid.
 *	- Then the place of the chunk is cleared, and used again.
 * So a reader takes numbers[dropped & 1], and of each site the half with the greatest number that
 *is not above `dropped`. When it still finds the chunk that the numbers name as the last, it passes
 *it over.
 */
#ifndef PMT_FORMAT_TOTALS_H
#define PMT_FORMAT_TOTALS_H

#include <stdint.h>

/* Whose records were dropped that end blocks or mappings. */
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
	uint32_t reserved;
	struct pmt_totals_numbers numbers[2];
	uint64_t reserved2[2];
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

_Static_assert(sizeof(struct pmt_totals_numbers) == 80, "layout");
_Static_assert(sizeof(struct pmt_totals) == 192, "layout");
_Static_assert(sizeof(struct pmt_totals_site) == 48, "layout");

#endif
