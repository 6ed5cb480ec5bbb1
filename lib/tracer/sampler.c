/* SPDX-License-Identifier: MIT */
/* The resident set over time, and the tick of the clock. */
#include "sampler.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>

#include "arena.h"
#include "clock.h"
#include "lock.h"
#include "logfile.h"
#include "names.h"
#include "sys.h"
#include "writer.h"

struct clock_shared clock_shared;

#define STACK_BYTES 32768
#define DETAIL_NS 100000000ULL	   /* distance of rss_detail records */
#define UNCHANGED_NS 1000000000ULL /* an unchanged value is written again after this */
#define RESUME_NS 100000000ULL
#define RETRY_NS 1000000ULL

enum sampler_state { SAMPLER_NONE, SAMPLER_RUNNING, SAMPLER_PAUSED, SAMPLER_AT_EVENTS };

static struct {
	struct lock lock; /* of everything below while no thread runs */
	_Atomic int state;
	_Atomic int stop; /* futex the thread sleeps on */
	_Atomic int tid;  /* cleared by the kernel when the thread has ended */
	uint64_t interval_ns;
	uint64_t due_ns; /* next sample or restart while no thread runs */
	uint64_t page;
	int no_thread;
	struct writer writer;
	struct pmt_rss last;
	struct pmt_rss_detail last_detail;
	uint64_t written_ns;
	uint64_t detail_ns;
	uint64_t repeats;
	char *stack;
} sampler;

/* Text of a file in /proc, terminated. Returns its length. */
static size_t read_file(const char *path, char *text, size_t size)
{
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	long got;

	text[0] = '\0';
	if (fd < 0)
		return 0;
	got = sys_pread((int)fd, text, size - 1, 0);
	(void)sys_close((int)fd);
	text[got < 0 ? 0 : got] = '\0';
	return got < 0 ? 0 : (size_t)got;
}

static uint64_t parse_number(const char **text)
{
	uint64_t n = 0;

	while (**text == ' ' || **text == '\t')
		++*text;
	for (; **text >= '0' && **text <= '9'; ++*text)
		n = n * 10 + (uint64_t)(**text - '0');
	return n;
}

/* statm: size resident shared ..., in pages. */
static int read_statm(struct pmt_rss *out)
{
	char text[256];
	const char *p = text;

	if (read_file("/proc/self/statm", text, sizeof(text)) == 0)
		return -1;
	(void)parse_number(&p);
	out->resident = parse_number(&p) * sampler.page;
	out->shared = parse_number(&p) * sampler.page;
	out->own = arena_bytes();
	return 0;
}

/* The value in bytes of a line "NAME:   123 kB" of /proc/self/status, 0 if there is none. */
static uint64_t status_value(const char *status, const char *name)
{
	const char *p = strstr(status, name);

	if (p == NULL)
		return 0;
	p += strlen(name);
	return parse_number(&p) * 1024;
}

static void put_detail(uint64_t now)
{
	struct writer *w = &sampler.writer;
	struct pmt_rss_detail r;
	char text[4096];

	if (read_file("/proc/self/status", text, sizeof(text)) == 0)
		return;
	r.anon = status_value(text, "\nRssAnon:");
	r.file = status_value(text, "\nRssFile:");
	r.shmem = status_value(text, "\nRssShmem:");
	r.swap = status_value(text, "\nVmSwap:");
	r.hugetlb = status_value(text, "\nHugetlbPages:");
	r.peak = status_value(text, "\nVmHWM:");
	sampler.detail_ns = now;
	if (memcmp(&r, &sampler.last_detail, sizeof(r)) == 0 ||
	    writer_room(w, 2 * PMT_RECORD_MAX) != 0)
		return;
	sampler.last_detail = r;
	pmt_put_rss_detail(&w->enc, 0, &r);
	writer_commit(w);
}

/* One sample at NOW; FORCE writes it even if nothing changed. */
static void sample(uint64_t now, int force)
{
	struct writer *w = &sampler.writer;
	struct pmt_time time = {now};
	struct pmt_rss r;

	if (read_statm(&r) != 0)
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
		put_detail(now);
}

static uint64_t coarse_now(void)
{
	return sys_clock_ns(CLOCK_MONOTONIC_COARSE);
}

/* Keep nothing of the program's open: a pipe would never see its end. Only the log stays. */
static void close_others(void)
{
	unsigned log = (unsigned)logfile_descriptor();
	long rc = log > 0 ? SYS3(SYS_close_range, 0, log - 1, 0) : 0;

	if (rc == 0)
		rc = SYS3(SYS_close_range, log + 1, ~0U, 0);
	if (rc == 0)
		return;
	for (unsigned fd = 0; fd < 4096; fd++)
		if (fd != log)
			(void)sys_close((int)fd);
}

static void run(void)
{
	uint64_t now;

	close_others();
	while (atomic_load(&sampler.stop) == 0) {
		struct timespec rest = {(time_t)(sampler.interval_ns / 1000000000U),
					(long)(sampler.interval_ns % 1000000000U)};

		(void)SYS4(SYS_futex, &sampler.stop, FUTEX_WAIT_PRIVATE, 0, &rest);
		if (atomic_load(&sampler.stop) != 0)
			break;
		now = coarse_now();
		atomic_store_explicit(&clock_shared.tick_ns, now, memory_order_release);
		sample(now, 0);
	}
}

/*
 * clone(2): the child runs run() on its own stack and ends. Returns the thread's id or -errno in
 * the caller.
 */
#if defined(__x86_64__)
static long clone_thread(unsigned long flags, void *top, _Atomic int *tid, void *tls)
{
	register long r10 __asm__("r10") = (long)tid;
	register long r8 __asm__("r8") = (long)tls;
	register long r12 __asm__("r12") = (long)run;
	long result;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "call *%%r12\n\t"
			 "mov %[nr_exit], %%eax\n\t"
			 "xor %%edi, %%edi\n\t"
			 "syscall\n\t"
			 "hlt\n"
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
	register long x19 __asm__("x19") = (long)run;

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x30, xzr\n\t"
			 "blr x19\n\t"
			 "mov x0, xzr\n\t"
			 "mov x8, %[nr_exit]\n\t"
			 "svc 0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4),
			   "r"(x19), [nr_exit] "i"(SYS_exit)
			 : "memory", "x30");
	return x0;
}
#endif

/* Make the thread. Returns 0 or -1. */
static int launch(void)
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

static void begin(uint64_t now)
{
	if (!sampler.no_thread && launch() == 0) {
		atomic_store_explicit(&clock_shared.tick_ns, now, memory_order_release);
		return;
	}
	atomic_store(&sampler.state, SAMPLER_AT_EVENTS);
	sampler.due_ns = now + sampler.interval_ns;
}

void sampler_start(uint64_t interval_ns, int no_thread)
{
	uint64_t now = coarse_now();

	sampler.page = getauxval(AT_PAGESZ);
	sampler.interval_ns = interval_ns;
	sampler.no_thread = no_thread;
	if (interval_ns == 0)
		return;
	writer_init(&sampler.writer, PMT_CHUNK_EVENTS, writer_new_slot());
	sample(now, 1);
	begin(now);
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

void sampler_pause(void)
{
	int tid;

	lock_take(&sampler.lock);
	if (atomic_load(&sampler.state) == SAMPLER_RUNNING) {
		tid = atomic_load(&sampler.tid);
		atomic_store(&sampler.stop, 1);
		(void)SYS3(SYS_futex, &sampler.stop, FUTEX_WAKE_PRIVATE, 1);
		if (tid != 0)
			wait_gone(tid);
		atomic_store_explicit(&clock_shared.tick_ns, 0, memory_order_release);
		sampler.due_ns = coarse_now() + RESUME_NS;
		atomic_store(&sampler.state, SAMPLER_PAUSED);
	}
	lock_release(&sampler.lock);
}

void sampler_poll(uint64_t now_ns)
{
	int state = atomic_load_explicit(&sampler.state, memory_order_acquire);

	if ((state != SAMPLER_PAUSED && state != SAMPLER_AT_EVENTS) || now_ns < sampler.due_ns)
		return;
	lock_take(&sampler.lock);
	if (now_ns >= sampler.due_ns) {
		sampler.due_ns = now_ns + sampler.interval_ns;
		if (atomic_load(&sampler.state) == SAMPLER_PAUSED)
			begin(now_ns);
		else if (atomic_load(&sampler.state) == SAMPLER_AT_EVENTS)
			sample(now_ns, 0);
	}
	lock_release(&sampler.lock);
}

void sampler_finish(void)
{
	sampler_pause();
	lock_take(&sampler.lock);
	if (atomic_exchange(&sampler.state, SAMPLER_NONE) != SAMPLER_NONE) {
		sample(coarse_now(), 1);
		writer_finish(&sampler.writer);
	}
	lock_release(&sampler.lock);
}

void sampler_reset(void)
{
	char *stack = sampler.stack;

	memset(&sampler, 0, sizeof(sampler));
	sampler.stack = stack;
	atomic_store(&clock_shared.tick_ns, 0);
}
