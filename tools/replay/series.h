/* SPDX-License-Identifier: MIT */
/*
 * A curve of any number of points in bounded memory: time is cut into equal spans, and of each span
 * the points with the least and the greatest value of some columns are kept. When there are too
 * many spans, two become one.
 */
#ifndef PMT_TOOLS_SERIES_H
#define PMT_TOOLS_SERIES_H

#include <stddef.h>
#include <stdint.h>

enum series_column {
	SERIES_HEAP,
	SERIES_ANONYMOUS,
	SERIES_RSS,
	SERIES_EXTREMES, /* the columns above keep their extremes */
	SERIES_FILE = SERIES_EXTREMES,
	SERIES_RESERVED,
	SERIES_RSS_NET,
	SERIES_SWAP,
	SERIES_COLUMNS,
};

/* No such value (yet). */
#define SERIES_UNKNOWN UINT64_MAX
/* No more points than this are kept. */
#define SERIES_POINTS_MAX 10000

struct series_point {
	uint64_t time_ns;
	uint64_t number; /* orders points of the same time */
	uint64_t values[SERIES_COLUMNS];
};

struct series_span;

struct series {
	struct series_span *spans;
	size_t count;
	uint64_t width_ns; /* of a span */
	struct series_point first;
	struct series_point last;
	uint64_t points; /* added so far */
};

void series_init(struct series *series);
void series_fini(struct series *series);

/* Add a point; `number` is set here. Times never go back. */
void series_add(struct series *series, const struct series_point *point);

/* What was kept, in order: the first point, the last, and the extremes of each span; no point
 * twice. */
void series_visit(const struct series *series,
		  void (*visit)(void *context, const struct series_point *point), void *context);

#endif
