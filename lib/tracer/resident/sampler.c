/* SPDX-License-Identifier: MIT */
/* The resident set over time, and the tick of the clock. */
#include "sampler.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>

#include "account.h"
#include "arena.h"
#include "clock.h"
#include "lock.h"
#include "logfile.h"
#include "names.h"
#include "proc.h"
#include "rss.h"
#include "sys.h"
#include "writer.h"

#define STACK_BYTES 32768
#define DETAIL_NS 100000000ULL	   /* distance of rss_detail records */
#define UNCHANGED_NS 1000000000ULL /* an unchanged value is written again after this */
#define TICK_NS 900000ULL	   /* less than RSS_AGE_NS, for the timer is never early */
#define RESTING_NS 10000000ULL	   /* where ticks may be wanted again */

enum sampler_state { SAMPLER_NONE, SAMPLER_RUNNING, SAMPLER_PAUSED, SAMPLER_AT_EVENTS };

static struct {
	struct lock lock; /* of everything below while no thread runs */
	_Atomic int state;
	_Atomic int stop; /* futex the thread sleeps on */
	_Atomic int tid;  /* cleared by the kernel when the thread has ended */
	uint64_t interval_ns;
	uint64_t due_ns;    /* next sample while no thread runs */
	uint64_t resume_ns; /* the thread comes back then */
	int statm;	    /* descriptors in the thread's own table, 0: none */
	int status;
	uint64_t page;
	unsigned how;
	struct writer writer;
	struct pmt_rss last;
	struct pmt_rss_detail last_detail;
	uint64_t written_ns;
	uint64_t detail_ns;
	uint64_t repeats;
	char *stack;
} sampler;

/* statm: size resident shared ..., in pages. */
static int read_statm(struct pmt_rss *out)
{
	char text[256];
	const char *p = text;

	/* Not of "self": its memory is gone once the first thread has ended. */
	if (proc_read(sampler.statm, "/proc/thread-self/statm", text, sizeof(text)) == 0)
		return -1;
	(void)proc_number(&p);
	out->resident = proc_number(&p) * sampler.page;
	out->shared = proc_number(&p) * sampler.page;
	out->own = arena_bytes();
	out->cpu_ns = sys_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	return 0;
}

/* FORCE writes it even if nothing changed. */
static void put_detail(uint64_t now, int force)
{
	struct writer *w = &sampler.writer;
	struct pmt_rss_detail r;
	char text[4096];

	if (proc_read(0, "/proc/thread-self/status", text, sizeof(text)) == 0)
		return;
	r.anon = proc_kilobytes(text, "\nRssAnon:");
	r.file = proc_kilobytes(text, "\nRssFile:");
	r.shmem = proc_kilobytes(text, "\nRssShmem:");
	r.swap = proc_kilobytes(text, "\nVmSwap:");
	r.hugetlb = proc_kilobytes(text, "\nHugetlbPages:");
	r.peak = proc_kilobytes(text, "\nVmHWM:");
	sampler.detail_ns = now;
	if ((!force && memcmp(&r, &sampler.last_detail, sizeof(r)) == 0) ||
	    writer_room(w, 2 * PMT_RECORD_MAX) != 0)
		return;
	sampler.last_detail = r;
	pmt_put_rss_detail(&w->enc, 0, &r);
	writer_commit(w);
}

/* One sample at NOW; FORCE writes it even if nothing changed. */
static void take_sample(uint64_t now, int force)
{
	struct writer *w = &sampler.writer;
	struct pmt_time time = {now};
	struct pmt_rss r;

	if (sampler.interval_ns == 0 || read_statm(&r) != 0)
		return;
	r.repeats = sampler.repeats;
	if (!force && r.resident == sampler.last.resident && r.shared == sampler.last.shared &&
	    now - sampler.written_ns < UNCHANGED_NS) {
		sampler.repeats++;
		return;
	}
	if ((w->chunk == NULL && writer_rotate(w, now, 0) != 0) ||
	    writer_room(w, 2 * PMT_RECORD_MAX) != 0)
		return;
	if (now > w->enc.state.time_ns)
		pmt_put_time(&w->enc, 0, &time);
	pmt_put_rss(&w->enc, 0, &r);
	writer_commit(w);
	sampler.last = r;
	sampler.written_ns = now;
	sampler.repeats = 0;
	if (force || now - sampler.detail_ns >= DETAIL_NS)
		put_detail(now, force);
}

static void poll_sampler(uint64_t now_ns);

static uint64_t coarse_now(void)
{
	return sys_clock_ns(CLOCK_MONOTONIC_COARSE);
}

static int has_ticks(void)
{
	return (sampler.how & SAMPLER_TICKS) != 0;
}

/* The moment of a tick: no event has recorded a later one. */
static uint64_t publish_sample(void)
{
	const uint64_t now = has_ticks() ? sys_clock_ns(CLOCK_MONOTONIC) : coarse_now();
	const uint64_t high = atomic_load(&clock_shared.high_ns);

	clock_raise(&clock_shared.tick_ns, now < high ? high : now, 0);
	return clock_tick();
}

/*
 * Keep nothing of the program's open: a pipe would never see its end. Only the log stays, if it is
 * the log: the number may be the program's by now.
 */
static void close_others(void)
{
	unsigned log = (unsigned)logfile_descriptor();
	int keep = logfile_has_descriptor();
	long rc = log > 0 ? SYS3(SYS_close_range, 0, log - 1, 0) : 0;

	if (rc == 0)
		rc = SYS3(SYS_close_range, log + (unsigned)keep, ~0U, 0);
	if (rc == 0)
		return;
	for (unsigned fd = 0; fd < 4096; fd++)
		if (fd != log || !keep)
			(void)sys_close((int)fd);
}

/* A descriptor above 2; 0 when it cannot be had, and the file is opened each time. */
static int keep_open(const char *path)
{
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	long high = fd < 0 ? -1 : SYS3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);

	if (fd >= 0)
		(void)sys_close((int)fd);
	return high < 0 ? 0 : (int)high;
}

/*
 * The program's threads have all ended by themselves, past exit(): the process only lives on for
 * us.
 */
static int is_left_alone(void)
{
	char text[4096];

	if (proc_read(sampler.status, "/proc/self/status", text, sizeof(text)) == 0)
		return 0;
	/* The first thread is counted until all are gone. */
	return strstr(text, "\nState:\tZ") != NULL &&
	       (strstr(text, "\nThreads:\t1\n") != NULL || strstr(text, "\nThreads:\t2\n") != NULL);
}

/* With what the first thread ended: the last field of its stat, as wait() has it. */
static int first_thread_status(void)
{
	char text[1024];
	size_t size = proc_read(0, "/proc/self/stat", text, sizeof(text));
	const char *p = text + size;

	while (p > text && p[-1] != ' ')
		p--;
	return (int)(proc_number(&p) >> 8 & 255);
}

/* The clock goes on while an account is taken, which may last. */
static int pause_account(void)
{
	(void)publish_sample();
	return atomic_load(&sampler.stop);
}

/* Sleep until the next tick or sample. Returns whether the thread is to go on. */
static int sleep_until_due(int ticking)
{
	uint64_t ns = sampler.interval_ns;

	if (ticking)
		ns = TICK_NS;
	else if (has_ticks() && (ns == 0 || ns > RESTING_NS))
		ns = RESTING_NS;
	const struct timespec rest = {(time_t)(ns / 1000000000U), (long)(ns % 1000000000U)};

	if (atomic_load(&sampler.stop) == 0)
		(void)SYS4(SYS_futex, &sampler.stop, FUTEX_WAIT_PRIVATE, 0, &rest);
	return atomic_load(&sampler.stop) == 0;
}

/* What is done at each sample. TICKING: events rely on ticks, and this may last. */
static void take_samples(const struct account_place *place, uint64_t now, int ticking)
{
	if (ticking)
		rss_tick_stop();
	take_sample(now, 0);
	account_poll(place, now, sampler.last.resident);
	if (ticking)
		rss_tick_go();
}

/* Returns what the thread is to end with: it may be the last one, whose status is the process's. */
static int run_thread(void)
{
	uint64_t now, checked = 0, due = 0;
	int ticking = 0;

	close_others();
	/* Kept open: the program may change its root, or the limit of its descriptors. */
	sampler.statm = keep_open("/proc/thread-self/statm");
	sampler.status = keep_open("/proc/self/status");
	const struct account_place place = {
		.writer = &sampler.writer,
		.smaps = account_wanted() ? keep_open(ACCOUNT_SMAPS) : 0,
		.pagemap = account_wanted() ? keep_open(ACCOUNT_PAGEMAP) : 0,
		.statm = sampler.statm,
		.pause = pause_account,
	};

	while (sleep_until_due(ticking)) {
		now = publish_sample();
		if (has_ticks())
			ticking = rss_tick();
		if (now >= due) {
			/* Without ticks each nap is an interval. */
			due = has_ticks() ? now + sampler.interval_ns : 0;
			take_samples(&place, now, ticking);
		}
		if (now - checked >= DETAIL_NS) {
			checked = now;
			if (is_left_alone())
				return first_thread_status();
		}
	}
	sampler.statm = sampler.status = 0;
	return 0;
}

/*
 * clone(2): the child runs run_thread() on its own stack and ends. Returns the thread's id or
 * -errno in the caller.
 */
#if defined(__x86_64__)
static long clone_thread(unsigned long flags, void *top, _Atomic int *tid, void *tls)
{
	register long r10 __asm__("r10") = (long)tid;
	register long r8 __asm__("r8") = (long)tls;
	register long r12 __asm__("r12") = (long)run_thread;
	long result;

	__asm__ volatile(
		"syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tcall *%%r12\n\tmov %%eax, %%edi\n\tmov %[nr_exit], %%eax\n\tsyscall\n\thlt\n"
		"1:"
		: "=a"(result)
		: "a"((long)SYS_clone), "D"(flags), "S"(top), "d"(tid), "r"(r10), "r"(r8),
		  "r"(r12), [nr_exit] "i"(SYS_exit)
		: "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static long clone_thread(unsigned long flags, void *top, _Atomic int *tid, void *tls)
{
	register long x8 __asm__("x8") = SYS_clone;
	register long x0 __asm__("x0") = (long)flags;
	register long x1 __asm__("x1") = (long)top;
	register long x2 __asm__("x2") = (long)tid;
	register long x3 __asm__("x3") = (long)tls;
	register long x4 __asm__("x4") = (long)tid;
	register long x19 __asm__("x19") = (long)run_thread;

	__asm__ volatile(
		"svc 0\n\tcbnz x0, 1f\n\tmov x29, xzr\n\tmov x30, xzr\n\tblr x19\n\tmov x8, %[nr_exit]\n\tsvc 0\n"
		"1:"
		: "+r"(x0)
		: "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x19), [nr_exit] "i"(SYS_exit)
		: "memory", "x30");
	return x0;
}
#endif

/* Make the thread. Returns 0 or -1. */
static int launch_thread(void)
{
	const unsigned long flags = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD |
				    CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
				    CLONE_CHILD_CLEARTID;
	uint64_t all = ~0ULL, before = 0;
	long rc;

	if (sampler.stack == NULL)
		sampler.stack = arena_pages(STACK_BYTES, 0);
	if (sampler.stack == NULL)
		return -1;
	/* The lowest quarter stands in for thread-local storage; nothing of ours looks at it. */
	char *tls = sampler.stack + STACK_BYTES / 8;

	const uintptr_t self = (uintptr_t)tls;

	memcpy(tls, &self, sizeof(self));
	memcpy(tls + 16, &self, sizeof(self));
	atomic_store(&sampler.stop, 0);
	(void)SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof(all));
	rc = clone_thread(flags, sampler.stack + STACK_BYTES, &sampler.tid, tls);
	(void)SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof(before));
	if (rc < 0)
		return -1;
	atomic_store(&sampler.state, SAMPLER_RUNNING);
	return 0;
}

/* While no thread runs, events take the samples, or start the thread: from TIME_NS on. */
static void wait_for_event(uint64_t time_ns)
{
	sampler.due_ns = time_ns;
	clock_shared.at_due = poll_sampler;
	atomic_store_explicit(&clock_shared.due_ns, time_ns, memory_order_release);
}

static void begin_sampling(void)
{
	if (!(sampler.how & SAMPLER_NO_THREAD) && launch_thread() == 0) {
		atomic_store(&clock_shared.due_ns, 0);
		(void)publish_sample();
		return;
	}
	atomic_store(&sampler.state, SAMPLER_AT_EVENTS);
	wait_for_event(sampler.due_ns);
}

void sampler_start(uint64_t interval_ns, unsigned how)
{
	uint64_t now = coarse_now();

	sampler.page = getauxval(AT_PAGESZ);
	sampler.interval_ns = interval_ns;
	sampler.how = how;
	sampler.due_ns = 1;
	if (interval_ns == 0 && !has_ticks())
		return;
	writer_init(&sampler.writer, PMT_CHUNK_EVENTS, writer_new_slot());
	take_sample(now, 1);
	begin_sampling();
}

/* Wait until the kernel has forgotten the thread: its futex first, then its place in the count. */
static void wait_gone(int tid)
{
	const struct timespec rest = {0, 20000};
	int pid = sys_getpid(), seen;

	while ((seen = atomic_load(&sampler.tid)) != 0)
		(void)SYS4(SYS_futex, &sampler.tid, FUTEX_WAIT, seen, 0);
	for (int i = 0; i < 5000 && SYS3(SYS_tgkill, pid, tid, 0) == 0; i++)
		(void)SYS2(SYS_nanosleep, &rest, 0);
}

void sampler_pause(uint64_t pause_ns)
{
	int tid;

	if (lock_take_soon(&sampler.lock) != 0)
		return;
	if (atomic_load(&sampler.state) == SAMPLER_RUNNING) {
		tid = atomic_load(&sampler.tid);
		atomic_store(&sampler.stop, 1);
		(void)SYS3(SYS_futex, &sampler.stop, FUTEX_WAKE_PRIVATE, 1);
		if (tid != 0)
			wait_gone(tid);
		rss_tick_stop();
		/* Once more for an event that moved the clock on just then. */
		clock_raise(&clock_shared.high_ns, clock_tick(), 0);
		clock_raise(&clock_shared.high_ns, atomic_exchange(&clock_shared.tick_ns, 0), 0);
		atomic_store(&sampler.state, SAMPLER_PAUSED);
		wait_for_event(sampler.due_ns);
	}
	sampler.resume_ns = coarse_now() + pause_ns;
	lock_release(&sampler.lock);
}

void sampler_resume(uint64_t after_ns)
{
	if (atomic_load(&sampler.state) != SAMPLER_PAUSED || lock_take_soon(&sampler.lock) != 0)
		return;
	sampler.resume_ns = coarse_now() + after_ns;
	lock_release(&sampler.lock);
}

/* An event at NOW_NS, while no thread runs, takes a sample, or lets the thread come back. */
static void poll_sampler(uint64_t now_ns)
{
	uint64_t due_ns;
	int state;

	if (lock_take_soon(&sampler.lock) != 0)
		return;
	due_ns = atomic_load(&clock_shared.due_ns);
	state = atomic_load(&sampler.state);
	if (due_ns != 0 && now_ns >= due_ns) {
		wait_for_event(now_ns +
			       (sampler.interval_ns == 0 ? RESTING_NS : sampler.interval_ns));
		if (state == SAMPLER_PAUSED && now_ns >= sampler.resume_ns)
			begin_sampling();
		else
			take_sample(now_ns, 0);
	}
	lock_release(&sampler.lock);
}

void sampler_finish(int ask)
{
	const struct account_place place = {.writer = &sampler.writer};
	/* By the precise clock, which is ahead: the last sample follows the last event. */
	uint64_t now;

	sampler_pause(0);
	if (lock_take_soon(&sampler.lock) != 0)
		return;
	atomic_store(&clock_shared.due_ns, 0);
	now = sys_clock_ns(CLOCK_MONOTONIC);
	if (atomic_exchange(&sampler.state, SAMPLER_NONE) != SAMPLER_NONE)
		take_sample(now, 1);
	else if (account_wanted())
		writer_init(&sampler.writer, PMT_CHUNK_EVENTS, writer_new_slot());
	account_finish(&place, now, ask);
	writer_finish(&sampler.writer);
	lock_release(&sampler.lock);
}

void sampler_reset(void)
{
	char *stack = sampler.stack;

	memset(&sampler, 0, sizeof(sampler));
	sampler.stack = stack;
	atomic_store(&clock_shared.tick_ns, 0);
	atomic_store(&clock_shared.high_ns, 0);
	atomic_store(&clock_shared.due_ns, 0);
}
