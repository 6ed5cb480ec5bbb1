/* SPDX-License-Identifier: MIT */
/*
 * Live objects: an open-addressing table, sorted by hash, as heap.c draws it. The hash is the key,
 * and the address can be computed from it. Time and size share 96 bits.
 */
#include "objmap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "mix.h"

struct objmap_slot {
	uint64_t hash;	   /* HASH_EMPTY when the slot is empty: not less than any */
	uint64_t low;	   /* time, and above it the low bits of the size */
	uint32_t size_top; /* the rest of the size */
	uint32_t site;	   /* 0: the slot is empty */
};

_Static_assert(sizeof(struct objmap_slot) == 24, "the memory of an object");

enum {
	HOMES_FIRST = 1024,
	TAIL = 64, /* slots behind the last home, for the objects whose home is near the end */
	TIME_BITS = 54,
	SIZE_LOW = 64 - TIME_BITS,
};

#define HASH_EMPTY UINT64_MAX
#define HOMES_MAX ((size_t)1 << 31)
#define MIX_LAST 0xd6e8feb86659fd93ULL /* what mix() multiplies by in the end */

static const struct objmap_slot no_object = {.hash = HASH_EMPTY};

/* The odd number that makes 1 of ODD, by Newton's method: each step doubles the bits that fit. */
static uint64_t invert_odd(uint64_t odd)
{
	uint64_t x = odd;

	for (int i = 0; i < 5; i++)
		x *= 2 - odd * x;
	return x;
}

void objmap_init(struct objmap *map)
{
	memset(map, 0, sizeof(*map));
	map->factor = mix_factor();
	map->inverse = invert_odd(map->factor);
}

void objmap_fini(struct objmap *map)
{
	free(map->slots);
	memset(map, 0, sizeof(*map));
}

/* What mix() made the hash of, see mix.h. */
static uint64_t address_of(const struct objmap *map, uint64_t hash)
{
	hash *= invert_odd(MIX_LAST);
	hash ^= hash >> 32;
	return hash * map->inverse;
}

static inline size_t home_of(uint64_t hash, size_t homes)
{
	return (size_t)(((hash >> 32) * homes) >> 32);
}

/* Where HASH is or belongs; the table has slots. */
static inline size_t find_slot(const struct objmap *map, uint64_t hash)
{
	size_t i = home_of(hash, map->homes);

	while (map->slots[i].hash < hash)
		i++;
	return i;
}

static inline bool slot_holds(const struct objmap *map, size_t i, uint64_t hash)
{
	return map->slots[i].hash == hash && map->slots[i].site != 0;
}

static inline struct objmap_slot pack_object(uint64_t hash, const struct objmap_object *object)
{
	const uint64_t time_ns =
		object->time_ns < OBJMAP_TIME_MAX ? object->time_ns : OBJMAP_TIME_MAX;
	const uint64_t size = object->size < OBJMAP_SIZE_MAX ? object->size : OBJMAP_SIZE_MAX;

	return (struct objmap_slot){hash, time_ns | size << TIME_BITS, (uint32_t)(size >> SIZE_LOW),
				    object->site};
}

static inline struct objmap_object unpack_object(const struct objmap_slot *slot)
{
	return (struct objmap_object){slot->low & OBJMAP_TIME_MAX,
				      (uint64_t)slot->size_top << SIZE_LOW | slot->low >> TIME_BITS,
				      slot->site};
}

/* One more than the slot of the last object, if there were HOMES homes. */
static size_t end_with(const struct objmap *map, size_t homes)
{
	size_t end = 0;

	for (size_t i = 0; i < map->size; i++) {
		if (map->slots[i].site == 0)
			continue;
		const size_t home = home_of(map->slots[i].hash, homes);

		end = (home > end ? home : end) + 1;
	}
	return end;
}

/* Two passes in place: all objects to the end, then each to its new home or behind it. */
static void spread_slots(struct objmap *map, size_t homes, size_t size)
{
	struct objmap_slot *slots = map->slots;
	size_t from = size;
	size_t next = 0;

	for (size_t i = map->size; i-- > 0;)
		if (slots[i].site != 0)
			slots[--from] = slots[i];
	for (; from < size; from++) {
		const struct objmap_slot moved = slots[from];
		const size_t home = home_of(moved.hash, homes);

		while (next < home)
			slots[next++] = no_object;
		slots[next++] = moved;
	}
	while (next < size)
		slots[next++] = no_object;
}

/* A quarter more homes: from 80 to 64 percent full. */
static void grow_map(struct objmap *map)
{
	const size_t homes = map->homes == 0 ? HOMES_FIRST : map->homes + map->homes / 4;

	if (homes > HOMES_MAX)
		die(EXIT_DATA, "too many live objects");
	const size_t end = end_with(map, homes);
	const size_t size = (end > homes ? end : homes) + TAIL;

	map->slots = need_resize(map->slots, size * sizeof(*map->slots));
	spread_slots(map, homes, size);
	map->homes = homes;
	map->size = size;
	map->limit = homes / 5 * 4;
}

/*
 * Put SLOT in at I and move the run from there up by one. Returns false when the run reaches the
 * end of the table: then SLOT is the last one of the run, which has no place now.
 */
static inline bool insert_slot(struct objmap *map, size_t i, struct objmap_slot *slot)
{
	for (; i + 1 < map->size; i++) {
		const struct objmap_slot moved = map->slots[i];

		map->slots[i] = *slot;
		if (moved.site == 0)
			return true;
		*slot = moved;
	}
	return false;
}

bool objmap_put(struct objmap *map, uint64_t addr, const struct objmap_object *object,
		struct objmap_object *old)
{
	const uint64_t hash = mix(map->factor, addr);
	struct objmap_slot slot = pack_object(hash, object);

	assert(object->site != 0);
	if (map->count >= map->limit)
		grow_map(map);
	size_t i = find_slot(map, hash);

	if (slot_holds(map, i, hash)) {
		*old = unpack_object(&map->slots[i]);
		map->slots[i] = slot;
		return true;
	}
	map->count++;
	while (!insert_slot(map, i, &slot)) {
		grow_map(map);
		i = find_slot(map, slot.hash);
	}
	return false;
}

bool objmap_take(struct objmap *map, uint64_t addr, struct objmap_object *old)
{
	const uint64_t hash = mix(map->factor, addr);

	if (map->count == 0)
		return false;
	size_t i = find_slot(map, hash);

	if (!slot_holds(map, i, hash))
		return false;
	*old = unpack_object(&map->slots[i]);
	for (; map->slots[i + 1].site != 0 && home_of(map->slots[i + 1].hash, map->homes) <= i; i++)
		map->slots[i] = map->slots[i + 1];
	map->slots[i] = no_object;
	map->count--;
	return true;
}

void objmap_visit(const struct objmap *map,
		  void (*visit)(void *context, uint64_t addr, const struct objmap_object *object),
		  void *context)
{
	for (size_t i = 0; i < map->size; i++) {
		const struct objmap_object object = unpack_object(&map->slots[i]);

		if (object.site != 0)
			visit(context, address_of(map, map->slots[i].hash), &object);
	}
}

void objmap_prefetch(const struct objmap *map, uint64_t addr)
{
	if (map->count != 0)
		__builtin_prefetch(&map->slots[home_of(mix(map->factor, addr), map->homes)], 1);
}

size_t objmap_footprint(const struct objmap *map)
{
	return map->size * sizeof(*map->slots);
}
