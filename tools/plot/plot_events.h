/* SPDX-License-Identifier: MIT */
/*
 * What the interpreter's events add to the picture of a log, in bounded memory: the resident set at
 * each of them, how many there were in each interval and, if wanted, how many objects were live.
 */
#ifndef PMT_TOOLS_PLOT_EVENTS_H
#define PMT_TOOLS_PLOT_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "objmap.h"
#include "reader.h"
#include "series.h"

/* The columns of the series; the rest of its columns is not known. */
enum { PLOT_EVENT_RSS, PLOT_EVENT_OBJECTS, PLOT_EVENT_COLUMNS };

/* Intervals at most in which events are counted; equally long, a power of two of 1024 ns. */
#define PLOT_INTERVALS_MAX 256

struct plot_events {
	struct series series;
	struct objmap live;
	bool count_objects;
	bool has_objects; /* and there were any */
	uint64_t count;
	uint64_t rss; /* at the last event, SERIES_UNKNOWN at first */
	uint64_t intervals[PLOT_INTERVALS_MAX];
	uint64_t interval_ns;
	uint64_t last_ns;
	uint64_t peak_rss; /* largest, first moment; 0: not known */
	uint64_t peak_ns;
	struct reader_event peak; /* the event then */
};

/* No interval is shorter than RESOLUTION_NS, up to a second. */
void plot_events_init(struct plot_events *events, bool count_objects, uint64_t resolution_ns);
void plot_events_fini(struct plot_events *events);
/* Add an event of the interpreter, so many ns after the start; times never go back. */
void plot_events_add(struct plot_events *events, const struct reader_event *event,
		     uint64_t time_ns);
/* After the last one: the curves go on up to this time. */
void plot_events_end(struct plot_events *events, uint64_t time_ns);

#endif
