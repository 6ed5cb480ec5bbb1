/* SPDX-License-Identifier: MIT */
/* The order of events of different threads: see order.h. */
#include "order.h"

#include <string.h>

struct order_shared order_shared;

#define SLOT_MASK ((1ULL << ORDER_SLOT_BITS) - 1)

static int is_mine(const struct thread *t, uint64_t stamp)
{
	return (stamp & SLOT_MASK) == (t->stamp & SLOT_MASK);
}

/* Take the number ORDER, which is larger than the present one, and say so in the log. */
static void take_number(struct thread *t, uint64_t order)
{
	struct pmt_order r = {order};

	t->order = order;
	t->stamp = order_stamp(order, t->writer.slot);
	pmt_put_order(&t->writer.enc, 0, &r);
}

/* Returns a number of at least ORDER, and above that of STAMP if another thread left it. */
static uint64_t order_above(const struct thread *t, uint64_t order, uint64_t stamp)
{
	uint64_t other = stamp >> ORDER_SLOT_BITS;

	return stamp != 0 && !is_mine(t, stamp) && other >= order ? other + 1 : order;
}

/* Become the last thread that recorded, under a number of at least ORDER. Returns the number. */
static uint64_t claim_order(struct thread *t, uint64_t order)
{
	uint64_t last = atomic_load_explicit(&order_shared.last, memory_order_acquire);
	uint64_t wanted = order;

	if (last == order_stamp(order, t->writer.slot) || t->claims_left == 0)
		return order;
	t->claims_left--;
	for (int tries = 0; tries < 8; tries++) {
		wanted = order_above(t, wanted, last);
		if (atomic_compare_exchange_weak_explicit(
			    &order_shared.last, &last, order_stamp(wanted, t->writer.slot),
			    memory_order_acq_rel, memory_order_acquire))
			break;
	}
	return wanted;
}

/* Leave the stamp even if other threads keep changing the entry: try until it succeeds. */
static void force_stamp(struct thread *t, _Atomic uint64_t *place)
{
	uint64_t stamp = atomic_load_explicit(place, memory_order_acquire);
	uint64_t order;

	do {
		order = order_above(t, t->order, stamp);
	} while (!atomic_compare_exchange_strong_explicit(
		place, &stamp, order_stamp(order, t->writer.slot), memory_order_acq_rel,
		memory_order_acquire));
	if (order != t->order)
		take_number(t, order);
	order_put_time(t);
}

/* Each round may put two records: the rounds are bounded by the room that there is for an event. */
#define ROUNDS 8

void order_pass_slow(struct thread *t, unsigned entry)
{
	_Atomic uint64_t *place = &order_shared.stamps[entry];

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t stamp = atomic_load_explicit(place, memory_order_acquire);
		uint64_t order = claim_order(t, order_above(t, t->order, stamp));

		if (order != t->order)
			take_number(t, order);
		order_put_time(t);
		if (stamp == t->stamp ||
		    atomic_compare_exchange_strong_explicit(
			    place, &stamp, t->stamp, memory_order_acq_rel, memory_order_acquire))
			return;
	}
	force_stamp(t, place);
}

/* The highest number that any other thread has left so far. */
static uint64_t highest_order(const struct thread *t)
{
	uint64_t order = order_above(
		t, t->order, atomic_load_explicit(&order_shared.last, memory_order_acquire));

	for (unsigned entry = 0; entry < ORDER_ENTRIES; entry++)
		order = order_above(
			t, order,
			atomic_load_explicit(&order_shared.stamps[entry], memory_order_acquire));
	return order;
}

/*
 * So far ahead that no thread comes to this number while it is being left everywhere, but by
 * seeing it; and whoever sees it goes above.
 */
#define AHEAD 4096

/* Leave the stamp, unless a thread that has gone above it was there first. */
static void raise_to(const struct thread *t, _Atomic uint64_t *place)
{
	uint64_t stamp = atomic_load_explicit(place, memory_order_acquire);

	while (stamp >> ORDER_SLOT_BITS < t->order &&
	       !atomic_compare_exchange_weak_explicit(place, &stamp, t->stamp, memory_order_acq_rel,
						      memory_order_acquire))
		;
}

void order_pass_all(struct thread *t)
{
	const int several = atomic_load_explicit(&order_shared.several, memory_order_relaxed);

	if (several)
		take_number(t, highest_order(t) + AHEAD);
	order_put_time(t);
	if (!several)
		return;
	raise_to(t, &order_shared.last);
	for (unsigned entry = 0; entry < ORDER_ENTRIES; entry++)
		raise_to(t, &order_shared.stamps[entry]);
}

void order_reset(void)
{
	memset(&order_shared, 0, sizeof(order_shared));
}
