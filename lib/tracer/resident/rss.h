/* SPDX-License-Identifier: MIT */
/*
 * The resident set at the interpreter's events, mostly without a system call.
 *
 * A value is read from /proc/self/statm, shared by all threads, and good until one of these moves:
 *
 *	the thread's counter of page faults	memory came (faults.h; mode FAULTS)
 *	the end of malloc's heap		memory came or went
 *	the epoch				memory went, as the hooks saw, or Python's
 *						allocators where there are none (pyfrees.h),
 *						or a millisecond is over
 *
 * The sampler's thread moves the epoch while events happen, every RSS_AGE_NS and now and then, on a
 * busy machine, some milliseconds late. Where it does not, and for threads without a counter, each
 * event looks at the clock, and no value is older than RSS_AGE_NS.
 */
#ifndef PMT_TRACER_RSS_H
#define PMT_TRACER_RSS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "thread.h"

#define RSS_AGE_NS 1000000ULL

/* free() of less does not give memory back, but by moving the end of the heap or in an arena. */
#define RSS_LARGE_BLOCK 65536

/* The last value is kept in 4 KiB, above the number of its reading. */
#define RSS_UNIT_BITS 12
#define RSS_TICKET_BITS 20

struct rss_shared {
	_Alignas(64) _Atomic uint64_t epoch;
	_Atomic uint64_t value;
	const volatile uint64_t *heap_end; /* never NULL */
	/* What the hooks of free() ask a block's size by; NULL: they need not. */
	size_t (*block_size)(void *block);
	int counts;	 /* mode FAULTS */
	int hears_frees; /* rss_gave_back() moves the epoch: modes FAULTS and SLICE */
};

extern struct rss_shared rss_shared;

/* At the start of a log: MODE is PMT_RSS_*. Returns the mode that is in use (never AUTO). */
unsigned rss_start(unsigned mode);
/* In a forked child, before the new log. */
void rss_reset(void);
/* The state T has a new thread. */
void rss_thread(struct thread *t);

/* The rest of rss_at_event(). */
uint64_t rss_again(struct thread *t);

/* The resident set of the process in bytes, 0 when it is not known. Between enter and leave. */
static inline uint64_t rss_at_event(struct thread *t)
{
	const struct thread_rss *r = &t->rss;
	const uint64_t moved =
		(*r->head ^ r->seen) | (*rss_shared.heap_end ^ r->heap_end) |
		(atomic_load_explicit(&rss_shared.epoch, memory_order_acquire) ^ r->epoch);

	if (__builtin_expect(moved != 0, 0))
		return rss_again(t);
	return atomic_load_explicit(&rss_shared.value, memory_order_relaxed) >>
	       RSS_TICKET_BITS << RSS_UNIT_BITS;
}

/* Put a `resident` record if BYTES is not what this chunk has said last. Between enter and leave.
 */
static inline void rss_put(struct thread *t, uint64_t bytes)
{
	if (bytes != t->writer.enc.state.resident) {
		const struct pmt_resident r = {bytes};

		pmt_put_resident(&t->writer.enc, 0, &r);
	}
}

/* Put a `memory` record, for the `line` event that follows. Between enter and leave. */
void rss_put_memory(struct thread *t);
/* True once for each line of each code object. Between enter and leave. */
int rss_first_line(struct thread *t, uint32_t code, uint32_t line);

/* Memory has been given back to the system, or may have been. Any thread, any time. */
static inline void rss_gave_back(void)
{
	if (rss_shared.hears_frees)
		atomic_fetch_add_explicit(&rss_shared.epoch, 1, memory_order_release);
}

/* Before BLOCK is freed or resized: must rss_gave_back() follow? */
static inline int rss_is_large(void *block)
{
	return __builtin_expect(rss_shared.block_size != NULL, 0) &&
	       rss_shared.block_size(block) >= RSS_LARGE_BLOCK;
}

/*
 * For the sampler's thread: RSS_AGE_NS are over, nearly. Returns 1 when it is to be called so
 * again: events happen. 0: there were none lately; events look at the clock until it is called
 * again, which may be a while later.
 */
int rss_tick(void);
/* The next tick may be late: events look at the clock until rss_tick_go(). */
void rss_tick_stop(void);
void rss_tick_go(void);

#endif
