/* SPDX-License-Identifier: MIT */
/*
 * flight THREADS ROUNDS [COUNTERS]: threads that allocate in three ways, free their own blocks and
 * each other's, and count what they did, in the file COUNTERS if it is given. ROUNDS 0: for ever.
 * Nobody else uses these allocators. In the end LAST blocks of telling sizes stay.
 */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS_MAX 64
#define LAST 100
#define KEPT 128

struct counters {
	uint64_t count[3], bytes[3], frees, pad;
};

static struct counters *counters;
static void *_Atomic shared[64];
static long rounds;
static pthread_barrier_t quiet_began, all_done;

static void *first(struct counters *c, size_t size)
{
	void *p = memalign(16, size);

	c->bytes[0] += size;
	c->count[0]++;
	return p;
}

static void *second(struct counters *c, size_t size)
{
	void *p = aligned_alloc(16, size);

	c->bytes[1] += size;
	c->count[1]++;
	return p;
}

static void *third(struct counters *c, void *old, size_t size)
{
	void *p = reallocarray(old, size, 1);

	c->bytes[2] += size;
	c->count[2]++;
	c->frees += old != NULL;
	return p;
}

static void give_back(struct counters *c, void *p)
{
	free(p);
	c->frees += p != NULL;
}

static void *work(void *argument)
{
	struct counters *c = argument;
	void *kept[KEPT] = {0};
	uint32_t random = 12345;

	for (long i = 0; rounds == 0 || i < rounds; i++) {
		random = random * 1664525 + 1013904223;
		void **place = &kept[random >> 25];
		const size_t size = 16 + (random >> 12 & 1023);

		if (i % 7 == 0) {
			*place = third(c, *place, size);
		} else {
			give_back(c, *place);
			*place = i % 3 == 0 ? first(c, size) : second(c, size);
		}
		if (i % 11 == 0)
			give_back(c, atomic_exchange(&shared[random & 63], first(c, size)));
		give_back(c, second(c, 24));
	}
	for (int i = 0; i < KEPT; i++)
		give_back(c, kept[i]);
	return NULL;
}

/* Wrote a little, long ago. */
static void *quiet(void *argument)
{
	for (int i = 0; i < 5; i++)
		first(argument, 40001 + i);
	pthread_barrier_wait(&quiet_began);
	pthread_barrier_wait(&all_done);
	return NULL;
}

int main(int argc, char **argv)
{
	const int threads = atoi(argv[1]);
	const size_t size = THREADS_MAX * sizeof(struct counters);
	pthread_t ids[THREADS_MAX];
	const int fd = argc > 3 ? open(argv[3], O_RDWR | O_CREAT, 0600) : -1;

	rounds = atol(argv[2]);
	if (fd >= 0 && ftruncate(fd, size) != 0)
		return 1;
	counters = mmap(NULL, size, PROT_READ | PROT_WRITE,
			fd >= 0 ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS, fd, 0);
	pthread_barrier_init(&quiet_began, NULL, 2);
	pthread_barrier_init(&all_done, NULL, 2);
	pthread_create(&ids[0], NULL, quiet, &counters[0]);
	pthread_barrier_wait(&quiet_began);
	for (int i = 1; i <= threads; i++)
		pthread_create(&ids[i], NULL, work, &counters[i]);
	for (int i = 1; i <= threads; i++)
		pthread_join(ids[i], NULL);
	for (int i = 0; i < 64; i++)
		give_back(&counters[0], shared[i]);
	for (int i = 0; i < LAST; i++)
		first(&counters[0], 50001 + i);
	pthread_barrier_wait(&all_done);
	pthread_join(ids[0], NULL);
	return 0;
}
