/* SPDX-License-Identifier: MIT */
/* The resident set at the interpreter's events. */
#include "rss.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/auxv.h>

#include "clock.h"
#include "event.h"
#include "faults.h"
#include "kept.h"
#include "lock.h"
#include "names.h"
#include "proc.h"
#include "say.h"
#include "sys.h"
#include "table.h"
#include "uss.h"

/* Not of "self": see fetch_pages(). */
#define STATM_OF_THREAD "/proc/thread-self/statm"
#define STATM "/proc/self/statm"

/* Ticks without an event until the ticker rests. */
#define IDLE_TICKS 8
/* A program that closes our descriptor more often than this gets no new one. */
#define KEEP_TIMES 4

/* Stands for a counter or the end of a heap where there is none: it never moves. */
static const uint64_t still;

struct rss_shared rss_shared = {.heap_end = &still};

static struct {
	unsigned mode;
	int refused; /* said once, also for forked children */
	uint64_t page;

	/* The readers' side. */
	_Atomic uint64_t value_epoch; /* the epoch before the last value was read, or later */
	_Atomic uint64_t value_ns;    /* the time, where there was no ticker */

	_Alignas(64) _Atomic int ticking;
	_Atomic int wanted; /* an event came since the last tick */
	int idle;	    /* ticks since the last event, at most IDLE_TICKS */

	/* The descriptor of statm. */
	struct lock lock;
	struct kept statm;
	int opened; /* how often */

	/* Of the C library; looked up once. */
	int looked_up;
	const volatile uint64_t *heap_end;
	size_t (*block_size)(void *block);

	struct lock lines_lock;
	struct table lines;
} rss;

static void keep_statm(void)
{
	long fd = sys_open(STATM, O_RDONLY | O_CLOEXEC, 0);

	rss.opened++;
	if (fd >= 0)
		(void)kept_open(&rss.statm, (int)fd);
}

/* The descriptor, 0 when there is none. */
static int statm_descriptor(void)
{
	int fd = kept_number(&rss.statm);

	if (fd == 0 || kept_is_file(&rss.statm, fd))
		return fd;
	lock_take(&rss.lock);
	if (kept_number(&rss.statm) == fd) {
		kept_forget(&rss.statm);
		if (rss.opened < KEEP_TIMES)
			keep_statm();
	}
	fd = kept_number(&rss.statm);
	lock_release(&rss.lock);
	return fd;
}

/* From a text of statm: the second number, in pages. */
static uint64_t resident_of(const char *text)
{
	(void)proc_number(&text);
	return proc_number(&text) * rss.page;
}

/* Read the resident set, bytes; 0 when that fails. */
static uint64_t fetch_pages(void)
{
	const int fd = statm_descriptor();
	uint64_t bytes = 0;
	char text[256];

	if (fd != 0 && proc_read(fd, STATM, text, sizeof(text)) != 0)
		bytes = resident_of(text);
	/* "self" is the first thread, which has no memory any more once it has ended. */
	if (bytes == 0 && proc_read(0, STATM_OF_THREAD, text, sizeof(text)) != 0)
		bytes = resident_of(text);
	return bytes;
}

static void raise_to(_Atomic uint64_t *place, uint64_t to)
{
	uint64_t old = atomic_load_explicit(place, memory_order_relaxed);

	while (old < to && !atomic_compare_exchange_weak_explicit(
				   place, &old, to, memory_order_release, memory_order_relaxed))
		;
}

/* Others may share values meanwhile: more rounds than this are not worth it. */
#define RENEW_ROUNDS 8

/*
 * Read a value and share it. EPOCH and NOW_NS (0: not known) were taken before. A value is only
 * shared if no other one was since before it was read. So each value that is shared was read after
 * the one before it, and none is older than what a thread has seen itself.
 */
static uint64_t renew_reading(uint64_t epoch, uint64_t now_ns)
{
	const uint64_t mask = (1U << RSS_TICKET_BITS) - 1;
	uint64_t bytes = 0;

	for (int round = 0; round < RENEW_ROUNDS; round++) {
		uint64_t old = atomic_load_explicit(&rss_shared.value, memory_order_acquire);
		uint64_t value;

		bytes = fetch_pages();
		if (bytes == 0)
			return 0;
		value = bytes >> RSS_UNIT_BITS << RSS_TICKET_BITS | ((old + 1) & mask);
		if (!atomic_compare_exchange_strong_explicit(&rss_shared.value, &old, value,
							     memory_order_acq_rel,
							     memory_order_acquire))
			continue;
		raise_to(&rss.value_epoch, epoch);
		raise_to(&rss.value_ns, now_ns);
		return bytes;
	}
	return bytes;
}

/* The log says which threads have no counter, as soon as there is room for it. */
static void put_notice(struct thread *t)
{
	static const char text[] = "page-fault counter refused";
	const struct pmt_notice r = {PMT_NOTICE_SLICE, {(const uint8_t *)text, sizeof(text) - 1}};

	if (t->writer.limit - t->writer.enc.cur < EVENT_ROOM + PMT_RECORD_MAX)
		return;
	pmt_put_notice(&t->writer.enc, 0, &r);
	t->rss.notice_due = 0;
}

static void open_counter(struct thread *t)
{
	struct thread_rss *r = &t->rss;

	r->opened = 1;
	if (!rss_shared.counts)
		return;
	r->ring = faults_open();
	if (r->ring != NULL)
		r->head = faults_head(r->ring);
	else
		r->notice_due = 1;
}

/* Sets what the thread has seen. Returns whether memory came or went since it looked last. */
static int has_moved(struct thread_rss *r)
{
	const uint64_t head = *r->head, heap_end = *rss_shared.heap_end;
	const int moved = head != r->seen || heap_end != r->heap_end;

	r->seen = head;
	r->heap_end = heap_end;
	return moved;
}

/*
 * May the thread rely on ticks? The scheduler wakes the ticker late now and then, by milliseconds
 * on a busy machine. A thread that sees its own faults can live with that; where the age is all
 * there is, each event looks at the clock.
 */
static int by_ticks(struct thread *t)
{
	if (!t->rss.opened)
		open_counter(t);
	if (rss.mode == PMT_RSS_SLICE || (rss.mode == PMT_RSS_FAULTS && t->rss.ring == NULL))
		return 0;
	if (!atomic_load_explicit(&rss.wanted, memory_order_relaxed))
		atomic_store_explicit(&rss.wanted, 1, memory_order_relaxed);
	return atomic_load_explicit(&rss.ticking, memory_order_acquire);
}

uint64_t rss_again(struct thread *t)
{
	struct thread_rss *r = &t->rss;
	/* The epoch first: a ticker that stops says so, and then moves it on. */
	const uint64_t epoch = atomic_load_explicit(&rss_shared.epoch, memory_order_acquire);
	const int ticking = by_ticks(t);
	const uint64_t now = ticking ? 0 : clock_precise();
	const int moved = has_moved(r);

	if (r->notice_due)
		put_notice(t);
	clock_advance(now);
	r->epoch = ticking ? epoch : ~epoch;
	if (rss.mode == PMT_RSS_OFF)
		return 0;
	if (rss.mode == PMT_RSS_EXACT) {
		r->epoch = ~epoch;
		return fetch_pages();
	}
	if (moved || atomic_load_explicit(&rss.value_epoch, memory_order_acquire) != epoch ||
	    (!ticking &&
	     now - atomic_load_explicit(&rss.value_ns, memory_order_acquire) >= RSS_AGE_NS)) {
		const uint64_t bytes = renew_reading(epoch, now);

		if (bytes == 0)
			r->epoch = ~epoch; /* the next event asks again */
		return bytes;
	}
	return atomic_load_explicit(&rss_shared.value, memory_order_acquire) >>
	       RSS_TICKET_BITS << RSS_UNIT_BITS;
}

void rss_tick_go(void)
{
	atomic_store_explicit(&rss.ticking, 1, memory_order_release);
	atomic_fetch_add_explicit(&rss_shared.epoch, 1, memory_order_release);
}

int rss_tick(void)
{
	if (atomic_exchange_explicit(&rss.wanted, 0, memory_order_relaxed))
		rss.idle = 0;
	else if (rss.idle < IDLE_TICKS)
		rss.idle++;
	if (rss.idle < IDLE_TICKS)
		rss_tick_go();
	else
		rss_tick_stop();
	return rss.idle < IDLE_TICKS;
}

void rss_tick_stop(void)
{
	if (atomic_load_explicit(&rss.ticking, memory_order_relaxed) == 0)
		return;
	/* In this order: who sees the new epoch sees that nobody moves it on. */
	atomic_store_explicit(&rss.ticking, 0, memory_order_release);
	atomic_fetch_add_explicit(&rss_shared.epoch, 1, memory_order_release);
}

static void *find_symbol(const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	/* A look-up that failed left a message for the program's next dlerror(). */
	(void)dlerror();
	(void)dlerror();
	return symbol;
}

/* What the C library shows of its heap. */
static void look_up(void)
{
	Dl_info of_size, of_free;
	void *size = find_symbol("malloc_usable_size"), *release = find_symbol("free");
	void *heap_end = find_symbol("__curbrk");

	rss.looked_up = 1;
	rss.heap_end = heap_end == NULL ? &still : heap_end;
	/* Two allocators may be mixed: only the one that frees knows its blocks. */
	if (size != NULL && release != NULL && dladdr(size, &of_size) != 0 &&
	    dladdr(release, &of_free) != 0 && of_size.dli_fbase == of_free.dli_fbase)
		memcpy(&rss.block_size, &size, sizeof(size));
}

/* The mode that is in use for the one that was asked for. */
static unsigned choose_mode(unsigned mode)
{
	if (mode == PMT_RSS_OFF || mode == PMT_RSS_EXACT || mode == PMT_RSS_SLICE)
		return mode;
	if (!rss.refused && faults_try() == 0)
		return PMT_RSS_FAULTS;
	if (mode == PMT_RSS_FAULTS && !rss.refused)
		say_problem(
			"the system refuses counters of page faults, so the resident set at events is read by the millisecond (PYMEMTRACE_RSS=slice)",
			NULL, NULL);
	rss.refused = 1;
	return PMT_RSS_SLICE;
}

unsigned rss_start(unsigned mode)
{
	rss.page = getauxval(AT_PAGESZ);
	rss.mode = choose_mode(mode);
	if (rss.mode != PMT_RSS_OFF) {
		keep_statm();
		if (fetch_pages() == 0) {
			say_problem("the resident set at events cannot be read, there is no " STATM,
				    NULL, NULL);
			rss.mode = PMT_RSS_OFF;
		}
	}
	if (!rss.looked_up)
		look_up();
	rss_shared.counts = rss.mode == PMT_RSS_FAULTS;
	rss_shared.hears_frees = rss.mode == PMT_RSS_FAULTS || rss.mode == PMT_RSS_SLICE;
	rss_shared.heap_end = rss_shared.hears_frees ? rss.heap_end : &still;
	rss_shared.block_size = rss_shared.hears_frees ? rss.block_size : NULL;
	/* Nothing that was read before is good. */
	if (rss.mode == PMT_RSS_OFF)
		atomic_store(&rss_shared.value, 0);
	atomic_fetch_add(&rss_shared.epoch, 1);
	return rss.mode;
}

void rss_thread(struct thread *t)
{
	if (t->rss.ring != NULL)
		faults_close(t->rss.ring);
	memset(&t->rss, 0, sizeof(t->rss));
	t->rss.head = &still;
	/* Nothing is known: the first event looks at all. */
	t->rss.seen = ~still;
}

void rss_reset(void)
{
	/* In a forked child this is the parent's. */
	kept_close(&rss.statm);
	lock_reset(&rss.lock);
	lock_reset(&rss.lines_lock);
	table_clear(&rss.lines);
	rss.opened = 0;
	rss.mode = PMT_RSS_OFF;
	rss_shared.counts = 0;
	rss_shared.hears_frees = 0;
	rss_shared.block_size = NULL;
	rss.idle = IDLE_TICKS;
	rss_tick_stop();
}

/* As with the resident set: what was read is good until a page fault, or something else moves. */
void rss_put_memory(struct thread *t)
{
	struct thread_rss *r = &t->rss;
	const uint64_t epoch = atomic_load_explicit(&rss_shared.epoch, memory_order_acquire);
	const int ticking = by_ticks(t) && rss.mode == PMT_RSS_FAULTS;
	const uint64_t head = *r->head, heap_end = *rss_shared.heap_end;

	if (!r->memory_known || !ticking || r->memory_epoch != epoch || r->memory_seen != head ||
	    r->memory_heap_end != heap_end) {
		r->memory_known = 0;
		if (uss_read(&r->memory) != 0)
			return;
		r->memory_known = (uint8_t)ticking;
		r->memory_epoch = epoch;
		r->memory_seen = head;
		r->memory_heap_end = heap_end;
	}
	pmt_put_memory(&t->writer.enc, 0, &r->memory);
}

int rss_first_line(struct thread *t, uint32_t code, uint32_t line)
{
	const uint64_t key = (uint64_t)code << 32 | line;
	int first;

	(void)t; /* the caller's guard keeps signal handlers out */
	if (table_get(&rss.lines, key) != 0)
		return 0;
	lock_take(&rss.lines_lock);
	first = table_get(&rss.lines, key) == 0;
	if (first)
		(void)table_set(&rss.lines, key, 1);
	lock_release(&rss.lines_lock);
	return first;
}
