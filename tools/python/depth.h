/* SPDX-License-Identifier: MIT */
/*
 * How deep one thread is in its calls, from its events.
 *
 * The function in which the events begin has level 0, those it calls have level 1, and so on. Where
 * they begin before any function, the first one has level 0. When the function at level 0 returns
 * into another, that one has level 0.
 */
#ifndef PMT_TOOLS_DEPTH_H
#define PMT_TOOLS_DEPTH_H

#include <stdbool.h>
#include <stdint.h>

#include "names.h"
#include "reader.h"

struct depth {
	int64_t level; /* of the running function; -1: none runs */
	int64_t floor; /* the level never goes below */
	bool known;    /* all calls and returns of this thread are in the log */
};

/* Before any event of a thread: level 0, which is a guess. */
void depth_init(struct depth *depth);
/* An `events_begin` of the thread. */
void depth_begin(struct depth *depth, const struct pmt_events_begin *record);

enum depth_move { DEPTH_STAYS, DEPTH_ENTERS, DEPTH_LEAVES };

/* What a `pyevent` does; the numbers of a hostile log are in the set, as the tag has them. */
static inline enum depth_move depth_move(const struct pmt_pyevent *record)
{
	switch (record->what) {
	case PMT_PYEVENT_CALL:
	case PMT_PYEVENT_RESUME:
	case PMT_PYEVENT_THROW:
		return DEPTH_ENTERS;
	case PMT_PYEVENT_RETURN:
	case PMT_PYEVENT_YIELD:
	case PMT_PYEVENT_UNWIND:
		return DEPTH_LEAVES;
	default:
		return DEPTH_STAYS;
	}
}

/* Do that move. */
static inline void depth_step(struct depth *depth, enum depth_move move)
{
	if (move == DEPTH_ENTERS)
		depth->level++;
	else if (move == DEPTH_LEAVES && depth->level > depth->floor)
		depth->level--;
}

/* Events of the thread that have no record may have been calls. */
static inline void depth_skip(struct depth *depth, const struct reader_event *event)
{
	if (event->skipped != 0)
		depth->known = false;
}

#endif
