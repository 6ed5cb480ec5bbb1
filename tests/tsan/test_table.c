/* SPDX-License-Identifier: MIT */
/* The tracer's table: readers without a lock, while one writer fills it and makes it grow. */
#include <pthread.h>

#include "check.h"
#include "table.h"

#define KEYS 100000ULL
#define READERS 2

static struct table table;
static _Atomic uint64_t written; /* keys 1 .. written are in the table */
static _Atomic uint64_t wrong;	 /* a value that nobody stored */
static _Atomic uint64_t unseen;	 /* a stored key not found, which only growing may cause */

static uint64_t value_of(uint64_t key)
{
	return key * 7 + 1;
}

static void *read_all(void *unused)
{
	uint64_t top, key = 1;

	(void)unused;
	while ((top = atomic_load(&written)) < KEYS) {
		for (int i = 0; i < 100 && top != 0; i++) {
			uint64_t value = table_get(&table, 1 + key % top);

			if (value != 0 && value != value_of(1 + key % top))
				atomic_fetch_add(&wrong, 1);
			if (value == 0)
				atomic_fetch_add(&unseen, 1);
			key = key * 6364136223846793005ULL + 1442695040888963407ULL;
			key ^= key >> 33;
		}
	}
	return NULL;
}

static void test_concurrent(void)
{
	pthread_t readers[READERS];
	uint64_t missing = 0;

	for (int i = 0; i < READERS; i++)
		pthread_create(&readers[i], NULL, read_all, NULL);
	for (uint64_t key = 1; key <= KEYS; key++) {
		if (table_set(&table, key, value_of(key)) != 0)
			break;
		atomic_store(&written, key);
	}
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	for (uint64_t key = 1; key <= KEYS; key++)
		missing += table_get(&table, key) != value_of(key);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(missing, 0);
	printf("# a reader came upon an old copy %llu times\n", (unsigned long long)unseen);
}

static void test_remove(void)
{
	CHECK_EQ(table_set(&table, 5, 0), 0);
	CHECK_EQ(table_get(&table, 5), 0);
	CHECK_EQ(table_set(&table, 5, 9), 0);
	CHECK_EQ(table_get(&table, 5), 9);
	CHECK_EQ(table_get(&table, 6), value_of(6));
	CHECK_EQ(table_get(&table, KEYS + 1), 0);
}

static void test_clear(void)
{
	table_clear(&table);
	CHECK_EQ(table_get(&table, 6), 0);
	CHECK_EQ(table_set(&table, 6, 1), 0);
	CHECK_EQ(table_get(&table, 6), 1);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"concurrent", test_concurrent},
		{"remove", test_remove},
		{"clear", test_clear},
		{0},
	};

	return check_run(tests);
}
