/* SPDX-License-Identifier: MIT */
/* The picture of one log: curves and marks, read from the log, written as gnuplot's data and
 * script. */
#ifndef PMT_TOOLS_PLOT_H
#define PMT_TOOLS_PLOT_H

#include <stdint.h>
#include <stdio.h>

#include "plot_events.h"
#include "plot_style.h"
#include "reader.h"
#include "replay.h"
#include "series.h"

/* More marks than this would hide the curves; the rest is counted. */
#define PLOT_MARKS_MAX 40
/* Bytes of a mark's text that are kept. */
#define PLOT_MARK_TEXT 60

struct plot_mark {
	uint64_t time_ns; /* since the start */
	char text[PLOT_MARK_TEXT + 1];
};

struct plot {
	struct reader *reader;
	struct replay replay;
	struct series series;
	struct plot_events events;
	struct plot_mark marks[PLOT_MARKS_MAX];
	size_t mark_count; /* all, also those that are not kept */
};

/*
 * Read a log. Returns the exit status, after a message when it is not 0: then `reader` is NULL when
 * the log could not be opened, else the curves are of what could be read. plot_fini() in any case.
 * OBJECTS: count live objects, too, which takes memory for each of them.
 */
int plot_init(struct plot *plot, const char *path, bool objects);
void plot_fini(struct plot *plot);

/*
 * Points as columns: seconds, then bytes by enum series_column as the header line says; ? unknown.
 * A log with events of the interpreter has two more blocks: seconds, resident set and live objects
 * at these events; seconds and number of events of each interval.
 */
void plot_write_data(const struct plot *plot, FILE *out);
/* The script; NAME is that of the data file and of the picture, without its ending; safe
 * characters. */
void plot_write_script(const struct plot *plot, const struct plot_style *style, const char *name,
		       FILE *out);

#endif
