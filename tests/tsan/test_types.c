/* SPDX-License-Identifier: MIT */
/* The maps of live blocks: against a model, in a forked child, and with several threads at once. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "check.h"
#include "types.h"

#define BLOCKS 4096U
#define THREADS 4
#define ROUNDS 200000

static uint64_t seed = 1;

static unsigned any(unsigned below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % below;
}

/* Neighbours, with some far ones: in other regions, and in such that share a place of the table. */
static uintptr_t addr_of(unsigned i)
{
	const uintptr_t far = 1UL << (TYPES_REGION_BITS + 12);

	return 0x7f0012340000 + 16UL * i + far * (i % 5 == 0) + (64UL << 20) * (i % 7 == 0);
}

static unsigned count_bits(void)
{
	static uintptr_t starts[TYPES_REGIONS];
	const unsigned regions = types_regions(starts);
	unsigned bits = 0;

	for (unsigned i = 0; i < regions; i++) {
		CHECK(i == 0 || starts[i - 1] < starts[i]);
		for (uintptr_t at = 0; at < 1UL << TYPES_REGION_BITS; at += 1024)
			bits += (unsigned)__builtin_popcountll(types_bits(starts[i] + at));
	}
	return bits;
}

static void equals_a_model(void)
{
	static unsigned char live[BLOCKS];
	unsigned count = 0, wrong = 0;

	types_died((void *)addr_of(3)); /* nobody knows it */
	CHECK_EQ(count_bits(), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		const unsigned i = any(BLOCKS);

		count += live[i] ? -1U : 1U;
		live[i] = !live[i];
		if (live[i])
			types_born((void *)addr_of(i));
		else
			types_died((void *)addr_of(i));
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		wrong += types_is_live(addr_of(i)) != live[i];
	CHECK_EQ(wrong, 0);
	CHECK_EQ(count_bits(), count);
	CHECK(!types_is_live(8));
	CHECK(!types_is_live(addr_of(1) + 8));
}

static void forgets_a_page(void)
{
	const uintptr_t page = 0x7e0000001000;

	types_born((void *)(page - 16));
	types_born((void *)page);
	types_born((void *)(page + 4080));
	types_born((void *)(page + 4096));
	types_forget(page);
	CHECK(types_is_live(page - 16));
	CHECK(!types_is_live(page));
	CHECK(!types_is_live(page + 4080));
	CHECK(types_is_live(page + 4096));
	types_forget(0x1000);
}

static void empty_in_a_child(void)
{
	int status = -1;
	pid_t child;

	types_born((void *)addr_of(9));
	child = fork();
	if (child == 0) {
		int bad = count_bits() != 0;

		types_born((void *)addr_of(9));
		_exit(bad || !types_is_live(addr_of(9)));
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK_EQ(status, 0);
	CHECK(types_is_live(addr_of(9)));
}

/* Each thread has every fourth place of 16 bytes, so that all of them share every byte. */
static void *work(void *argument)
{
	const unsigned mine = (unsigned)(uintptr_t)argument;
	const uintptr_t start = 0x7d0000000000 + 16UL * mine;

	for (unsigned round = 0; round < ROUNDS; round++) {
		void *block = (void *)(start + 16UL * THREADS * (round % 97));

		types_born(block);
		if (round % 97 != mine)
			types_died(block);
	}
	return NULL;
}

static void several_threads(void)
{
	pthread_t threads[THREADS];
	const unsigned before = count_bits();
	unsigned wrong = 0;

	CHECK(!types_are_several());
	types_several();
	CHECK(types_are_several());
	CHECK_EQ(count_bits(), before);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < 97 * THREADS; i++)
		wrong += types_is_live(0x7d0000000000 + 16UL * i) != (i / THREADS == i % THREADS);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(count_bits(), before + THREADS);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"equals a model", equals_a_model},
		{"forgets a page", forgets_a_page},
		{"empty in a child", empty_in_a_child},
		{"several threads", several_threads},
		{0},
	};

	return check_run(tests);
}
