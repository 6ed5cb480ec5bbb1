/* SPDX-License-Identifier: MIT */
/*
 * random SEED THREADS MOMENTS: threads that allocate, free, reallocate and map at random. Between
 * two moments each thread works on a share of its own, so that what is live at a moment depends on
 * SEED alone; afterwards it goes on with another thread's share, and frees what that one made. At
 * moment K the first thread calls valloc(70001 + K), when nobody else does anything and the coarse
 * clock has moved on, and reports what is live, for each way of allocating.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random_work.h"

#define SHARES_MAX 16
#define STEPS 1500

static struct share shares[SHARES_MAX];
static int threads, moments;
static pthread_barrier_t ready, go_on;

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
