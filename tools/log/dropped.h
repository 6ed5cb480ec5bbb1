/* SPDX-License-Identifier: MIT */
/*
 * What a log knows of events that were dropped at its size limit (lib/format/totals.h). Everything
 * in it is hostile.
 */
#ifndef PMT_TOOLS_DROPPED_H
#define PMT_TOOLS_DROPPED_H

#include <stdbool.h>

#include "chunks.h"
#include "totals.h"

/* Allocations of one stack by one allocator. */
struct dropped_site {
	uint32_t stack;
	uint32_t allocator; /* below 32 */
	uint64_t count;
	uint64_t bytes;
};

/*
 * What was live where the kept window begins, behind all that was dropped: the entries of blocks,
 * mappings, frees that wait, threads, names, positions and the peak, each kind in the order of its
 * numbers.
 */
struct dropped_held {
	bool known; /* else nothing is known of it */
	uint64_t missing;
	struct pmt_totals_entry *entries;
	size_t count;
	size_t room;
};

/* All zero: nothing was dropped. */
struct dropped {
	uint64_t chunks;
	uint64_t events; /* as many as they would be in the log; a folded block is two */
	struct pmt_totals_numbers numbers;
	struct dropped_site *sites; /* a pair may be there several times */
	size_t count;
	struct dropped_held held;
};

/*
 * Read the totals chunks in INDEX, which is in order, and take the chunk of events out of it that
 * they have already. What cannot be one goes to DAMAGE; all of them do when the log is not
 * RECYCLED. Returns 0, or -1 after a message when the file cannot be read.
 */
int dropped_find(struct dropped *dropped, const struct chunk_file *file, struct chunk_index *index,
		 struct reader_damage *damage);
void dropped_fini(struct dropped *dropped);

/* Where the window begins in a slot: an entry of kind PMT_HELD_POSITION, NULL: with its records. */
const struct pmt_totals_entry *dropped_position(const struct dropped *dropped, uint32_t slot);
/*
 * What was live where the window begins, as EVENT: an alloc or mmap that is `held`. Returns false
 * for entry I when it is something else.
 */
bool dropped_event(const struct dropped *dropped, size_t i, struct reader_event *event);
/* The largest heap before the window begins, NULL: not known. */
const struct pmt_totals_entry *dropped_peak(const struct dropped *dropped);

/*
 * Whether no event after the allocation of a block can have been dropped. TIME_NS, ORDER and SLOT
 * are those of its event, which may be LATE.
 */
bool dropped_before(const struct dropped *dropped, uint64_t time_ns, uint64_t order, uint32_t slot,
		    bool late);

#endif
