/* SPDX-License-Identifier: MIT */
/*
 * The order of events of different threads: threads allocate from a common pool, hand blocks to one
 * another and free what others allocated, as fast as they can. The records, merged by (time, order)
 * as the reader does it, must then tell a possible story: no block handed out twice, none freed
 * that was not handed out.
 */
#include <pthread.h>
#include <stdlib.h>

#include "check.h"
#include "order.h"
#include "record.h"

#define THREADS 4
#define EVENTS 300000
#define BLOCKS 64
#define LOG_BYTES (EVENTS * 64)

struct tracing_shared tracing_shared;
struct clock_shared clock_shared; /* no sampler */

static _Atomic uint64_t clock_ns;
static _Atomic int running;

uint64_t tracing_coarse_now(void)
{
	return atomic_load(&clock_ns);
}

/* The "real allocator": a pool of addresses behind a mutex. */
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t pool[BLOCKS];
static int pool_used;
/* Blocks on their way from one thread to another. */
static pthread_mutex_t desk_lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t desk[BLOCKS];
static int desk_used;

static uintptr_t take(pthread_mutex_t *lock, uintptr_t *stack, int *used)
{
	uintptr_t p;

	pthread_mutex_lock(lock);
	p = *used > 0 ? stack[--*used] : 0;
	pthread_mutex_unlock(lock);
	return p;
}

static void give(pthread_mutex_t *lock, uintptr_t *stack, int *used, uintptr_t p)
{
	pthread_mutex_lock(lock);
	stack[(*used)++] = p;
	pthread_mutex_unlock(lock);
}

static void record(struct thread *t, uintptr_t block, int is_free)
{
	order_pass(t, order_entry(block));
	if (is_free) {
		struct pmt_free r = {0, block};

		pmt_put_free(&t->writer.enc, 0, &r);
	} else {
		struct pmt_alloc r = {0, block, 8, 0};

		pmt_put_alloc(&t->writer.enc, 0, &r);
	}
}

static void *work(void *arg)
{
	struct thread *t = arg;
	uintptr_t block;

	order_tick(t);
	for (int i = 0; i < EVENTS; i++) {
		if (i & 1) {
			block = take(&desk_lock, desk, &desk_used);
			if (block == 0)
				continue;
			record(t, block, 1);
			give(&pool_lock, pool, &pool_used, block);
		} else {
			block = take(&pool_lock, pool, &pool_used);
			if (block == 0)
				continue;
			record(t, block, 0);
			give(&desk_lock, desk, &desk_used, block);
		}
	}
	return NULL;
}

static void *tick(void *unused)
{
	(void)unused;
	while (atomic_load(&running))
		atomic_fetch_add(&clock_ns, 1);
	return NULL;
}

/* One thread's log, read back. */
struct stream {
	struct pmt_decoder d;
	struct pmt_record next;
	int rc;
};

/* Move on to the next record that is an event; time and order go into the decoder's state. */
static void advance(struct stream *s)
{
	do {
		s->rc = pmt_get_record(&s->d, &s->next);
	} while (s->rc == 1 && (s->next.type == PMT_REC_time || s->next.type == PMT_REC_order));
}

static int before(const struct stream *a, const struct stream *b)
{
	if (a->d.state.time_ns != b->d.state.time_ns)
		return a->d.state.time_ns < b->d.state.time_ns;
	return a->d.state.order < b->d.state.order;
}

static unsigned index_of(uint64_t addr)
{
	return (unsigned)(addr >> 4) % BLOCKS;
}

static unsigned replay(struct stream *streams, unsigned long *events)
{
	int live[BLOCKS] = {0};
	unsigned errors = 0;

	for (int i = 0; i < THREADS; i++)
		advance(&streams[i]);
	for (;;) {
		struct stream *first = NULL;

		for (int i = 0; i < THREADS; i++)
			if (streams[i].rc == 1 && (first == NULL || before(&streams[i], first)))
				first = &streams[i];
		if (first == NULL)
			return errors;
		++*events;
		if (first->next.type == PMT_REC_alloc)
			errors += live[index_of(first->next.alloc.addr)]++ != 0;
		else
			errors += --live[index_of(first->next.free.addr)] != 0;
		advance(first);
	}
}

/*
 * SPREAD: bytes between blocks, so that they share order entries or do not. TICKING: the clock
 * runs, so that threads may claim the shared word; else only the stamps keep the order.
 */
static void run(uintptr_t spread, int ticking)
{
	static struct thread threads[THREADS];
	static struct stream streams[THREADS];
	static uint8_t *logs[THREADS];
	pthread_t handles[THREADS], ticker;
	unsigned long events = 0;

	order_reset();
	desk_used = pool_used = 0;
	atomic_store(&order_shared.several, 1);
	atomic_store(&clock_ns, 1);
	atomic_store(&running, 1);
	for (int i = 0; i < BLOCKS; i++)
		pool[pool_used++] = 0x10000000 + (uintptr_t)i * 16 + (uintptr_t)i * spread;
	if (ticking)
		pthread_create(&ticker, NULL, tick, NULL);
	for (uint32_t i = 0; i < THREADS; i++) {
		uint8_t *log = logs[i] = calloc(1, LOG_BYTES);

		if (log == NULL)
			abort();

		threads[i] = (struct thread){.writer = {.slot = i, .enc = {.cur = log}}};
		threads[i].stamp = order_stamp(0, i);
		streams[i] = (struct stream){.d = {.cur = log}};
		pthread_create(&handles[i], NULL, work, &threads[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(handles[i], NULL);
		streams[i].d.end = threads[i].writer.enc.cur;
	}
	atomic_store(&running, 0);
	if (ticking)
		pthread_join(ticker, NULL);
	CHECK_EQ(replay(streams, &events), 0);
	for (int i = 0; i < THREADS; i++)
		free(logs[i]);
	CHECK(events > EVENTS);
	printf("# %lu events, last order %lu\n", events,
	       (unsigned long)(order_shared.last >> ORDER_SLOT_BITS));
}

static void test_one_entry(void)
{
	run(0, 1);
}

/* The low four bits of the index stay as they are: BLOCKS blocks on as many pages. */
static void test_many_entries(void)
{
	run(4096 * 16, 1);
}

static void test_stamps_alone(void)
{
	run(4096 * 16, 0);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"one_entry", test_one_entry},
		{"many_entries", test_many_entries},
		{"stamps_alone", test_stamps_alone},
		{0},
	};

	return check_run(tests);
}
