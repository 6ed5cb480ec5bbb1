/* SPDX-License-Identifier: MIT */
/* The tracer's lock keeps threads apart, and wakes those that sleep. */
#include <pthread.h>

#include "check.h"
#include "lock.h"

#define THREADS 4
#define ROUNDS 50000

static struct lock lock;
static long counter; /* not atomic: only the lock protects it */

static void *count(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		lock_take(&lock);
		counter++;
		lock_release(&lock);
	}
	return NULL;
}

static void test_exclusion(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(counter, THREADS * ROUNDS);
}

static void test_reset(void)
{
	lock_take(&lock);
	lock_reset(&lock);
	lock_take(&lock); /* would sleep for ever if the reset had not freed it */
	lock_release(&lock);
	CHECK_EQ(lock.word, 0);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"exclusion", test_exclusion},
		{"reset", test_reset},
		{0},
	};

	return check_run(tests);
}
