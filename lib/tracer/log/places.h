/* SPDX-License-Identifier: MIT */
/*
 * The places in the file of sealed chunks of events, oldest first: by the time at their start, then
 * by order and sequence.
 */
#ifndef PMT_TRACER_PLACES_H
#define PMT_TRACER_PLACES_H

#include <stdint.h>

#include "log.h"

#define PLACES_NONE UINT64_MAX

/* Chunk NUMBER of the file is sealed. Any thread, no lock. Without memory it is forgotten. */
void places_add(uint64_t number, const struct pmt_chunk *chunk);
/* How many there are. This and the next by one thread at a time. */
uint64_t places_count(void);
/* Take the oldest one out; PLACES_NONE: there is none. */
uint64_t places_take(void);
/* In a forked child: forget all. */
void places_reset(void);

#endif
