/* SPDX-License-Identifier: MIT */
/* Thinned curves: bounded, in order, and no extreme is lost. */
#include <stdlib.h>

#include "check.h"
#include "series.h"

enum { MANY = 300000 };

static struct series_point *all;
static struct series_point kept[SERIES_POINTS_MAX];
static size_t kept_count;

static void collect(void *context, const struct series_point *point)
{
	(void)context;
	CHECK(kept_count < SERIES_POINTS_MAX);
	if (kept_count < SERIES_POINTS_MAX)
		kept[kept_count++] = *point;
}

/* COUNT points with times up to about SPAN_NS apart. */
static void fill(struct series *series, size_t count, uint64_t span_ns)
{
	uint64_t time_ns = 0;

	series_init(series);
	for (size_t i = 0; i < count; i++) {
		struct series_point *point = &all[i];

		time_ns += check_random() % span_ns;
		*point = (struct series_point){.time_ns = time_ns};
		for (size_t j = 0; j < SERIES_COLUMNS; j++)
			point->values[j] = check_random() % (j == SERIES_HEAP ? 20 : 1000000);
		if (i < count / 3)
			point->values[SERIES_RSS] = SERIES_UNKNOWN;
		series_add(series, point);
	}
	kept_count = 0;
	series_visit(series, collect, NULL);
}

static void few_points_stay(void)
{
	struct series series;

	fill(&series, 1, 10);
	CHECK_EQ(kept_count, 1);
	series_fini(&series);
	/* One a span and more: none is left out. */
	fill(&series, 1000, 1);
	series_fini(&series);
	series_init(&series);
	for (size_t i = 0; i < 1000; i++)
		series_add(&series, &(struct series_point){.time_ns = i * 1000000});
	kept_count = 0;
	series_visit(&series, collect, NULL);
	CHECK_EQ(kept_count, 1000);
	series_fini(&series);
}

static void none(void)
{
	struct series series;

	series_init(&series);
	kept_count = 0;
	series_visit(&series, collect, NULL);
	CHECK_EQ(kept_count, 0);
	series_fini(&series);
}

static void in_order(void)
{
	struct series series;

	fill(&series, MANY, 5000);
	CHECK_EQ(kept[0].number, 0);
	CHECK_EQ(kept[kept_count - 1].number, MANY - 1);
	for (size_t i = 0; i < kept_count; i++) {
		const struct series_point *original = &all[kept[i].number];

		CHECK(i == 0 || kept[i].number > kept[i - 1].number);
		CHECK_EQ(kept[i].time_ns, original->time_ns);
		CHECK(memcmp(kept[i].values, original->values, sizeof(kept[i].values)) == 0);
	}
	series_fini(&series);
}

struct extremes {
	uint64_t least;
	uint64_t most;
};

/* Of the known values of a column in one span of time. */
static struct extremes extremes_of(const struct series_point *points, size_t count, size_t column)
{
	struct extremes e = {UINT64_MAX, 0};

	for (size_t i = 0; i < count; i++) {
		const uint64_t value = points[i].values[column];

		if (value < e.least)
			e.least = value;
		if (value != SERIES_UNKNOWN && value > e.most)
			e.most = value;
	}
	return e;
}

static size_t span_end(const struct series_point *points, size_t at, size_t count, uint64_t width)
{
	const uint64_t span = points[at].time_ns / width;

	while (at < count && points[at].time_ns / width == span)
		at++;
	return at;
}

static void extremes_of_each_span_stay(void)
{
	struct series series;
	size_t spans = 0;

	fill(&series, MANY, 5000);
	for (size_t i = 0, j = 0; i < MANY; spans++) {
		const size_t end = span_end(all, i, MANY, series.width_ns);
		const size_t kept_end = span_end(kept, j, kept_count, series.width_ns);

		for (size_t column = 0; column < SERIES_EXTREMES; column++) {
			const struct extremes a = extremes_of(&all[i], end - i, column);
			const struct extremes b = extremes_of(&kept[j], kept_end - j, column);

			CHECK_EQ(a.least, b.least);
			CHECK_EQ(a.most, b.most);
		}
		i = end;
		j = kept_end;
	}
	CHECK(spans > 800); /* fine enough for a picture */
	CHECK_EQ(spans, series.count);
	series_fini(&series);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"no points", none},
		{"few points stay", few_points_stay},
		{"in order, unchanged, no point twice", in_order},
		{"the extremes of each span stay", extremes_of_each_span_stay},
		{0},
	};

	all = malloc(MANY * sizeof(*all));
	const int status = check_run(tests);

	free(all);
	return status;
}
