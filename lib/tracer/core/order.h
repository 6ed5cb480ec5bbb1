/* SPDX-License-Identifier: MIT */
/*
 * The order of events of different threads, without a lock and, most of the time, without a write
 * to shared memory.
 *
 * Each thread has an order number. Records of one thread are in order by themselves; of two
 * threads, the record under the smaller number comes first. A thread must take a larger number
 * when its event depends on one of another thread:
 *
 *	thread A (order 5)		thread B (order 5)
 *	record free(X)
 *	stamp[X] = (5, A)
 *	real free(X) ---------------->  real malloc() = X
 *					sees stamp[X] = (5, A): takes order 6, writes `order 6`
 *					record alloc(X)
 *
 * A free is stamped and recorded before the real call and a reuse is checked after it, so B always
 * sees A's stamp. An alloc is stamped too, for the thread that will free the block. Stamps lie in a
 * table indexed by address; two addresses that share an entry only cost a number now and then. An
 * entry's number never decreases, and an entry of another thread makes the next one go above it.
 *
 * Records also carry a time, and reports merge by (time, order). So that both agree, an event reads
 * the clock after it has seen the stamp of its entry and before it leaves its own there.
 *
 * On top of that one shared word holds the last thread that recorded anything. A thread that sees
 * another one there takes a new number, which makes the order total. Because two threads that
 * allocate all the time would pass that word to and fro, a thread does so at most CLAIMS_A_TICK
 * times a clock tick; beyond that only the order that the addresses demand is kept.
 */
#ifndef PMT_TRACER_ORDER_H
#define PMT_TRACER_ORDER_H

#include <stdatomic.h>
#include <stdint.h>

#include "thread.h"
#include "tracing.h"

#define ORDER_ENTRIES 8193
#define ORDER_SLOT_BITS 20
#define ORDER_CLAIMS_A_TICK 1000

struct order_shared {
	_Alignas(64) _Atomic uint64_t last;
	_Alignas(64) _Atomic int several; /* more than one thread has recorded */
	_Alignas(64) _Atomic uint64_t stamps[ORDER_ENTRIES];
};

extern struct order_shared order_shared;

/* A stamp: order number and slot (plus 1, so that 0 is nobody's). */
static inline uint64_t order_stamp(uint64_t order, uint32_t slot)
{
	return order << ORDER_SLOT_BITS | (slot + 1);
}

/*
 * The entry of a block or mapping; mappings overlap in parts, so all of them share entry 0, with
 * thread names and the other rare events.
 */
#define ORDER_MAPPINGS 0U

static inline unsigned order_entry(uintptr_t addr)
{
	return 1U + (unsigned)(((uint64_t)(addr >> 12) * 0x9E3779B97F4A7C15ULL) >> 51);
}

/* A new clock tick: the thread may claim again. */
static inline void order_tick(struct thread *t)
{
	t->claims_left = ORDER_CLAIMS_A_TICK;
}

/* Put a `time` record when the clock has moved on. */
static inline void order_put_time(struct thread *t)
{
	uint64_t now = tracing_now();

	if (now > t->writer.enc.state.time_ns) {
		struct pmt_time r = {now};

		pmt_put_time(&t->writer.enc, 0, &r);
		order_tick(t);
	}
}

/* Would order_pass() take a new number? */
static inline int order_behind(const struct thread *t, unsigned entry)
{
	const uint64_t slot = (1ULL << ORDER_SLOT_BITS) - 1;
	uint64_t stamp;

	if (__builtin_expect(!atomic_load_explicit(&order_shared.several, memory_order_relaxed), 1))
		return 0;
	stamp = atomic_load_explicit(&order_shared.stamps[entry], memory_order_acquire);
	return atomic_load_explicit(&order_shared.last, memory_order_acquire) != t->stamp ||
	       (stamp != 0 && ((stamp ^ t->stamp) & slot) != 0);
}

/* The rest of order_pass(). */
void order_pass_slow(struct thread *t, unsigned entry);

/*
 * Before the record of an event at ENTRY: put an `order` and a `time` record where they are due,
 * and leave the stamp. Before the real call of what gives back, after that of what takes.
 */
static inline void order_pass(struct thread *t, unsigned entry)
{
	if (__builtin_expect(atomic_load_explicit(&order_shared.several, memory_order_relaxed),
			     0) &&
	    (atomic_load_explicit(&order_shared.last, memory_order_acquire) != t->stamp ||
	     atomic_load_explicit(&order_shared.stamps[entry], memory_order_acquire) != t->stamp))
		order_pass_slow(t, entry);
	else
		order_put_time(t);
}

/*
 * Before a record that depends on all that other threads did before, wherever that was: what
 * happened before it, by whatever the threads have to keep out of each other's way, has a smaller
 * number, and what comes after it in another thread gets a larger one. Puts an `order` and a `time`
 * record. Takes some 100 us where several threads record.
 */
void order_pass_all(struct thread *t);

void order_reset(void);

#endif
