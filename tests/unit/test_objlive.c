/* SPDX-License-Identifier: MIT */
/* The map of live objects: a cell for each block, wherever it lies. */
#include "check.h"

#include <stdlib.h>

#include "objlive.h"

#define GIB (1UL << 30)

static void neighbours(void)
{
	const uintptr_t start = 0x7f1234567000;

	CHECK(objlive_find(start) == NULL);
	for (uint32_t i = 0; i < 1000; i++) {
		_Atomic uint32_t *cell = objlive_make(start + i * 16);

		CHECK(cell != NULL && *cell == 0);
		*cell = i + 1;
	}
	for (uint32_t i = 0; i < 1000; i++) {
		CHECK_EQ(*objlive_find(start + i * 16), i + 1);
		CHECK_EQ(*objlive_find(start + i * 16 + 8), i + 1);
	}
	CHECK_EQ(*objlive_find(start - 16), 0);
}

/* These have the same place in the table. */
static void collisions(void)
{
	const uintptr_t start = 0x100000, step = (uintptr_t)OBJLIVE_REGIONS << OBJLIVE_REGION_BITS;

	for (uint32_t i = 0; i < 100; i++)
		*objlive_make(start + i * step) = 1000 + i;
	for (uint32_t i = 0; i < 100; i++)
		CHECK_EQ(*objlive_find(start + i * step), 1000 + i);
	CHECK(objlive_find(start + 100 * step) == NULL);
}

/* Once the table is full objects are not known, and nothing else happens. */
static void too_many(void)
{
	const uintptr_t start = 1UL << 40;
	uint32_t made = 0;

	for (uintptr_t i = 0; i < OBJLIVE_REGIONS + 1000UL; i++) {
		_Atomic uint32_t *cell = objlive_make(start + (i << OBJLIVE_REGION_BITS));

		if (cell == NULL)
			continue;
		*cell = 7;
		made++;
	}
	CHECK(made > OBJLIVE_REGIONS / 2 && made < OBJLIVE_REGIONS);
	CHECK_EQ(*objlive_find(start), 7);
	CHECK(objlive_find(start + 400 * GIB) == NULL);
}

static void forgotten(void)
{
	const uintptr_t start = 0x7f5555550000;

	*objlive_make(start) = 5;
	objlive_reset();
	CHECK_EQ(*objlive_find(start), 0);
	*objlive_make(start) = 6;
	CHECK_EQ(*objlive_find(start), 6);
}

int main(void)
{
	static const struct check_test tests[] = {{"neighbours", neighbours},
						  {"collisions", collisions},
						  {"forgotten", forgotten},
						  {"too many", too_many},
						  {0}};

	return check_run(tests);
}
