/* SPDX-License-Identifier: MIT */
/* The maps of live objects. */
#include "objlive.h"

#include "arena.h"
#include "lock.h"
#include "sys.h"

struct objlive_region objlive_regions[OBJLIVE_REGIONS];

/* Beyond so many, maps are made by BATCH at a time: arena.c knows no more than some hundred. */
#define SINGLE 8
#define BATCH 16

#define MAP_BYTES ((sizeof(uint32_t) << OBJLIVE_REGION_BITS) / 16)

static struct {
	struct lock lock;
	unsigned made;
	char *spare;
	unsigned spares;
} maps;

/* The place of KEY, or the free one where it belongs; NULL when the table is full. */
static struct objlive_region *find_place(uintptr_t key)
{
	for (uintptr_t i = 0; i < OBJLIVE_REGIONS; i++) {
		struct objlive_region *region = objlive_place(key + i);
		const uintptr_t found = atomic_load_explicit(&region->key, memory_order_acquire);

		if (found == key || found == 0)
			return region;
	}
	return NULL;
}

_Atomic uint32_t *objlive_search(uintptr_t block)
{
	const struct objlive_region *region = find_place(objlive_key(block));

	if (region == NULL || atomic_load_explicit(&region->key, memory_order_acquire) == 0)
		return NULL;
	return objlive_in(region, block);
}

/* A map of zeros, or NULL. */
static void *make_map(void)
{
	const unsigned count = maps.made < SINGLE ? 1 : BATCH;
	char *map = maps.spare;

	if (maps.spares == 0) {
		map = arena_pages(count * MAP_BYTES, 1);
		if (map == NULL)
			return NULL;
		/* Without this, huge pages would make all of a map resident for a few objects. */
		(void)sys_madvise(map, count * MAP_BYTES, MADV_NOHUGEPAGE);
		maps.spares = count;
	}
	maps.made++;
	maps.spares--;
	maps.spare = map + MAP_BYTES;
	return map;
}

_Atomic uint32_t *objlive_add(uintptr_t block)
{
	struct objlive_region *region;

	lock_take(&maps.lock);
	/* Another thread may have made the map meanwhile. */
	region = find_place(objlive_key(block));
	if (region != NULL && atomic_load(&region->key) == 0) {
		region->cells = make_map();
		if (region->cells == NULL)
			region = NULL;
		else
			atomic_store_explicit(&region->key, objlive_key(block),
					      memory_order_release);
	}
	lock_release(&maps.lock);
	return region == NULL ? NULL : objlive_in(region, block);
}

void objlive_reset(void)
{
	lock_reset(&maps.lock);
	for (uint32_t i = 0; i < OBJLIVE_REGIONS && maps.made != 0; i++)
		if (atomic_load(&objlive_regions[i].key) != 0)
			(void)sys_madvise((void *)objlive_regions[i].cells, MAP_BYTES,
					  MADV_DONTNEED);
}
