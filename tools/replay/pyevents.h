/* SPDX-License-Identifier: MIT */
/* How many of the interpreter's events a log has, by kind. */
#ifndef PMT_TOOLS_PYEVENTS_H
#define PMT_TOOLS_PYEVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "reader.h"

enum {
	PYEVENTS_WHAT = 8,   /* kinds of pyevent, PMT_PYEVENT_* */
	PYEVENTS_C_WHAT = 4, /* of c_event, PMT_CEVENT_* */
	PYEVENTS_NOTICES_MAX = 20,
};

struct pyevents_notice {
	uint64_t what; /* PMT_NOTICE_* */
	uint64_t time_ns;
	char *text; /* not to be trusted */
};

/* All zero is empty. */
struct pyevents {
	uint64_t what[PYEVENTS_WHAT];
	uint64_t c_what[PYEVENTS_C_WHAT];
	uint64_t lines;
	uint64_t creates;
	uint64_t destroys; /* with inferred ones */
	uint64_t inferred;
	uint64_t skipped; /* passed over by the tracer's filters, of unknown kinds */
	uint64_t notice_count;
	struct pyevents_notice notices[PYEVENTS_NOTICES_MAX]; /* the first ones */
};

/* Take in an event of any type. */
void pyevents_add(struct pyevents *events, const struct reader_event *event);
void pyevents_fini(struct pyevents *events);

/* Those that have a record. */
uint64_t pyevents_count(const struct pyevents *events);

#endif
