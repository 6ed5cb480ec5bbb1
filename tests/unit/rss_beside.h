/* SPDX-License-Identifier: MIT */
/*
 * For the tests of rss.c: what the rest of the tracer tells it is told here, for the modules are
 * the real ones; and beside that, what this program itself reads from statm.
 */
#ifndef PMT_TESTS_RSS_BESIDE_H
#define PMT_TESTS_RSS_BESIDE_H

#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "clock.h"
#include "faults.h"
#include "names.h"
#include "rss.h"
#include "say.h"

#define PAGE 4096UL
#define STEPS 40
#define STEP (16 * PAGE)

/* --- what the rest of the tracer is here ------------------------------------------------------ */

struct clock_shared clock_shared;
static int problems; /* said so far */

void say_problem(const char *a, const char *b, const char *c)
{
	(void)a;
	(void)b;
	(void)c;
	problems++;
}

static uint8_t records[1 << 16];

/* A thread as the tracer has one, with room for records. */
static inline struct thread *new_thread(void)
{
	struct thread *t = calloc(1, sizeof(*t));

	t->writer.enc.cur = records;
	t->writer.limit = records + sizeof(records);
	rss_thread(t);
	return t;
}

static inline void drop_thread(struct thread *t)
{
	rss_thread(t); /* a state that is handed on: its counter goes */
	free(t);
}

/* --- what is expected ------------------------------------------------------------------------- */

static int statm = -1;
static struct thread *self; /* of the test that runs */

/* Resident bytes, as this program sees them. */
static inline uint64_t resident(void)
{
	char text[200];
	ssize_t size;
	char *p;

	if (statm < 0)
		statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	size = pread(statm, text, sizeof(text) - 1, 0);
	text[size < 0 ? 0 : size] = '\0';
	(void)strtoull(text, &p, 10);
	return strtoull(p, NULL, 10) * PAGE;
}

static inline void begin(unsigned mode)
{
	(void)resident();
	CHECK_EQ(rss_start(mode), mode);
	self = new_thread();
	(void)rss_at_event(self);
	(void)rss_at_event(self);
}

static inline void end(void)
{
	drop_thread(self);
	rss_reset();
}

static char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)madvise(p, size, MADV_NOHUGEPAGE);
	return p;
}

static inline void touch(char *p, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE)
		((volatile char *)p)[i] = 1;
}

static inline void rest(long ns)
{
	const struct timespec ts = {0, ns};

	(void)nanosleep(&ts, NULL);
}

/* However the mode knows that it is time to look again: the sampler ticks, or the clock goes on. */
enum how { TICKS, CLOCK };

static inline void age(enum how how)
{
	if (how == TICKS)
		CHECK(rss_tick());
	else
		rest(RSS_AGE_NS + 1000);
}

static inline void check_now(void)
{
	const uint64_t seen = rss_at_event(self);

	CHECK_EQ(seen, resident());
}

/* The value moves with each of many small steps, up and down. */
static inline void steps(unsigned mode, enum how how)
{
	const int at_once = mode == PMT_RSS_FAULTS || mode == PMT_RSS_EXACT;
	char *p = map(STEPS * STEP);
	uint64_t first;

	begin(mode);
	age(how);
	first = rss_at_event(self);
	for (size_t i = 0; i < STEPS; i++) {
		touch(p + i * STEP, STEP);
		if (!at_once)
			age(how);
		check_now();
	}
	CHECK(rss_at_event(self) >= first + STEPS * STEP);
	for (size_t i = 0; i < STEPS; i++) {
		(void)madvise(p + i * STEP, STEP, MADV_DONTNEED);
		rss_gave_back();
		if (!at_once)
			age(how);
		check_now();
	}
	CHECK(rss_at_event(self) < first + STEP);
	munmap(p, STEPS * STEP);
	end();
	rss_tick_stop();
}

/* read() into new memory: faults in the kernel. */
static inline void kernel_faults(void)
{
	const size_t size = 8 * STEP;
	char *p = map(size);
	int zero = open("/dev/zero", O_RDONLY);

	begin(PMT_RSS_FAULTS);
	CHECK(rss_tick());
	(void)rss_at_event(self);
	CHECK_EQ(read(zero, p, size), size);
	if (geteuid() != 0)
		CHECK(rss_tick());
	check_now();
	close(zero);
	munmap(p, size);
	end();
	rss_tick_stop();
}

#endif
