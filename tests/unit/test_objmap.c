/* SPDX-License-Identifier: MIT */
/* Live objects, against a model that is an array. */
#include <stdlib.h>

#include "check.h"
#include "objmap.h"

enum { PLACES = 6000 };

/* The model: an object a place, live when its site is not 0. */
static struct objmap_object model[PLACES];
static bool seen[PLACES];

/* Places are spread over all 64 bits, in rows as allocators hand them out and alone. */
static uint64_t place_addr(size_t place)
{
	switch (place % 3) {
	case 0:
		return 0x7f0000000000 + place * 16;
	case 1:
		return place * 0x9e3779b97f4a7c15ULL;
	default:
		return UINT64_MAX - place;
	}
}

static struct objmap_object random_object(void)
{
	static const uint64_t ends[] = {0, 1, 1023, 1024, OBJMAP_SIZE_MAX - 1, OBJMAP_SIZE_MAX};
	const uint64_t random = check_random();

	return (struct objmap_object){
		.time_ns = random % 3 != 0 ? random >> 10 : OBJMAP_TIME_MAX - random % 7,
		.size = random % 4 != 0 ? random >> 24 : ends[(random >> 8) % 6],
		.site = (uint32_t)(random >> 32 | 1),
	};
}

static void check_object(const struct objmap_object *a, const struct objmap_object *b)
{
	CHECK_EQ(a->time_ns, b->time_ns);
	CHECK_EQ(a->size, b->size);
	CHECK_EQ(a->site, b->site);
}

static void put_random(struct objmap *map, size_t place)
{
	const struct objmap_object object = random_object();
	const bool live = model[place].site != 0;
	struct objmap_object old = {0};

	CHECK_EQ(objmap_put(map, place_addr(place), &object, &old), live);
	if (live)
		check_object(&old, &model[place]);
	model[place] = object;
}

static void take_random(struct objmap *map, size_t place)
{
	const bool live = model[place].site != 0;
	struct objmap_object old = {0};

	CHECK_EQ(objmap_take(map, place_addr(place), &old), live);
	if (live)
		check_object(&old, &model[place]);
	model[place].site = 0;
}

static size_t place_of(uint64_t addr)
{
	for (size_t i = 0; i < PLACES; i++)
		if (place_addr(i) == addr)
			return i;
	return PLACES;
}

static void visit(void *context, uint64_t addr, const struct objmap_object *object)
{
	const size_t place = place_of(addr);

	++*(size_t *)context;
	CHECK(place < PLACES && !seen[place]);
	if (place == PLACES)
		return;
	seen[place] = true;
	check_object(object, &model[place]);
}

/* All that the model has, each once, at its address. */
static void check_all(const struct objmap *map)
{
	size_t live = 0, found = 0;

	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < PLACES; i++)
		live += model[i].site != 0;
	CHECK_EQ(map->count, live);
	objmap_visit(map, visit, &found);
	CHECK_EQ(found, live);
}

static void like_an_array(void)
{
	struct objmap map;

	objmap_init(&map);
	check_all(&map);
	for (size_t i = 0; i < 400000; i++) {
		const size_t place = check_random() % PLACES;
		/* Half of the time it grows, half of the time it shrinks. */
		const bool grows = (i / 50000) % 2 == 0;

		if (check_random() % 4 < (grows ? 3 : 1))
			put_random(&map, place);
		else
			take_random(&map, place);
		if (i % 40000 == 0)
			check_all(&map);
	}
	check_all(&map);
	objmap_fini(&map);
}

static void large_numbers_are_cut(void)
{
	const struct objmap_object large = {UINT64_MAX, UINT64_MAX, UINT32_MAX};
	struct objmap_object old = {0};
	struct objmap map;

	objmap_init(&map);
	CHECK(!objmap_take(&map, 0, &old));
	CHECK(!objmap_put(&map, 0, &large, &old));
	CHECK(objmap_take(&map, 0, &old));
	CHECK_EQ(old.time_ns, OBJMAP_TIME_MAX);
	CHECK_EQ(old.size, OBJMAP_SIZE_MAX);
	CHECK_EQ(old.site, UINT32_MAX);
	CHECK(!objmap_take(&map, 0, &old));
	objmap_fini(&map);
}

/* The header promises it. */
static void memory_of_an_object(void)
{
	const struct objmap_object object = {1, 2, 3};
	struct objmap_object old;
	struct objmap map;

	objmap_init(&map);
	for (size_t i = 1; i <= 300000; i++) {
		objmap_put(&map, i * 48, &object, &old);
		if (i > 20000)
			CHECK(objmap_footprint(&map) / i < 39);
	}
	objmap_fini(&map);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"objects are those of an array", like_an_array},
		{"large numbers are cut", large_numbers_are_cut},
		{"memory of an object", memory_of_an_object},
		{0},
	};

	return check_run(tests);
}
