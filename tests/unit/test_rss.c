/* SPDX-License-Identifier: MIT */
/*
 * The resident set at events, beside what this program reads from statm at the same moment: in each
 * mode, after memory came and went in each way, with several threads, after fork(), and where the
 * system refuses the counter of page faults.
 *
 * The tracer's modules are real; what they are told by the rest of the tracer is told here.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "clock.h"
#include "faults.h"
#include "logfile.h"
#include "names.h"
#include "rss.h"
#include "say.h"

#define PAGE 4096UL
#define STEPS 40
#define STEP (16 * PAGE)

/* --- what the rest of the tracer is here ------------------------------------------------------ */

struct clock_shared clock_shared;
static int problems;

void say_problem(const char *a, const char *b, const char *c)
{
	(void)a;
	(void)b;
	(void)c;
	problems++;
}

int logfile_move_up(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 1000);

	close(fd);
	return high;
}

static uint8_t records[1 << 16];

/* A thread as the tracer has one, with room for records. */
static struct thread *new_thread(void)
{
	struct thread *t = calloc(1, sizeof(*t));

	t->writer.enc.cur = records;
	t->writer.limit = records + sizeof(records);
	rss_thread(t);
	return t;
}

static void drop_thread(struct thread *t)
{
	rss_thread(t); /* a state that is handed on: its counter goes */
	free(t);
}

/* --- what is expected ------------------------------------------------------------------------- */

static int statm = -1;
static struct thread *self; /* of the test that runs */

/* Resident bytes, as this program sees them. */
static uint64_t resident(void)
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

static void begin(unsigned mode)
{
	(void)resident();
	CHECK_EQ(rss_start(mode), mode);
	self = new_thread();
	(void)rss_at_event(self);
	(void)rss_at_event(self);
}

static void end(void)
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

static void touch(char *p, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE)
		((volatile char *)p)[i] = 1;
}

static void rest(long ns)
{
	const struct timespec ts = {0, ns};

	(void)nanosleep(&ts, NULL);
}

/* However the mode knows that it is time to look again: the sampler ticks, or the clock goes on. */
enum how { TICKS, CLOCK };

static void age(enum how how)
{
	if (how == TICKS)
		CHECK(rss_tick());
	else
		rest(RSS_AGE_NS + 1000);
}

static void check_now(void)
{
	const uint64_t seen = rss_at_event(self);

	CHECK_EQ(seen, resident());
}

/* --- the tests -------------------------------------------------------------------------------- */

/* The value moves with each of many small steps, up and down. */
static void steps(unsigned mode, enum how how)
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

/* read() into new memory: faults in the kernel. */
static void kernel_faults(void)
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

/* --- the surroundings ------------------------------------------------------------------------- */

/* Run BODY in a child; its failed checks are this one's. */
static void in_child(void (*body)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		statm = -1;
		check.failed = false;
		body();
		fflush(stdout);
		_exit(check.failed);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* What start_child() of the tracer does. */
static void forked_steps(void)
{
	unsigned char there[2];

	CHECK(self->rss.ring != NULL);
	CHECK_EQ(mincore(self->rss.ring, 2 * PAGE, there), -1);
	CHECK_EQ(errno, ENOMEM);
	memset(&self->rss, 0, sizeof(self->rss)); /* its pages are wiped */
	rss_reset();
	steps(PMT_RSS_FAULTS, TICKS);
	steps(PMT_RSS_SLICE, CLOCK);
	steps(PMT_RSS_EXACT, CLOCK);
}

static void forked(void)
{
	begin(PMT_RSS_FAULTS);
	in_child(forked_steps);
	touch(map(STEP), STEP);
	check_now();
	end();
}

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* One descriptor far up, none below, and none left. */
static void few_descriptors(void)
{
	const int before = descriptors();
	int free_before = dup(0), free_after;

	close(free_before);
	for (unsigned mode = PMT_RSS_FAULTS; mode <= PMT_RSS_EXACT; mode++) {
		begin(mode);
		free_after = dup(0);
		close(free_after);
		CHECK_EQ(free_after, free_before);
		CHECK_EQ(descriptors(), before + 1);
		end();
		CHECK_EQ(descriptors(), before);
	}
}

static int find_kept(void)
{
	char path[64], target[64];
	int kept = -1;

	for (int fd = 1000; fd < 1010; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t size = readlink(path, target, sizeof(target) - 1);

		target[size < 0 ? 0 : size] = '\0';
		if (strstr(target, "/statm") != NULL)
			kept = fd;
	}
	return kept;
}

/* The program closes it, again and again, and has something of its own under the number. */
static void closed_descriptor(void)
{
	begin(PMT_RSS_EXACT);
	for (int i = 0; i < 8; i++) {
		int own = memfd_create("own", MFD_CLOEXEC), kept = find_kept();

		CHECK_EQ(write(own, "1 7 0", 5), 5);
		if (i == 0)
			CHECK(kept >= 1000);
		if (kept >= 0)
			CHECK_EQ(dup2(own, kept), kept);
		check_now();
		check_now();
		close(own);
		if (kept >= 0)
			close(kept);
	}
	end();
}

/* No descriptor to be had: the thread goes by slice, and the value is right. */
static void no_descriptors(void)
{
	struct rlimit limit;
	struct thread *t;

	begin(PMT_RSS_FAULTS);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &limit);
	t = new_thread();
	CHECK_EQ(rss_at_event(t), resident());
	CHECK(t->rss.ring == NULL);
}

static void without_descriptors(void)
{
	in_child(no_descriptors);
}

static void errno_stays(void)
{
	char *p = map(2 * STEP);

	for (unsigned mode = PMT_RSS_FAULTS; mode <= PMT_RSS_OFF; mode++) {
		begin(mode);
		errno = 4321;
		touch(p, STEP);
		(void)rss_at_event(self);
		rss_gave_back();
		(void)rss_is_large(self);
		(void)rss_at_event(self);
		rss_put_memory(self);
		CHECK_EQ(errno, 4321);
		rss_thread(self);
		(void)rss_at_event(self);
		(void)rss_tick();
		(void)rss_at_event(self);
		rss_tick_stop();
		CHECK_EQ(errno, 4321);
		end();
	}
	munmap(p, 2 * STEP);
}

/* --- a system that refuses -------------------------------------------------------------------- */

static uint32_t refusal;

static void refuse_counters(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, refusal),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, code};

	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void refused(void)
{
	int status;

	refuse_counters();
	problems = 0;
	CHECK_EQ(rss_start(PMT_RSS_AUTO), PMT_RSS_SLICE);
	CHECK_EQ(problems, 0);
	rss_reset();
	steps(PMT_RSS_SLICE, CLOCK);
	CHECK_EQ(waitpid(-1, &status, WNOHANG), -1); /* no child of ours is left */
	CHECK_EQ(errno, ECHILD);
}

/* Asked for by name: said, but once. */
static void refused_by_name(void)
{
	refuse_counters();
	problems = 0;
	CHECK_EQ(rss_start(PMT_RSS_FAULTS), PMT_RSS_SLICE);
	CHECK_EQ(problems, 1);
	rss_reset();
	CHECK_EQ(rss_start(PMT_RSS_FAULTS), PMT_RSS_SLICE);
	CHECK_EQ(problems, 1);
	rss_reset();
}

static void refusals(void)
{
	static const uint32_t answers[] = {
		SECCOMP_RET_ERRNO | EPERM,
		SECCOMP_RET_ERRNO | ENOSYS,
		SECCOMP_RET_ERRNO | EACCES,
		SECCOMP_RET_KILL_PROCESS,
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		refusal = answers[i];
		in_child(refused);
		in_child(refused_by_name);
	}
}

#define MANY 3000

/* The `notice` records put so far. */
static size_t notices(const struct thread *t)
{
	const uint8_t *p = records;
	size_t count = 0;

	while (p < t->writer.enc.cur) {
		CHECK_EQ(*p, PMT_TAG_notice);
		p += 3 + (p[1] & 0x7f) + (p[2] << 7);
		count++;
	}
	return count;
}

/* An ordinary user may have so much locked memory, and no more counters than fit into it. */
static void many_counters(void)
{
	size_t without = 0;
	struct thread *t;

	CHECK_EQ(setgid(65534), 0);
	CHECK_EQ(setuid(65534), 0);
	begin(PMT_RSS_FAULTS);
	for (int i = 0; i < MANY; i++) {
		t = new_thread();
		CHECK_EQ(rss_at_event(t), resident());
		if (t->rss.ring != NULL)
			continue;
		CHECK_EQ(notices(t), 1);
		(void)rss_at_event(t);
		CHECK_EQ(notices(t), 1);
		without++;
	}
	CHECK(without > 0);
	CHECK(without < MANY);
}

static void locked_memory(void)
{
	if (geteuid() == 0)
		in_child(many_counters);
}

static void ordinary_user(void)
{
	CHECK_EQ(setgid(65534), 0);
	CHECK_EQ(setuid(65534), 0);
	steps(PMT_RSS_FAULTS, TICKS);
	steps(PMT_RSS_FAULTS, CLOCK);
	kernel_faults();
}

static void as_ordinary_user(void)
{
	if (geteuid() == 0)
		in_child(ordinary_user);
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
	static const struct check_test tests[] = {
		{"time slices", slice},
		{"each event", exact},
		{"off", off},
		{"a slice", slices_are_slices},
		{"the descriptor is closed", closed_descriptor},
		{"the counter is refused", refusals},
		{"the clock", clock_goes_on},
		{"memory of a line", memory_records},
		{"first lines", first_lines},
		/* With the counter, from here on. */
		{"counter of page faults, with ticks", faults_with_ticks},
		{"counter of page faults, by the clock", faults_by_clock},
		{"nothing is read in between", nothing_is_read},
		{"memory given back", shrinking},
		{"faults in the kernel", kernel_faults},
		{"several threads in turns", several_threads},
		{"several threads at once", threads_at_once},
		{"a forked child", forked},
		{"descriptors", few_descriptors},
		{"no descriptor to be had", without_descriptors},
		{"errno", errno_stays},
		{"more counters than allowed", locked_memory},
		{"an ordinary user", as_ordinary_user},
		{"the ticker rests", ticker_rests},
		{"many readings", many_readings},
		{0},
	};
	static struct check_test few[10];

	if (faults_try() == 0)
		return check_run(tests);
	printf("# this system does not let page faults be counted: the other tests\n");
	memcpy(few, tests, 9 * sizeof(few[0]));
	return check_run(few);
}
