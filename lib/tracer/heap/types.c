/* SPDX-License-Identifier: MIT */
/* The maps of live blocks. */
#include "types.h"

#include <string.h>

#include "arena.h"
#include "lock.h"

struct types_shared types_shared = {.look_ns = UINT64_MAX};

static struct {
	struct lock lock;
	_Atomic int several;
	struct types_region regions[TYPES_REGIONS];
} types;

/* The place of KEY, or the free one where it belongs; NULL when the table is full. */
static struct types_region *find_place(uintptr_t key)
{
	for (uintptr_t i = 0; i < TYPES_REGIONS; i++) {
		struct types_region *region = &types.regions[(key + i) % TYPES_REGIONS];
		const uintptr_t found = atomic_load_explicit(&region->key, memory_order_acquire);

		if (found == key || found == 0)
			return region;
	}
	return NULL;
}

/* The fast path may find only a region that lies in the place that its address hashes to. */
static void make_quick(const struct types_region *region, uintptr_t key)
{
	struct types_region *quick = &types_shared.quick[key % TYPES_REGIONS];

	if (atomic_load(&types.several) || atomic_load(&quick->key) != 0)
		return;
	quick->bits = region->bits;
	atomic_store_explicit(&quick->key, key, memory_order_release);
}

static void make_map(uintptr_t key)
{
	struct types_region *region;

	lock_take(&types.lock);
	/* Another thread may have made the map meanwhile. */
	region = find_place(key);
	if (region != NULL && atomic_load(&region->key) == 0) {
		region->bits = arena_pages(TYPES_REGION_BYTES, 1);
		if (region->bits != NULL) {
			(void)sys_madvise((void *)region->bits, TYPES_REGION_BYTES,
					  MADV_NOHUGEPAGE);
			atomic_store_explicit(&region->key, key, memory_order_release);
			make_quick(region, key);
		}
	}
	lock_release(&types.lock);
}

static _Atomic uint8_t *byte_of(uintptr_t addr)
{
	const uintptr_t key = types_key(addr);
	const struct types_region *region = find_place(key);

	if (region == NULL || atomic_load_explicit(&region->key, memory_order_acquire) != key)
		return NULL;
	return &region->bits[addr >> 7 & (TYPES_REGION_BYTES - 1)];
}

void types_change(uintptr_t addr, int live)
{
	_Atomic uint8_t *byte = byte_of(addr);

	if (byte == NULL && live) {
		make_map(types_key(addr));
		byte = byte_of(addr);
	}
	if (byte == NULL)
		return;
	if (live)
		atomic_fetch_or_explicit(byte, (uint8_t)types_bit(addr), memory_order_relaxed);
	else
		atomic_fetch_and_explicit(byte, (uint8_t)~types_bit(addr), memory_order_relaxed);
}

void types_several(void)
{
	atomic_store(&types.several, 1);
	for (unsigned i = 0; i < TYPES_REGIONS; i++)
		atomic_store(&types_shared.quick[i].key, 0);
}

int types_are_several(void)
{
	return atomic_load(&types.several);
}

uint64_t types_bits(uintptr_t addr)
{
	const _Atomic uint8_t *byte = types_byte(addr);
	uint64_t bits = 0;

	if (byte == NULL)
		byte = byte_of(addr);
	if (byte != NULL)
		memcpy(&bits, (const void *)byte, sizeof(bits));
	return bits;
}

int types_is_live(uintptr_t addr)
{
	return (addr & 15) == 0 && (types_bits(addr & ~(uintptr_t)1023) >> (addr >> 4 & 63) & 1);
}

void types_forget(uintptr_t addr)
{
	_Atomic uint8_t *byte = byte_of(addr);

	for (unsigned i = 0; byte != NULL && i < 4096 / 128; i++)
		atomic_store_explicit(&byte[i], 0, memory_order_relaxed);
}

unsigned types_regions(uintptr_t starts[TYPES_REGIONS])
{
	unsigned count = 0;

	for (unsigned i = 0; i < TYPES_REGIONS; i++) {
		uintptr_t key = atomic_load_explicit(&types.regions[i].key, memory_order_acquire);
		const uintptr_t start = (key - 1) << TYPES_REGION_BITS;
		unsigned at = count;

		if (key == 0)
			continue;
		for (; at > 0 && starts[at - 1] > start; at--)
			starts[at] = starts[at - 1];
		starts[at] = start;
		count++;
	}
	return count;
}
