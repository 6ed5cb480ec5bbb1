/* SPDX-License-Identifier: MIT */
/*
 * The places in the file of chunks of events: the sealed ones, oldest first by the time at their
 * end, then by order and sequence; and those that have been begun, for whoever reads them.
 */
#ifndef PMT_TRACER_PLACES_H
#define PMT_TRACER_PLACES_H

#include <stdint.h>

#include "log.h"
#include "record.h"

#define PLACES_NONE UINT64_MAX

/* Where a record stands among those of all slots. */
struct places_key {
	uint64_t time_ns;
	uint64_t order;
	uint32_t slot;
};

/* Chunk NUMBER of the file has been begun, for SLOT. Any thread, no lock. 0, or -1 without memory.
 */
int places_begin(uint64_t number, uint32_t slot);
/*
 * Chunk NUMBER of the file is sealed; END is the state behind its last record. Any thread, no lock.
 * Without memory it is forgotten.
 */
void places_add(uint64_t number, const struct pmt_chunk *chunk, const struct pmt_state *end);
/* Visit the chunks that have been begun since the last time, in their order. One thread at a time,
 * as for all below. */
void places_visit_begun(void (*visit)(uint32_t number, uint32_t slot));
/* A link that the caller may use: the number plus 1 of the next chunk of the slot. */
uint32_t *places_follow(uint32_t number);
/* The place of the last record of a chunk that places_take() gave. */
void places_end(uint32_t number, struct places_key *end);
/* How many sealed ones there are. */
uint64_t places_count(void);
/* Take the oldest one out; PLACES_NONE: there is none. */
uint64_t places_take(void);
/* In a forked child: forget all. */
void places_reset(void);

#endif
