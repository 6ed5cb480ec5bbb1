/* SPDX-License-Identifier: MIT */
/* Sums of several logs' curves, against a merge of all their events. */
#include "curve.h"

#include <stdlib.h>

#include "check.h"

enum { LOGS = 5, EVENTS = 400, ROUNDS = 200 };

struct event {
	uint64_t time_ns;
	uint64_t value;
};

static struct event events[LOGS][EVENTS];
static unsigned seed = 1;

static uint64_t draw(uint64_t below)
{
	return (uint64_t)rand_r(&seed) % below;
}

static void make_events(uint64_t step)
{
	for (int i = 0; i < LOGS; i++) {
		uint64_t time_ns = draw(50);

		for (int j = 0; j < EVENTS; j++) {
			time_ns += draw(3) == 0 ? draw(step) : 0;
			events[i][j] = (struct event){time_ns, j == EVENTS - 1 ? 0 : draw(1000)};
		}
	}
}

struct most {
	uint64_t value;
	uint64_t number;
	uint32_t log;
};

/* All events one by one, by time, then by log. */
static struct most merge_all(void)
{
	int next[LOGS] = {0};
	uint64_t now[LOGS] = {0};
	struct most most = {0};

	for (;;) {
		int first = -1;
		uint64_t sum = 0;

		for (int i = 0; i < LOGS; i++)
			if (next[i] < EVENTS &&
			    (first < 0 ||
			     events[i][next[i]].time_ns < events[first][next[first]].time_ns))
				first = i;
		if (first < 0)
			return most;
		now[first] = events[first][next[first]].value;
		for (int i = 0; i < LOGS; i++)
			sum += now[i];
		if (sum > most.value)
			most = (struct most){sum, (uint64_t)next[first], (uint32_t)first};
		next[first]++;
	}
}

static void add_log(struct curve *sum, uint32_t log)
{
	struct curve curve;

	curve_init(&curve);
	for (int j = 0; j < EVENTS; j++) {
		const struct curve_point point = {.time_ns = events[log][j].time_ns,
						  .most = events[log][j].value,
						  .last = events[log][j].value,
						  .number = (uint64_t)j,
						  .log = log};

		curve_add(&curve, &point);
	}
	curve_join(sum, &curve);
	curve_fini(&curve);
}

static void the_sum_is_that_of_a_merge(void)
{
	for (int round = 0; round < ROUNDS; round++) {
		struct curve sum;

		make_events(1 + draw(100));
		const struct most most = merge_all();

		curve_init(&sum);
		for (uint32_t i = 0; i < LOGS; i++)
			add_log(&sum, i);
		const struct curve_point *peak = curve_peak(&sum);

		CHECK_EQ(peak->most, most.value);
		CHECK_EQ(peak->log, most.log);
		CHECK_EQ(peak->number, most.number);
		CHECK_EQ(peak->most_ns, events[most.log][most.number].time_ns);
		CHECK_EQ(sum.points[sum.count - 1].last, 0);
		curve_fini(&sum);
	}
}

/* Any number of times fits; what a single log had at most is not lost. */
static void memory_is_bounded(void)
{
	struct curve sum, curve;
	const uint64_t times = 3ULL * CURVE_POINTS_MAX;

	curve_init(&sum);
	for (uint32_t log = 0; log < 2; log++) {
		curve_init(&curve);
		for (uint64_t i = 0; i < times; i++) {
			const uint64_t value = i == times / 2 ? 1000 : i % 7;
			const struct curve_point point = {.time_ns = 10 * i + log,
							  .most = value,
							  .last = i % 7,
							  .number = i,
							  .log = log};

			curve_add(&curve, &point);
		}
		curve_join(&sum, &curve);
		curve_fini(&curve);
		CHECK(sum.count <= CURVE_POINTS_MAX);
	}
	CHECK(curve_peak(&sum)->most >= 1000 && curve_peak(&sum)->most <= 2000);
	CHECK_EQ(curve_peak(&sum)->number, times / 2);
	CHECK(sum.width_ns <= 64);
	curve_fini(&sum);
}

static void none(void)
{
	struct curve sum;

	curve_init(&sum);
	CHECK(curve_peak(&sum) == NULL);
	curve_fini(&sum);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"the sum is that of a merge", the_sum_is_that_of_a_merge},
		{"memory is bounded", memory_is_bounded},
		{"no curve, no peak", none},
		{0},
	};

	return check_run(tests);
}
