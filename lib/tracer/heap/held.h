/* SPDX-License-Identifier: MIT */
/*
 * What was live at the beginning of the kept window: the entries of the totals chunks
 * (lib/format/totals.h). They lie in the log, so that they are there after SIGKILL; only an index
 * of four to twelve bytes an entry is in memory. Used while a chunk is dropped, under its lock.
 */
#ifndef PMT_TRACER_HELD_H
#define PMT_TRACER_HELD_H

#include <stdint.h>

#include "log.h"
#include "totals.h"

#define HELD_NONE UINT32_MAX

/* MORE gives another chunk for entries by calling held_give(), or does not. */
void held_init(void (*more)(void));
/* COUNT empty entries of a totals chunk are there for use. */
void held_give(struct pmt_totals_entry *entries, uint32_t count);
/* More room should be given before the next chunk is dropped. */
int held_wants(void);
/* Entries that found no place so far. */
uint64_t held_missing(void);
/* In a forked child: forget all. */
void held_reset(void);

/* Changes from here on count once chunk DROP is dropped. */
void held_begin(uint32_t drop);
/* It has been dropped. */
void held_committed(void);

/* Add an entry: all but `since` and `until`. Returns its place, HELD_NONE: it is missing. */
uint32_t held_put(const struct pmt_totals_entry *entry);
/* Take the entry at PLACE out; the entry is there until the next call of held_put(). */
void held_remove(uint32_t place);
struct pmt_totals_entry *held_at(uint32_t place);

/* The place of a block, HELD_NONE: there is none. */
uint32_t held_block(uint64_t addr);
/* Of a thread, or of a part of a thread's name. */
uint32_t held_thread(uint32_t number);
uint32_t held_name(uint32_t number, uint32_t part);
/* The first free of ADDR that waits and comes after (ORDER, SLOT). */
uint32_t held_free(uint64_t addr, uint64_t order, uint32_t slot);
/* The places of mappings: the one with index I, HELD_NONE behind the last. */
uint32_t held_mapping(uint32_t i);

#endif
