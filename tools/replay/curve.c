/* SPDX-License-Identifier: MIT */
/* The sum of a value over several logs: curves of points by time, joined as sorted lists are. */
#include "curve.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

void curve_init(struct curve *curve)
{
	*curve = (struct curve){.width_ns = 1};
}

void curve_fini(struct curve *curve)
{
	free(curve->points);
	curve_init(curve);
}

/* POINT comes behind INTO, in the same span of time. */
static void absorb_point(struct curve_point *into, const struct curve_point *point)
{
	if (point->most > into->most) {
		into->most = point->most;
		into->most_ns = point->most_ns;
		into->number = point->number;
		into->log = point->log;
	}
	into->last = point->last;
}

/* Spans of twice the time. */
static void widen_curve(struct curve *curve)
{
	size_t to = 0;

	curve->width_ns *= 2;
	for (size_t i = 0; i < curve->count; i++) {
		struct curve_point point = curve->points[i];

		point.time_ns -= point.time_ns % curve->width_ns;
		if (to != 0 && curve->points[to - 1].time_ns == point.time_ns)
			absorb_point(&curve->points[to - 1], &point);
		else
			curve->points[to++] = point;
	}
	curve->count = to;
}

/* POINT is rounded, and does not come before the last one. */
static void append_point(struct curve *curve, const struct curve_point *point)
{
	if (curve->count != 0 && curve->points[curve->count - 1].time_ns == point->time_ns) {
		absorb_point(&curve->points[curve->count - 1], point);
		return;
	}
	if (curve->count == curve->room) {
		curve->room = curve->room == 0 ? 256 : curve->room * 2;
		curve->points = need_resize(curve->points, curve->room * sizeof(*curve->points));
	}
	curve->points[curve->count++] = *point;
}

void curve_add(struct curve *curve, const struct curve_point *point)
{
	struct curve_point rounded = *point;

	if (point->time_ns > curve->time_ns)
		curve->time_ns = point->time_ns;
	rounded.most_ns = curve->time_ns;
	rounded.time_ns = curve->time_ns - curve->time_ns % curve->width_ns;
	append_point(curve, &rounded);
	while (curve->count > CURVE_POINTS_MAX)
		widen_curve(curve);
}

void curve_join(struct curve *sum, struct curve *other)
{
	struct curve joined;
	uint64_t first = 0; /* what the curves had before their next points */
	uint64_t second = 0;
	size_t i = 0, j = 0;

	while (sum->width_ns < other->width_ns)
		widen_curve(sum);
	while (other->width_ns < sum->width_ns)
		widen_curve(other);
	curve_init(&joined);
	joined.width_ns = sum->width_ns;
	joined.time_ns = sum->time_ns > other->time_ns ? sum->time_ns : other->time_ns;
	while (i < sum->count || j < other->count) {
		const struct curve_point *a = i < sum->count ? &sum->points[i] : NULL;
		const struct curve_point *b = j < other->count ? &other->points[j] : NULL;
		struct curve_point point;

		if (b == NULL || (a != NULL && a->time_ns <= b->time_ns)) {
			point = *a;
			first = a->last;
			point.most += second;
			i++;
		} else {
			point = *b;
			second = b->last;
			point.most += first;
			j++;
		}
		point.last = first + second;
		append_point(&joined, &point);
	}
	free(sum->points);
	*sum = joined;
	while (sum->count > CURVE_POINTS_MAX)
		widen_curve(sum);
}

const struct curve_point *curve_peak(const struct curve *curve)
{
	const struct curve_point *best = NULL;

	for (size_t i = 0; i < curve->count; i++)
		if (best == NULL || curve->points[i].most > best->most)
			best = &curve->points[i];
	return best;
}
