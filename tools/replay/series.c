/* SPDX-License-Identifier: MIT */
/* A curve in bounded memory. */
#include "series.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

enum {
	KEPT = 2 * SERIES_EXTREMES, /* points of a span: least and greatest of each column */
	SPANS = (SERIES_POINTS_MAX - 2) / KEPT,
	WIDTH_FIRST_NS = 1000,
};

struct series_span {
	uint64_t index; /* begins at index * width */
	struct series_point kept[KEPT];
};

void series_init(struct series *series)
{
	memset(series, 0, sizeof(*series));
	series->width_ns = WIDTH_FIRST_NS;
	series->spans = need_memory(SPANS * sizeof(*series->spans));
}

void series_fini(struct series *series)
{
	free(series->spans);
	memset(series, 0, sizeof(*series));
}

static void keep_point(struct series_span *span, const struct series_point *point)
{
	for (size_t i = 0; i < SERIES_EXTREMES; i++) {
		const uint64_t value = point->values[i];

		if (value < span->kept[2 * i].values[i])
			span->kept[2 * i] = *point;
		/* Any known value is greater than SERIES_UNKNOWN. */
		if (value + 1 > span->kept[2 * i + 1].values[i] + 1)
			span->kept[2 * i + 1] = *point;
	}
}

static void begin_span(struct series_span *span, uint64_t index, const struct series_point *point)
{
	span->index = index;
	for (size_t i = 0; i < KEPT; i++)
		span->kept[i] = *point;
}

/* Make spans twice as wide until one is free: two neighbours become one. */
static void widen_spans(struct series *series)
{
	size_t to = 0;

	series->width_ns *= 2;
	for (size_t i = 0; i < series->count; i++) {
		struct series_span *span = &series->spans[i];

		span->index /= 2;
		if (to != 0 && series->spans[to - 1].index == span->index)
			for (size_t j = 0; j < KEPT; j++)
				keep_point(&series->spans[to - 1], &span->kept[j]);
		else
			series->spans[to++] = *span;
	}
	series->count = to;
}

/* The span of a point, when it is the last one there is. */
static struct series_span *last_span(const struct series *series, uint64_t time_ns)
{
	struct series_span *last = series->spans + series->count;

	if (series->count == 0 || time_ns / series->width_ns > last[-1].index)
		return NULL;
	return last - 1;
}

void series_add(struct series *series, const struct series_point *point)
{
	const uint64_t time_ns = point->time_ns;

	series->last = *point;
	series->last.number = series->points++;
	if (series->count == 0)
		series->first = series->last;
	while (last_span(series, time_ns) == NULL && series->count == SPANS)
		widen_spans(series);
	struct series_span *span = last_span(series, time_ns);

	if (span != NULL)
		keep_point(span, &series->last);
	else
		begin_span(&series->spans[series->count++], time_ns / series->width_ns,
			   &series->last);
}

static int by_number(const void *left, const void *right)
{
	const struct series_point *a = left;
	const struct series_point *b = right;

	return (a->number > b->number) - (a->number < b->number);
}

void series_visit(const struct series *series,
		  void (*visit)(void *context, const struct series_point *point), void *context)
{
	uint64_t next = 1; /* number of the first point that was not visited */

	if (series->points == 0)
		return;
	visit(context, &series->first);
	for (size_t i = 0; i < series->count; i++) {
		struct series_point kept[KEPT];

		memcpy(kept, series->spans[i].kept, sizeof(kept));
		qsort(kept, KEPT, sizeof(*kept), by_number);
		for (size_t j = 0; j < KEPT; j++) {
			if (kept[j].number < next)
				continue;
			visit(context, &kept[j]);
			next = kept[j].number + 1;
		}
	}
	if (series->last.number >= next)
		visit(context, &series->last);
}
