/* SPDX-License-Identifier: MIT */
/*
 * Random work on memory for random.c and random_family.c: shares of blocks and mappings, of one thread at a
 * time, that depend on their seed alone.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define PLACES 700
#define MAPS 20

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
