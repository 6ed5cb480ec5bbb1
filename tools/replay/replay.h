/* SPDX-License-Identifier: MIT */
/*
 * The replay of one log: what is live, what was allocated, and the resident set, event by event.
 *
 * Rules:
 *	- An allocation at an address that is live replaces the block there, which counts as
 *	  `replaced` and not as a free: its free was lost.
 *	- A free of an address that is not live changes nothing. It counts as `inherited` in a log
 *	  that began with blocks already there (flag FORKED or LATE), else as `unmatched`.
 *	- A realloc is one allocation, under the new stack, and one free of the old block. The old
 *	  address 0 means that there was no old block, the new address 0 that there is no new one.
 *	- Address 0 is no block: an allocation or a free of it is passed over.
 *	- A block of zero bytes is a block.
 * So always: live blocks = allocations - (frees - unmatched - inherited) - replaced.
 *
 * Logs that reached their size limit (totals.h):
 *	- What was dropped counts as allocated and freed, but is never live; its events and lost
 *	  ones count, too.
 *	- A block is live only if no event after its allocation can have been dropped. Another one
 *	  just counts as allocated. The same goes for mappings.
 *	- A free of an address that is not live counts as `dropped`.
 *	- The equation above holds no more.
 *
 * Logs with folding (fold.h):
 *	- Folded blocks count as allocated and as freed, and are never live.
 *	- A late allocation is live from its record on. When another thread freed the block, that
 *	  free may have come first: so a free of an address that is not live waits, and an
 *	  allocation that was made before it (by order number, then slot) meets it. Then the block counts as
 *	  allocated and as freed, was never live, and the free is unmatched no more. Of several
 *	  frees that wait the first one after the allocation is met.
 *	- So the heap lacks the blocks that had no record at the moment: at most `held_bytes`.
 *
 * The peak is that of the heap and the program's own mappings together, as far as these count
 * (mappings.h). `blocks` and `mapped` have both their peaks at that moment; the heap's alone is
 *	  known as a sum only.
 *
 * Temporary: a block that was freed by the thread that allocated it, when this thread had made at
 * most THRESHOLD further allocations in between. 0: freed before this thread's next allocation; 1:
 * before its next but one. A realloc allocates before it frees, as a program that did it by hand
 * would: the block it replaces has seen at least one further allocation, so growing a buffer step
 *	  by step is temporary with the threshold 1 and is not with 0. Mappings do not count. A log with
 *	  folding says itself which blocks were, for the thresholds 0 and 1; larger ones count as 1.
 */
#ifndef PMT_TOOLS_REPLAY_H
#define PMT_TOOLS_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "account.h"
#include "census.h"
#include "dropped.h"
#include "early.h"
#include "heap.h"
#include "mappings.h"
#include "names.h"
#include "pyevents.h"
#include "reader.h"
#include "sites.h"
#include "threads.h"

/* The `kind` of a site: an allocator's number, or one of these. */
enum {
	REPLAY_KIND_REALLOC = 32, /* + number of a reallocator that has no allocator's name */
	REPLAY_REALLOCATORS = 8,
	REPLAY_KIND_MAPPING = 40, /* + enum mapping_class */
	REPLAY_KINDS = REPLAY_KIND_MAPPING + MAPPING_CLASSES,
};

struct replay_frees {
	uint64_t count; /* all, the next three included */
	uint64_t unmatched;
	uint64_t inherited;
	uint64_t dropped;
	uint64_t replaced; /* not part of count */
};

struct replay_rss {
	uint64_t samples;
	uint64_t first_bytes;
	uint64_t last_bytes;
	uint64_t peak_bytes;	 /* of the samples */
	uint64_t peak_own_bytes; /* the tracer's own part of that one */
	uint64_t last_own_bytes;
	struct pmt_rss_detail last; /* zero when there is none */
	struct pmt_rss_detail peak; /* largest of each field */
	uint64_t details;
	uint64_t by_slice; /* threads whose page faults could not be counted */
};

struct replay_peak {
	uint64_t bytes;
	uint64_t at_ns;
	uint64_t number;       /* of the event that made it */
	uint64_t rss_bytes;    /* the resident set then, 0: not known */
	uint64_t told_ns;      /* the account that told what was resident then, 0: none had */
	uint64_t untold_bytes; /* of mappings that no account had told of: they count in full */
	uint64_t grown_bytes;  /* of mappings, what became resident after the account, reckoned */
};

struct replay {
	struct heap heap;
	struct early early;
	struct sites blocks; /* of the heap */
	struct mappings mappings;
	struct sites mapped; /* of the mappings: what of them counts, and files, but no arenas */
	struct threads threads;
	struct replay_frees frees;
	struct replay_rss rss;
	struct amount folded; /* part of all that was allocated */
	struct account account;
	struct pyevents python;
	uint64_t lost;
	uint64_t munmaps;
	uint64_t events; /* folded blocks are two each: an allocation and a free */
	/* Times are since the start; 0 when there was no such moment. */
	struct amount heap_peak;   /* of the heap alone */
	uint64_t blocks_peak_ns;   /* when that was */
	struct replay_peak memory; /* of the heap and the program's own mappings */
	struct amount program_end; /* blocks that were live when the program's code had ended */
	uint64_t end_order;	   /* of that moment; 0: it has not come */
	uint32_t end_early;	   /* `number` of the frees that waited then */
	bool python_ended;	   /* the interpreter has, in this log */
	bool has_program_end;	   /* else that moment is not in the log */
	uint64_t told_ns;	   /* time of the last account that told what is resident */
	uint64_t told_rss_bytes;   /* the resident set in it, 0: none was taken */
	uint64_t told_heap_bytes;  /* live blocks then */
	uint64_t rss_peak_ns;	   /* when the largest sample was taken */
	uint64_t number;	   /* of the event that is being replayed */
	uint64_t last_ns;	   /* time of the last event */
	/* Set these between replay_init() and the first event. */
	bool by_stack;	       /* tell stacks apart; else all have the stack 0 */
	struct census *census; /* takes in the census records, NULL: nobody does */
	uint64_t until_ns;     /* replay_run() stops at later events; CLOCK_MONOTONIC; no end */
	uint64_t until_number; /* and at events with a larger number; no end */
	uint64_t
		late_order; /* behind that end, takes in blocks that were made under a smaller order
				  number and live at the end; 0: none */
	bool temporary;	    /* by replay_find_temporary() */
	uint32_t threshold;
	uint32_t realloc_kinds[REPLAY_REALLOCATORS]; /* the kind of a reallocator's blocks */
	/* From the header. */
	uint64_t start_ns;
	bool inherits;
	bool folded_log;
	/* Set by replay_begin(); NULL: not known, nothing. */
	const struct reader *reader;
	const struct dropped *dropped;
};

void replay_init(struct replay *replay, const struct pmt_header *header);
void replay_fini(struct replay *replay);

/* Before the first event: find out what is temporary, too. */
void replay_find_temporary(struct replay *replay, uint32_t threshold);

/* Before the first event: what the log says as a whole. replay_run() does it, too. */
void replay_begin(struct replay *replay, const struct reader *reader);
/* Replay one event. */
void replay_event(struct replay *replay, const struct reader_event *event);
/* Replay several. Returns 1 when some of them are beyond the moments set above, else 0. */
int replay_blocks(struct replay *replay, const struct reader_blocks *blocks);
/* Bytes that count now. */
static inline uint64_t replay_memory(const struct replay *replay)
{
	return replay->blocks.live.bytes + replay->mappings.counted_bytes;
}
/* Replay all events up to until_ns, with progress. Returns 0, or -1 after an I/O error. */
int replay_run(struct replay *replay, struct reader *reader);

/* Sums over all sites of the heap. */
struct amount replay_total(const struct replay *replay);
/* "malloc", "file mapping"; BUFFER takes the name of an unknown one. */
const char *replay_kind_name(uint32_t kind, char buffer[32]);

#endif
