/* SPDX-License-Identifier: MIT */
/*
 * Which blocks of Python's object domain are live: a bit for each 16 bytes of address space, in
 * maps of 256 KiB for each 32 MiB that has such blocks. census.c reads it to tell blocks by their
 * type.
 *
 * The interpreter's lock serialises the calls. Where there are several locks or none, bits are set
 * and cleared atomically. A forked child sees empty maps: blocks of its parent are not in its log.
 */
#ifndef PMT_TRACER_TYPES_H
#define PMT_TRACER_TYPES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define TYPES_REGION_BITS 25
#define TYPES_REGION_BYTES (1U << (TYPES_REGION_BITS - 7))
/* A power of two: 128 GiB, if the regions are dense. */
#define TYPES_REGIONS 4096U

/*
 * Where a region's map is. Bytes, not words: blocks that come and go side by side are then less
 * often the same byte, which the processor would have to change twice in a row.
 */
struct types_region {
	_Atomic uintptr_t key; /* types_key(), 0: free */
	_Atomic uint8_t *bits;
};

struct types_shared {
	/* Somebody wants to look at all blocks, at the next one that is made after: UINT64_MAX: no.
	 */
	_Atomic uint64_t look_ns;
	void (*look)(void);
	/* `regions` for the fast path: nothing is in it once several threads may call at a time. */
	struct types_region quick[TYPES_REGIONS];
};

extern struct types_shared types_shared;

static inline uintptr_t types_key(uintptr_t addr)
{
	return (addr >> TYPES_REGION_BITS) + 1;
}

/* Set or clear the bit of a block where the fast path does not find the map. */
void types_change(uintptr_t addr, int live);

/* The byte for the block at ADDR; NULL: not by the fast path. */
static inline _Atomic uint8_t *types_byte(uintptr_t addr)
{
	const uintptr_t key = types_key(addr);
	struct types_region *region = &types_shared.quick[key % TYPES_REGIONS];

	if (__builtin_expect(atomic_load_explicit(&region->key, memory_order_acquire) != key, 0))
		return NULL;
	return &region->bits[addr >> 7 & (TYPES_REGION_BYTES - 1)];
}

static inline unsigned types_bit(uintptr_t addr)
{
	return 1U << (addr >> 4 & 7);
}

/* A block was handed out. */
static inline void types_born(const void *block)
{
	const uintptr_t addr = (uintptr_t)block;
	_Atomic uint8_t *byte = types_byte(addr);

	if (__builtin_expect(byte == NULL, 0))
		types_change(addr, 1);
	else
		atomic_store_explicit(byte,
				      (uint8_t)(atomic_load_explicit(byte, memory_order_relaxed) |
						types_bit(addr)),
				      memory_order_relaxed);
}

/* A block is about to be given back. */
static inline void types_died(const void *block)
{
	const uintptr_t addr = (uintptr_t)block;
	_Atomic uint8_t *byte = types_byte(addr);

	if (__builtin_expect(byte == NULL, 0))
		types_change(addr, 0);
	else
		atomic_store_explicit(byte,
				      (uint8_t)(atomic_load_explicit(byte, memory_order_relaxed) &
						~types_bit(addr)),
				      memory_order_relaxed);
}

/* From now on several threads may call these functions at the same time. */
void types_several(void);
int types_are_several(void);

/* The bits of the 64 places of 16 bytes from ADDR, a multiple of 1024, on. */
uint64_t types_bits(uintptr_t addr);

int types_is_live(uintptr_t addr);

/* The 4096 bytes at ADDR hold no live block: clear the bits that still say so. */
void types_forget(uintptr_t addr);

/* Where the regions that there are begin, in order, into STARTS; returns how many. */
unsigned types_regions(uintptr_t starts[TYPES_REGIONS]);

#endif
