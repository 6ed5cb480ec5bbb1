/* SPDX-License-Identifier: MIT */
/* What the parts of the replay share: the heap (replay.c), memory (replay_memory.c), what was held (replay_held.c). */
#ifndef PMT_TOOLS_REPLAY_PARTS_H
#define PMT_TOOLS_REPLAY_PARTS_H

#include "replay.h"

/* Nanoseconds from the start of the log; 0 before it. */
static inline uint64_t replay_since_start(const struct replay *replay, uint64_t time_ns)
{
	return time_ns > replay->start_ns ? time_ns - replay->start_ns : 0;
}

/* replay.c: where frees of blocks that are not live are counted. */
uint64_t *replay_unknown_frees(struct replay *replay);
/* The peak is now. */
void replay_mark_peak(struct replay *replay, uint64_t time_ns);

/* An event is over: all its changes are in. */
static inline void replay_settle(struct replay *replay, uint64_t time_ns)
{
	if (replay->blocks.live.bytes > replay->heap_peak.bytes) {
		replay->heap_peak = replay->blocks.live;
		replay->blocks_peak_ns = replay_since_start(replay, time_ns);
	}
	if (replay_memory(replay) > replay->memory.bytes)
		replay_mark_peak(replay, time_ns);
}

/* replay_memory.c: the mappings and the resident set. */
void replay_mappings_init(struct replay *replay, const struct pmt_header *header);
uint32_t replay_mapping_site(struct replay *replay, const struct reader_event *event,
			     uint64_t stack, uint32_t class);
void replay_mmap(struct replay *replay, const struct reader_event *event);
void replay_munmap(struct replay *replay, const struct reader_event *event);
void replay_mremap(struct replay *replay, const struct reader_event *event);
void replay_rss_sample(struct replay *replay, const struct pmt_rss *record, uint64_t time_ns);
void replay_rss_detail(struct replay *replay, const struct pmt_rss_detail *record);
/* Before account_record(), which forgets the ranges. */
void replay_account_told(struct replay *replay, const struct reader_event *event);

/* replay_held.c: what was dropped from the log, and what was live where the kept window begins. */
void replay_add_dropped(struct replay *replay, const struct dropped *dropped);

#endif
