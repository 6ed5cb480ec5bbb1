/* SPDX-License-Identifier: MIT */
/* Live blocks, against a model that is an array. */
#include <stdlib.h>

#include "check.h"
#include "heap.h"

enum { PLACES = 6000 };

/* The model: a block a place, live when its site is not 0. */
static struct heap_block model[PLACES];

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

static struct heap_block random_block(void)
{
	static const uint64_t sizes[] = {
		0, 1, 512, UINT32_MAX - 1ULL, UINT32_MAX, UINT32_MAX + 1ULL, UINT64_MAX};
	const uint64_t random = check_random();

	return (struct heap_block){
		.size_bytes = random % 4 != 0 ? random >> 50 : sizes[(random >> 8) % 7],
		.site = (uint32_t)(random >> 40 | 1),
		.sequence = (uint32_t)(random >> 4),
	};
}

static void check_block(const struct heap_block *a, const struct heap_block *b)
{
	CHECK_EQ(a->size_bytes, b->size_bytes);
	CHECK_EQ(a->site, b->site);
	CHECK_EQ(a->sequence, b->sequence);
}

static size_t put_random(struct heap *heap, size_t place)
{
	const struct heap_block block = random_block();
	const bool live = model[place].site != 0;
	struct heap_block old = {0};

	CHECK_EQ(heap_put(heap, place_addr(place), &block, &old), live);
	if (live)
		check_block(&old, &model[place]);
	model[place] = block;
	return !live;
}

static size_t take_random(struct heap *heap, size_t place)
{
	const bool live = model[place].site != 0;
	struct heap_block old = {0};

	CHECK_EQ(heap_take(heap, place_addr(place), &old), live);
	if (live)
		check_block(&old, &model[place]);
	model[place].site = 0;
	return live;
}

static void like_an_array(void)
{
	struct heap heap;
	size_t live = 0;

	heap_init(&heap);
	heap.with_sequences = true;
	for (size_t i = 0; i < 600000; i++) {
		const size_t place = check_random() % PLACES;
		/* Half of the time it grows, half of the time it shrinks. */
		const uint64_t puts = i / 50000 % 2 == 0 ? 7 : 3;

		if (check_random() % 10 < puts)
			live += put_random(&heap, place);
		else
			live -= take_random(&heap, place);
		CHECK_EQ(heap_count(&heap), live);
	}
	for (size_t place = 0; place < PLACES; place++)
		live -= take_random(&heap, place);
	CHECK_EQ(live, 0);
	CHECK_EQ(heap_count(&heap), 0);
	CHECK_EQ(heap.large.count, 0);
	CHECK_EQ(heap.births.count, 0);
	heap_fini(&heap);
}

static void memory_of_a_block(void)
{
	struct heap heap;
	struct heap_block old;

	heap_init(&heap);
	for (uint64_t i = 1; i <= 1000000; i++) {
		heap_put(&heap, i * 16, &(struct heap_block){i % 1000, 1, 0}, &old);
		if (i >= 20000 && i % 64 == 0)
			CHECK(heap_footprint(&heap) <= heap_count(&heap) * 32);
	}
	heap_fini(&heap);
}

/* Addresses that a weak hash would put into one place: this would take hours. */
static void hostile_addresses(void)
{
	for (unsigned shift = 0; shift < 48; shift += 12) {
		struct heap heap;
		struct heap_block old;

		heap_init(&heap);
		for (uint64_t i = 0; i < 65536; i++)
			CHECK(!heap_put(&heap, i << shift, &(struct heap_block){i, 1, 0}, &old));
		for (uint64_t i = 0; i < 65536; i++) {
			CHECK(heap_take(&heap, i << shift, &old));
			CHECK_EQ(old.size_bytes, i);
		}
		heap_fini(&heap);
	}
}

static void empty(void)
{
	struct heap heap;
	struct heap_block old;

	heap_init(&heap);
	heap_prefetch(&heap, 16);
	CHECK(!heap_take(&heap, 16, &old));
	CHECK_EQ(heap_footprint(&heap), 0);
	heap_fini(&heap);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"an empty heap", empty},
		{"random blocks, like an array", like_an_array},
		{"at most 32 bytes a block", memory_of_a_block},
		{"addresses made to collide", hostile_addresses},
		{0},
	};

	return check_run(tests);
}
