/* SPDX-License-Identifier: MIT */
/*
 * The sum of a value over several logs, and the moment at which it was largest.
 *
 * Logs are read one after the other. Each one gives a curve: for each time at which something
 * happened the largest value at that time, and the last one. Curves are joined, so that memory
 * depends on how long the processes ran, not on how many there were. Events of the same time count
 * as having happened in the order in which the logs were joined.
 *
 * Where there are more times than CURVE_POINTS_MAX, neighbours become one point; then the moment
 * that is found may be another one than that of the peak, at a distance of less than `width_ns`.
 */
#ifndef PMT_TOOLS_CURVE_H
#define PMT_TOOLS_CURVE_H

#include <stddef.h>
#include <stdint.h>

#define CURVE_POINTS_MAX (1U << 19)

struct curve_point {
	uint64_t time_ns; /* a multiple of the width */
	uint64_t most;
	uint64_t last;
	/* The event after which the value was `most`. */
	uint64_t most_ns;
	uint64_t number;
	uint32_t log;
};

struct curve {
	struct curve_point *points;
	size_t count;
	size_t room;
	uint64_t width_ns;
	uint64_t time_ns; /* the latest that was added */
};

void curve_init(struct curve *curve);
void curve_fini(struct curve *curve);
/* Add a point behind all others; a time that goes back counts as that of the one before. Of POINT
 * all but `most_ns` is to be set. */
void curve_add(struct curve *curve, const struct curve_point *point);
/* Add OTHER to SUM; OTHER may be made coarser for it. */
void curve_join(struct curve *sum, struct curve *other);
/* The first of the largest points; NULL when there is none. */
const struct curve_point *curve_peak(const struct curve *curve);

#endif
