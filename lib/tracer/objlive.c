/* SPDX-License-Identifier: MIT */
/* The maps of live objects. */
#include "objlive.h"

#include "arena.h"
#include "lock.h"

struct objlive_region objlive_regions[OBJLIVE_REGIONS];

static struct lock lock;

/* The place of KEY, or the free one where it belongs; NULL when the table is full. */
static struct objlive_region *place(uintptr_t key)
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
	const struct objlive_region *region = place(objlive_key(block));

	if (region == NULL || atomic_load_explicit(&region->key, memory_order_acquire) == 0)
		return NULL;
	return objlive_in(region, block);
}

_Atomic uint32_t *objlive_add(uintptr_t block)
{
	const size_t size = (sizeof(uint32_t) << OBJLIVE_REGION_BITS) / 16;
	struct objlive_region *region;

	lock_take(&lock);
	/* Another thread may have been here first. */
	region = place(objlive_key(block));
	if (region != NULL && atomic_load(&region->key) == 0) {
		region->cells = arena_pages(size, 1);
		if (region->cells != NULL) {
			/* Else a few objects could make all of it resident. */
			(void)sys_madvise((void *)region->cells, size, MADV_NOHUGEPAGE);
			atomic_store_explicit(&region->key, objlive_key(block),
					      memory_order_release);
		} else {
			region = NULL;
		}
	}
	lock_release(&lock);
	return region == NULL ? NULL : objlive_in(region, block);
}

void objlive_reset(void)
{
	lock_reset(&lock);
}
