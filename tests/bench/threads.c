/* SPDX-License-Identifier: MIT */
/*
 * Threads that allocate and free: each its own blocks, and where SHARED is not 0 every eighth time
 * one that another thread left.
 *
 *     threads THREADS TURNS SHARED FILE
 *
 * TURNS are shared out between the threads; each is one malloc and one free. FILE gets the
 * monotonic clock at the end, the nanoseconds from the first turn to the last, and the number of
 * turns.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { OWN = 256, SHARED = 1024, MOST_THREADS = 64 };

static _Atomic(char *) shared[SHARED];
static pthread_barrier_t ready;
static long turns_each;
static long foreign_mask; /* 7: every eighth turn; -1: none but the first */

static long long now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void *body(void *number)
{
	char *own[OWN] = {NULL};
	uint32_t state = 2463534242u + 7919u * (uint32_t)(uintptr_t)number;
	pthread_barrier_wait(&ready);
	for (long i = 0; i < turns_each; i++) {
		uint32_t r = random_next(&state);
		char *block = malloc(16 + r % 1009);
		if (!block)
			abort();
		*block = (char)r;
		if ((i & foreign_mask) == 0) {
			free(atomic_exchange(&shared[(r >> 16) % SHARED], block));
		} else {
			free(own[(r >> 16) % OWN]);
			own[(r >> 16) % OWN] = block;
		}
	}
	for (int i = 0; i < OWN; i++)
		free(own[i]);
	return NULL;
}

static long long run(long threads)
{
	pthread_t ids[MOST_THREADS];
	pthread_barrier_init(&ready, NULL, (unsigned)threads + 1);
	for (long i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, body, (void *)(uintptr_t)i))
			abort();
	pthread_barrier_wait(&ready);
	long long start = now_ns();
	for (long i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	return now_ns() - start;
}

int main(int argc, char **argv)
{
	long threads = argc == 5 ? atol(argv[1]) : 0;
	if (threads < 1 || threads > MOST_THREADS)
		return 2;
	turns_each = atol(argv[2]) / threads;
	foreign_mask = atol(argv[3]) ? 7 : -1;
	long long took = run(threads);
	FILE *file = fopen(argv[4], "w");
	if (!file)
		return 1;
	fprintf(file, "%lld %lld %ld\n", now_ns(), took, turns_each * threads);
	return fclose(file) ? 1 : 0;
}
