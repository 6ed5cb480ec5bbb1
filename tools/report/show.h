/* SPDX-License-Identifier: MIT */
/*
 * Records as text and as JSON, from the table of records: a new record needs no code here, a new
 * `show` kind of records.def needs a pair of functions.
 */
#ifndef PMT_TOOLS_SHOW_H
#define PMT_TOOLS_SHOW_H

#include <stdio.h>

#include "dropped.h"
#include "reader.h"

struct show {
	FILE *out;
	struct reader *reader;
	bool stacks; /* whole stacks, not just the innermost frame */
};

/*
 * One line: seconds since the start, thread ("-": the tracer itself), record, its fields as
 * name=value; last, "late=yes" and "soon=0" from the prefixes of the event. Texts are escaped for a
 * terminal.
 */
void show_text(const struct show *show, const struct reader_event *event);

/* The same as one JSON object, without a line end. */
void show_json(const struct show *show, const struct reader_event *event);

/* What is known of dropped allocations: a line that begins with #, and an object as above. */
void show_totals_text(const struct show *show, const struct dropped_site *site);
void show_totals_json(const struct show *show, const struct dropped_site *site);

/* Seconds with DIGITS (up to 9) decimals. */
void show_seconds(FILE *out, uint64_t time_ns, unsigned digits);

#endif
