/* SPDX-License-Identifier: MIT */
/*
 * A moment that concerns all threads (order_pass_all): threads make and free blocks under a lock,
 * as Python's threads do, and record other events without it, as fast as they can. Now and then one
 * of them takes all in. Blocks that were made before must then have smaller order numbers, those
 * made afterwards larger ones; and no thread may merely count a block that was there.
 */
#include <pthread.h>
#include <sched.h>

#include "check.h"
#include "folding.h"
#include "order.h"

#define THREADS 4
#define ROUNDS 60000
#define BLOCKS 64
#define MOMENTS 300

struct tracing_shared tracing_shared;
struct clock_shared clock_shared; /* no sampler */

/* It stands still: no thread may claim the shared word, only stamps keep the order. */
uint64_t tracing_coarse_now(void)
{
	return 1;
}

struct worker {
	struct thread thread;
	uint8_t log[4096]; /* written over again and again */
	uint64_t seed;
	unsigned moments; /* that it still takes in */
};

static pthread_barrier_t beginning;
/* What follows is changed under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	struct pmt_fold_block block;
	struct worker *owner;
	unsigned moment; /* how many there had been at its birth */
} blocks[BLOCKS];
static unsigned moment;
static uint64_t moment_order;
static unsigned long wrong_births, wrong_lives, wrong_counts, counted;

static unsigned any(struct worker *w, unsigned below)
{
	w->seed = w->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(w->seed >> 33) % below;
}

static struct thread *event(struct worker *w)
{
	w->thread.writer.enc.cur = w->log;
	return &w->thread;
}

static void make(struct worker *w, unsigned i)
{
	struct thread *t = event(w);
	const uintptr_t addr = 0x10000000 + (uintptr_t)i * 4096;

	order_pass(t, order_entry(addr));
	blocks[i].block = (struct pmt_fold_block){.addr = addr, .order = t->order};
	blocks[i].owner = w;
	blocks[i].moment = moment;
	wrong_births += moment != 0 && t->order <= moment_order;
}

static void end(struct worker *w, unsigned i)
{
	struct thread *t = event(w);

	if (blocks[i].owner == w && fold_trusts(t, &blocks[i].block)) {
		wrong_counts += blocks[i].moment != moment;
		counted++;
	} else {
		order_pass(t, order_entry(blocks[i].block.addr));
	}
	blocks[i].owner = NULL;
}

static void take_moment(struct worker *w)
{
	struct thread *t = event(w);

	order_pass_all(t);
	for (unsigned i = 0; i < BLOCKS; i++)
		wrong_lives += blocks[i].owner != NULL && blocks[i].block.order >= t->order;
	moment_order = t->order;
	moment++;
}

static void *work(void *argument)
{
	struct worker *w = argument;

	pthread_barrier_wait(&beginning);
	for (unsigned round = 0; round < ROUNDS; round++) {
		const unsigned i = any(w, BLOCKS);

		if (any(w, 4) == 0)
			sched_yield();
		for (unsigned more = any(w, 8); more != 0; more--)
			order_pass(event(w), any(w, ORDER_ENTRIES));
		pthread_mutex_lock(&lock);
		if (w->moments != 0 && any(w, ROUNDS / MOMENTS) == 0) {
			w->moments--;
			take_moment(w);
		} else if (w->moments != 0) {
			/* Its own blocks would be written at the moment. */
		} else if (blocks[i].owner == NULL) {
			make(w, i);
		} else {
			end(w, i);
		}
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void every_moment_is_a_cut(void)
{
	static struct worker workers[THREADS];
	pthread_t handles[THREADS];

	pthread_barrier_init(&beginning, NULL, THREADS);
	order_reset();
	atomic_store(&order_shared.several, 1);
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i].thread.writer.slot = i;
		workers[i].thread.stamp = order_stamp(0, i);
		workers[i].seed = i + 1;
		workers[i].moments = i == 0 ? UINT32_MAX : 0;
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&handles[i], NULL, work, &workers[i]);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(handles[i], NULL);
	CHECK(moment > MOMENTS / 2);
	CHECK(counted > 100);
	CHECK_EQ(wrong_births, 0);
	CHECK_EQ(wrong_lives, 0);
	CHECK_EQ(wrong_counts, 0);
	printf("# %u moments, %lu blocks counted, last order %lu\n", moment, counted,
	       (unsigned long)(order_shared.last >> ORDER_SLOT_BITS));
}

int main(void)
{
	static const struct check_test tests[] = {
		{"every moment is a cut", every_moment_is_a_cut},
		{0},
	};

	return check_run(tests);
}
