/* SPDX-License-Identifier: MIT */
/*
 * The resident set at events, beside what this program reads from statm at the same moment: in each
 * mode, after memory came and went in each way, and with several threads.
 */
#include <malloc.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "rss_beside.h"

static void faults_with_ticks(void)
{
	steps(PMT_RSS_FAULTS, TICKS);
}

static void faults_by_clock(void)
{
	steps(PMT_RSS_FAULTS, CLOCK);
}

static void slice(void)
{
	steps(PMT_RSS_SLICE, CLOCK);
}

static void exact(void)
{
	steps(PMT_RSS_EXACT, TICKS);
	steps(PMT_RSS_EXACT, CLOCK);
}

static void off(void)
{
	begin(PMT_RSS_OFF);
	CHECK_EQ(rss_at_event(self), 0);
	CHECK(rss_tick());
	CHECK_EQ(rss_at_event(self), 0);
	CHECK_EQ(rss_at_event(self), 0);
	end();
}

/* Without faults and without a tick nothing is read: a change that nobody can see stays unseen. */
static void nothing_is_read(void)
{
	char *p = map(STEP);
	uint64_t before;

	touch(p, STEP);
	begin(PMT_RSS_FAULTS);
	CHECK(rss_tick());
	before = rss_at_event(self);
	(void)syscall(SYS_madvise, p, STEP, MADV_DONTNEED);
	CHECK_EQ(rss_at_event(self), before);
	CHECK(resident() < before);
	CHECK(rss_tick());
	check_now();
	end();
	munmap(p, STEP);
}

/* Within a slice the value stays, and after it the value is right: whatever the machine is doing.
 */
static void slices_are_slices(void)
{
	char *p = map(STEP);
	int stayed = 0;

	begin(PMT_RSS_SLICE);
	for (int i = 0; i < 100; i++) {
		uint64_t start, before, seen;

		age(CLOCK);
		start = clock_precise();
		before = rss_at_event(self);
		touch(p, STEP);
		seen = rss_at_event(self);
		CHECK(seen == before || clock_precise() - start >= RSS_AGE_NS);
		stayed += seen == before;
		age(CLOCK);
		check_now();
		(void)madvise(p, STEP, MADV_DONTNEED);
	}
	CHECK(stayed > 0);
	munmap(p, STEP);
	end();
}

/* Each way to give memory back. Those without a hook are seen after a tick. */
static void shrinking(void)
{
	const size_t size = 64 * STEP;
	char *p;

	begin(PMT_RSS_FAULTS);
	CHECK(rss_tick());
	p = map(size);
	touch(p, size);
	check_now();
	munmap(p + size / 2, size / 2);
	rss_gave_back();
	check_now();
	(void)syscall(SYS_munmap, p, size / 2);
	CHECK(rss_tick());
	check_now();

	/* The C library's heap: nobody says a word. */
	p = sbrk((intptr_t)size);
	touch(p, size);
	check_now();
	CHECK(sbrk(-(intptr_t)size) != (void *)-1);
	check_now();

	/* Small blocks at the end of the heap: free() trims it. */
	char *blocks[512];

	for (size_t i = 0; i < 512; i++)
		memset(blocks[i] = malloc(4000), 1, 4000);
	check_now();
	for (size_t i = 512; i-- > 0;) {
		CHECK(!rss_is_large(blocks[i]));
		free(blocks[i]);
		check_now();
	}

	/* A large block is a mapping of its own. */
	p = malloc(size);
	memset(p, 1, size);
	check_now();
	CHECK(rss_is_large(p));
	free(p);
	rss_gave_back();
	check_now();
	end();
	rss_tick_stop();
}

/* --- several threads -------------------------------------------------------------------------- */

#define THREADS 4

static pthread_barrier_t turns;
static enum how threads_how;
static unsigned threads_mode;

/*
 * In turns, one thread takes memory or gives it back. It sees that at once, or when values have
 * aged; the others do when they have.
 */
static void *in_turns(void *number)
{
	struct thread *t = new_thread();
	const size_t own = *(const size_t *)number;
	char *p = map(THREADS * STEP);

	(void)rss_at_event(t);
	for (size_t turn = 0; turn < 10 * THREADS; turn++) {
		uint64_t expected;

		pthread_barrier_wait(&turns);
		if (turn % THREADS == own) {
			if (turn % 8 < 4) {
				touch(p, THREADS * STEP);
			} else {
				(void)madvise(p, THREADS * STEP, MADV_DONTNEED);
				rss_gave_back();
			}
			if (threads_mode == PMT_RSS_FAULTS) {
				expected = rss_at_event(t);
				CHECK_EQ(expected, resident());
			}
			age(threads_how);
		}
		pthread_barrier_wait(&turns);
		expected = rss_at_event(t);
		CHECK_EQ(expected, resident());
		pthread_barrier_wait(&turns);
	}
	munmap(p, THREADS * STEP);
	drop_thread(t);
	return NULL;
}

/* Memory only grows: a value is never below what was there before the thread's last step. */
static void *all_grow(void *number)
{
	struct thread *t = new_thread();
	char *p = map(200 * STEP);

	(void)number;
	pthread_barrier_wait(&turns);
	for (size_t i = 0; i < 200; i++) {
		uint64_t before = resident(), seen, again, after;

		touch(p + i * STEP, STEP);
		seen = rss_at_event(t);
		again = rss_at_event(t);
		after = resident();
		CHECK(seen >= before + STEP);
		CHECK(again >= seen);
		CHECK(again <= after);
	}
	pthread_barrier_wait(&turns);
	munmap(p, 200 * STEP);
	drop_thread(t);
	return NULL;
}

static void run_threads(void *(*body)(void *))
{
	static const size_t numbers[THREADS] = {0, 1, 2, 3};
	pthread_t threads[THREADS];

	pthread_barrier_init(&turns, NULL, THREADS);
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, body, (void *)&numbers[i]);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&turns);
}

static void several_threads(void)
{
	static const unsigned modes[] = {PMT_RSS_FAULTS, PMT_RSS_SLICE, PMT_RSS_EXACT};

	for (size_t i = 0; i < 3; i++)
		for (threads_how = TICKS; threads_how <= CLOCK; threads_how++) {
			threads_mode = modes[i];
			if (threads_mode == PMT_RSS_SLICE && threads_how == TICKS)
				continue;
			begin(threads_mode);
			run_threads(in_turns);
			end();
			rss_tick_stop();
		}
}

static _Atomic int stop_ticking;

static void *ticker(void *unused)
{
	(void)unused;
	while (!stop_ticking) {
		rest(200000);
		(void)rss_tick();
	}
	return NULL;
}

static void threads_at_once(void)
{
	static const unsigned modes[] = {PMT_RSS_FAULTS, PMT_RSS_EXACT};
	pthread_t thread;

	for (size_t i = 0; i < 2; i++) {
		begin(modes[i]);
		stop_ticking = 0;
		pthread_create(&thread, NULL, ticker, NULL);
		run_threads(all_grow);
		stop_ticking = 1;
		pthread_join(thread, NULL);
		end();
		rss_tick_stop();
	}
}

/* --- the ticker ------------------------------------------------------------------------------- */

/* It rests when there are no events, and works again when there are. */
static void ticker_rests(void)
{
	int ticks = 0;

	begin(PMT_RSS_FAULTS);
	(void)rss_at_event(self);
	while (rss_tick() && ticks < 1000)
		ticks++;
	CHECK(ticks > 0 && ticks < 100);
	CHECK(!rss_tick());
	(void)rss_at_event(self);
	CHECK(rss_tick());
	end();
	CHECK(!rss_tick());
}

/* An event moves the clock on where no ticker does; without a sampler it has none. */
static void clock_goes_on(void)
{
	uint64_t tick;

	rss_tick_stop();
	begin(PMT_RSS_SLICE);
	clock_shared.tick_ns = 0;
	(void)rss_at_event(self);
	CHECK_EQ(clock_shared.tick_ns, 0);
	CHECK(clock_shared.high_ns != 0 && clock_shared.high_ns <= clock_precise());
	clock_shared.tick_ns = tick = clock_precise();
	rest(2000000);
	(void)rss_at_event(self);
	CHECK(clock_shared.tick_ns >= tick + 2000000);
	CHECK(clock_shared.tick_ns <= clock_precise());
	/* Not at each event: each new time is a record. */
	tick = clock_shared.tick_ns;
	(void)rss_at_event(self);
	(void)rss_at_event(self);
	CHECK(clock_shared.tick_ns == tick || clock_precise() - tick >= CLOCK_STEP_NS);
	clock_shared.tick_ns = 0;
	end();
}

/* Readings are numbered by few bits: the numbers begin again, and later values still win. */
static void many_readings(void)
{
	char *p = map(STEP);

	begin(PMT_RSS_FAULTS);
	for (unsigned i = 0; i < (1U << RSS_TICKET_BITS) + 1000; i++) {
		(void)rss_tick();
		(void)rss_at_event(self);
	}
	touch(p, STEP);
	(void)rss_tick();
	check_now();
	check_now();
	munmap(p, STEP);
	(void)rss_tick();
	check_now();
	check_now();
	end();
	rss_tick_stop();
}

/* --- lines ------------------------------------------------------------------------------------ */

/* In kB, the sum of the lines of FILE that begin with NAME. */
static uint64_t sum_of(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	char line[1000];
	uint64_t sum = 0;

	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			sum += strtoull(strchr(line, ':') + 1, NULL, 10);
	fclose(file);
	return sum * 1024;
}

#define SLACK (256 * 1024) /* pages of this program's stdio, between two looks */

static void near(uint64_t a, uint64_t b, uint64_t slack)
{
	CHECK(a <= b + slack);
	CHECK(b <= a + slack);
}

static void check_memory(uint64_t *uss)
{
	struct pmt_decoder d = {.cur = records};
	struct pmt_record r;

	begin(PMT_RSS_EXACT);
	rss_put_memory(self);
	d.end = self->writer.enc.cur;
	CHECK_EQ(pmt_get_record(&d, &r), 1);
	CHECK_EQ(r.type, PMT_REC_memory);
	near(r.memory.uss, sum_of("/proc/self/smaps_rollup", "Private_"), SLACK);
	near(r.memory.uss, sum_of("/proc/self/smaps", "Private_"), SLACK);
	CHECK_EQ(r.memory.swap, sum_of("/proc/self/smaps_rollup", "Swap:"));
	near(r.memory.anon, sum_of("/proc/self/status", "RssAnon:"), SLACK);
	near(r.memory.file, sum_of("/proc/self/status", "RssFile:"), SLACK);
	near(r.memory.shmem, sum_of("/proc/self/status", "RssShmem:"), SLACK);
	near(r.memory.peak, sum_of("/proc/self/status", "VmHWM:"), SLACK);
	*uss = r.memory.uss;
	end();
}

static void memory_records(void)
{
	const size_t size = 128 * STEP;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t before, after;

	check_memory(&before);
	touch(p, size);
	check_memory(&after);
	near(after - before, size, SLACK);
	munmap(p, size);
}

static void first_lines(void)
{
	begin(PMT_RSS_SLICE);
	for (int round = 0; round < 2; round++)
		for (uint32_t code = 1; code <= 100; code++)
			for (uint32_t line = 0; line < 100; line++)
				CHECK_EQ(rss_first_line(self, code, line), round == 0);
	end();
	begin(PMT_RSS_SLICE);
	CHECK_EQ(rss_first_line(self, 1, 1), 1);
	CHECK_EQ(rss_first_line(self, 1, 1), 0);
	end();
}

int main(void)
{
	/* Those behind the first zero need the counter. */
	static struct check_test tests[] = {
		{"time slices", slice},
		{"each event", exact},
		{"off", off},
		{"a slice", slices_are_slices},
		{"the clock", clock_goes_on},
		{"memory of a line", memory_records},
		{"first lines", first_lines},
		{0},
		{"counter of page faults, with ticks", faults_with_ticks},
		{"counter of page faults, by the clock", faults_by_clock},
		{"nothing is read in between", nothing_is_read},
		{"memory given back", shrinking},
		{"faults in the kernel", kernel_faults},
		{"several threads in turns", several_threads},
		{"several threads at once", threads_at_once},
		{"the ticker rests", ticker_rests},
		{"many readings", many_readings},
		{0},
	};
	struct check_test *gap = tests + 7;

	if (faults_try() == 0)
		memmove(gap, gap + 1, sizeof(tests) - 8 * sizeof(*tests));
	else
		printf("# this system does not let page faults be counted: only some tests\n");
	return check_run(tests);
}
