/* SPDX-License-Identifier: MIT */
/* Processor time between samples: of few and of very many, asked for in any order. */
#include "check.h"

#include <stdlib.h>

#include "cpuclock.h"
#include "logwriter.h"
#include "readlog.h"

/* A log with COUNT samples, one each STEP_NS, at which CPU_OF says the processor time. */
static void read_samples(struct cpuclock *clock, uint32_t count, uint64_t step_ns,
			 uint64_t (*cpu_of)(uint64_t time_ns))
{
	struct logwriter *w = logwriter_create(1 << 20);
	struct reader *reader;
	size_t size;

	for (uint32_t i = 0; i < count; i++) {
		const uint64_t time_ns = LOGWRITER_START_NS + i * step_ns;

		log_put(w, 1, time, 0, .time_ns = time_ns);
		log_put(w, 1, rss, 0, .resident = 4096, .cpu_ns = cpu_of(time_ns));
	}
	logwriter_finish(w, PMT_STATE_CLOSED);
	uint8_t *data = logwriter_data(w, &size);
	struct readlog file = readlog_create(data, size);

	free(data);
	logwriter_destroy(w);
	CHECK_EQ(reader_open(file.path, &reader), 0);
	CHECK_EQ(cpuclock_init(clock, reader), 0);
	reader_close(reader);
	readlog_destroy(&file);
}

static uint64_t even(uint64_t time_ns)
{
	return 7 + (time_ns - LOGWRITER_START_NS) / 4;
}

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* So many samples that only some can be kept: where the time grows evenly, that costs nothing. */
static void many_samples(void)
{
	const uint32_t count = 5 * CPUCLOCK_SAMPLES_MAX + 3;
	struct cpuclock clock;
	uint64_t wrong = 0;

	read_samples(&clock, count, 1000, even);
	CHECK(clock.count > CPUCLOCK_SAMPLES_MAX / 4 && clock.count <= CPUCLOCK_SAMPLES_MAX);
	for (uint32_t i = 0; i < 100000; i++) {
		const uint64_t time_ns = LOGWRITER_START_NS + check_random() % (count * 990ULL);

		wrong += difference(cpuclock_at(&clock, time_ns), even(time_ns)) > 2;
	}
	CHECK_EQ(wrong, 0);
	cpuclock_fini(&clock);
}

static uint64_t backwards(uint64_t time_ns)
{
	return LOGWRITER_START_NS + 1000 - time_ns / 2;
}

/* Nonsense gives some number between the samples; it is not computed beyond 64 bits. */
static void falling_samples(void)
{
	struct cpuclock clock;

	read_samples(&clock, 3, 100, backwards);
	CHECK_EQ(cpuclock_at(&clock, 0), backwards(LOGWRITER_START_NS));
	CHECK_EQ(cpuclock_at(&clock, LOGWRITER_START_NS + 150),
		 backwards(LOGWRITER_START_NS + 100));
	CHECK_EQ(cpuclock_at(&clock, UINT64_MAX), backwards(LOGWRITER_START_NS + 200));
	cpuclock_fini(&clock);
}

static uint64_t unknown(uint64_t time_ns)
{
	return time_ns * 0;
}

static void no_samples(void)
{
	struct cpuclock clock;

	read_samples(&clock, 5, 100, unknown);
	CHECK_EQ(clock.count, 0);
	CHECK_EQ(cpuclock_at(&clock, LOGWRITER_START_NS + 150), 0);
	cpuclock_fini(&clock);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"many samples", many_samples},
		{"falling samples", falling_samples},
		{"no samples", no_samples},
		{0},
	};

	return check_run(tests);
}
