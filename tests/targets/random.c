/* SPDX-License-Identifier: MIT */
/*
 * random SEED THREADS MOMENTS: threads that allocate, free, reallocate and map at random. Between
 * two moments each thread works on a share of its own, so that what is live at a moment depends on
 * SEED alone; afterwards it goes on with another thread's share, and frees what that one made. At
 * moment K the first thread calls valloc(70001 + K), when nobody else does anything and the coarse
 * clock has moved on, and reports what is live, for each way of allocating.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define SHARES_MAX 16
#define PLACES 700
#define MAPS 20
#define STEPS 1500

enum { MEMALIGN, ALIGNED_ALLOC, REALLOCARRAY, MAP, WAYS };

static const char *const names[WAYS] = {"memalign", "aligned_alloc", "reallocarray", "mmap"};

struct place {
	void *block;
	size_t size;
	int way;
};

/* Of one thread at a time. */
struct share {
	uint64_t random;
	struct place places[PLACES];
	struct place maps[MAPS];
};

static struct share shares[SHARES_MAX];
static int threads, moments;
static pthread_barrier_t ready, go_on;

static uint32_t next(struct share *s)
{
	s->random = s->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(s->random >> 33);
}

static size_t some_size(struct share *s)
{
	const uint32_t kind = next(s) % 100;

	if (kind < 80)
		return 16 + next(s) % 500;
	if (kind < 97)
		return 500 + next(s) % 17000;
	return 17000 + next(s) % 200000;
}

static void fill(struct share *s, struct place *p)
{
	p->size = some_size(s);
	p->way = next(s) % 2 ? MEMALIGN : ALIGNED_ALLOC;
	p->block = p->way == MEMALIGN ? memalign(16, p->size) : aligned_alloc(16, p->size);
}

static void change_map(struct share *s, struct place *p)
{
	if (p->block != NULL) {
		munmap(p->block, p->size);
		p->block = NULL;
		return;
	}
	p->size = 4096 * (1 + next(s) % 16);
	p->way = MAP;
	p->block = mmap(NULL, p->size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Half of all blocks go at once. */
static void step(struct share *s)
{
	struct place brief, *p = &s->places[next(s) % PLACES];
	const uint32_t what = next(s) % 100;

	if (what < 50) {
		fill(s, &brief);
		free(brief.block);
	} else if (what < 60 && p->block != NULL) {
		p->size = some_size(s);
		p->way = REALLOCARRAY;
		p->block = reallocarray(p->block, p->size, 1);
	} else if (what < 99) {
		free(p->block);
		p->block = NULL;
		if (what % 2)
			fill(s, p);
	} else {
		change_map(s, &s->maps[next(s) % MAPS]);
	}
}

static void *work(void *argument)
{
	const int self = (int)(intptr_t)argument;

	for (int moment = 0; moment < moments; moment++) {
		struct share *s = &shares[(self + moment) % threads];

		for (int i = 0; i < STEPS; i++)
			step(s);
		pthread_barrier_wait(&ready);
		pthread_barrier_wait(&go_on);
	}
	return NULL;
}

/* Until the clock that events go by has moved on twice. */
static void wait_for_clock(void)
{
	struct timespec first, now;

	for (int i = 0; i < 2; i++) {
		clock_gettime(CLOCK_MONOTONIC_COARSE, &first);
		do
			clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
		while (now.tv_sec == first.tv_sec && now.tv_nsec == first.tv_nsec);
	}
}

static void add(uint64_t sums[WAYS][2], const struct place *places, int count)
{
	for (int i = 0; i < count; i++) {
		if (places[i].block == NULL)
			continue;
		sums[places[i].way][0]++;
		sums[places[i].way][1] += places[i].size;
	}
}

static void report(FILE *out, int moment)
{
	uint64_t sums[WAYS][2] = {0};

	for (int i = 0; i < threads; i++) {
		add(sums, shares[i].places, PLACES);
		add(sums, shares[i].maps, MAPS);
	}
	fprintf(out, "{\"moment\":%d", moment);
	for (int i = 0; i < WAYS; i++)
		fprintf(out, ",\"%s\":[%llu,%llu]", names[i], (unsigned long long)sums[i][0],
			(unsigned long long)sums[i][1]);
	fprintf(out, "}\n");
}

int main(int argc, char **argv)
{
	FILE *out = fopen(getenv("PMT_REPORT"), "w");
	pthread_t ids[SHARES_MAX];

	if (argc != 4 || out == NULL)
		return 2;
	threads = atoi(argv[2]);
	moments = atoi(argv[3]);
	pthread_barrier_init(&ready, NULL, threads + 1);
	pthread_barrier_init(&go_on, NULL, threads + 1);
	for (int i = 0; i < threads; i++) {
		shares[i].random = strtoull(argv[1], NULL, 10) * 1000 + i;
		pthread_create(&ids[i], NULL, work, (void *)(intptr_t)i);
	}
	for (int moment = 0; moment < moments; moment++) {
		pthread_barrier_wait(&ready);
		wait_for_clock();
		if (valloc(70001 + moment) == NULL)
			return 1;
		wait_for_clock();
		report(out, moment);
		pthread_barrier_wait(&go_on);
	}
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	return fclose(out) != 0;
}
