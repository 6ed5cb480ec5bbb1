/* SPDX-License-Identifier: MIT */
/*
 * random_family SEED THREADS MOMENTS: a process whose threads work as in random.c, and that forks at random:
 * each child begins with what its parent has, frees some of it, and works on memory of its own with two
 * threads, until it exits, ends by _exit() or is killed. All do a step at a time: at moment K everybody
 * rests, the coarse clock moves on, and the first process calls valloc(70001 + K) and reports what is live,
 * of what each process made itself.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "random_work.h"

#define SHARES_MAX 16
#define STEPS 600
#define CHILDREN 4
#define CHILD_THREADS 2

/* What the processes share. */
struct family {
	_Atomic int step;	       /* the processes work up to this moment */
	_Atomic int arrived[CHILDREN]; /* the moment that each has come to, plus one */
	_Atomic int leave[CHILDREN];   /* how it is to end: 0 not yet, 1 exit, 2 _exit, 3 killed */
	uint64_t sums[CHILDREN][WAYS][2];
};

#define FAMILY_BYTES 4096
_Static_assert(sizeof(struct family) <= FAMILY_BYTES, "a page");

static struct family *family;
static struct share shares[SHARES_MAX];
static int threads, moments;
static pthread_barrier_t ready, go_on;
static pid_t children[CHILDREN]; /* 0: none */

static void *work(void *argument)
{
	const int self = (int)(intptr_t)argument;

	for (int moment = 0;; moment++) {
		struct share *s = &shares[(self + moment) % threads];

		for (int i = 0; i < STEPS; i++)
			step(s);
		pthread_barrier_wait(&ready);
		pthread_barrier_wait(&go_on);
	}
	return NULL;
}

static void start_threads(uint64_t seed, int count)
{
	pthread_t id;

	threads = count;
	memset(shares, 0, sizeof(shares));
	pthread_barrier_init(&ready, NULL, threads + 1);
	pthread_barrier_init(&go_on, NULL, threads + 1);
	for (int i = 0; i < threads; i++) {
		shares[i].random = seed * 1000 + i;
		pthread_create(&id, NULL, work, (void *)(intptr_t)i);
		pthread_detach(id);
	}
}

static void sum_up(uint64_t sums[WAYS][2])
{
	memset(sums, 0, sizeof(uint64_t[WAYS][2]));
	for (int i = 0; i < threads; i++) {
		add(sums, shares[i].places, PLACES);
		add(sums, shares[i].maps, MAPS);
	}
}

/* A log that was not closed ends with its last record: that comes after the last moment. */
static void leave(int how)
{
	free(valloc(1));
	if (how == 1)
		exit(0);
	if (how == 2)
		_exit(0);
	raise(SIGKILL);
}

static void child(int self, int moment, uint64_t seed)
{
	for (int i = 0; i < PLACES / 3; i++)
		free(shares[0].places[i].block);
	start_threads(seed, CHILD_THREADS);
	for (;; moment++) {
		pthread_barrier_wait(&ready);
		sum_up(family->sums[self]);
		family->arrived[self] = moment + 1;
		while (family->step == moment)
			usleep(500);
		if (family->leave[self] != 0)
			leave(family->leave[self]);
		pthread_barrier_wait(&go_on);
	}
}

static void wait_for_children(int moment)
{
	for (int i = 0; i < CHILDREN; i++)
		while (children[i] != 0 && family->arrived[i] != moment + 1)
			usleep(500);
}

/* Some children come before the next step, and some go. */
static void change_children(struct share *chance, int moment, uint64_t seed)
{
	int leaving[CHILDREN] = {0};

	for (int i = 0; i < CHILDREN; i++)
		if (children[i] != 0 && (next(chance) % 4 == 0 || moment + 1 == moments))
			family->leave[i] = leaving[i] = 1 + next(chance) % 3;
	family->step = moment + 1;
	for (int i = 0; i < CHILDREN; i++) {
		if (leaving[i] != 0) {
			waitpid(children[i], NULL, 0);
			children[i] = 0;
		} else if (children[i] == 0 && next(chance) % 3 == 0 && moment + 1 < moments) {
			family->leave[i] = 0;
			memset(family->sums[i], 0, sizeof(family->sums[i]));
			children[i] = fork();
			if (children[i] == 0)
				child(i, moment + 1, seed * 100 + i + moment * CHILDREN);
		}
	}
}

static void report(FILE *out, int moment)
{
	uint64_t sums[WAYS][2];
	int alive = 1;

	sum_up(sums);
	sums[MAP][0]++;
	sums[MAP][1] += FAMILY_BYTES;
	for (int i = 0; i < CHILDREN; i++) {
		alive += children[i] != 0;
		for (int way = 0; way < WAYS && children[i] != 0; way++) {
			sums[way][0] += family->sums[i][way][0];
			sums[way][1] += family->sums[i][way][1];
		}
	}
	fprintf(out, "{\"moment\":%d,\"alive\":%d", moment, alive);
	for (int i = 0; i < WAYS; i++)
		fprintf(out, ",\"%s\":[%llu,%llu]", names[i], (unsigned long long)sums[i][0],
			(unsigned long long)sums[i][1]);
	fprintf(out, "}\n");
	fflush(out);
}

int main(int argc, char **argv)
{
	FILE *out = fopen(getenv("PMT_REPORT"), "w");
	struct share chance = {0};

	if (argc != 4 || out == NULL)
		return 2;
	chance.random = strtoull(argv[1], NULL, 10);
	moments = atoi(argv[3]);
	family =
		mmap(NULL, FAMILY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (family == MAP_FAILED)
		return 1;
	start_threads(chance.random, atoi(argv[2]));
	for (int moment = 0; moment < moments; moment++) {
		pthread_barrier_wait(&ready);
		wait_for_children(moment);
		wait_for_clock();
		if (valloc(70001 + moment) == NULL)
			return 1;
		wait_for_clock();
		report(out, moment);
		change_children(&chance, moment, chance.random);
		pthread_barrier_wait(&go_on);
	}
	pthread_barrier_wait(&ready);
	return fclose(out) != 0;
}
