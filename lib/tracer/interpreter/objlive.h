/* SPDX-License-Identifier: MIT */
/*
 * Which objects that have a `create` record are live, and of which type: a cell of 4 bytes for each
 * 16 bytes of address space, in maps of 256 KiB for each MiB that has such objects. A cell belongs
 * to the block of memory that the object lies in, by the block's first byte, so that a block that
 * is given back finds its object with one look.
 *
 * A cell is 0, or the number of the object's type with these bits. Memory is touched only where
 * there are objects, so what is resident is about a quarter of what the objects take. Beyond
 * OBJLIVE_REGIONS MiB no more objects are known. A forked child sees no objects: those of its
 * parent are not in its log.
 */
#ifndef PMT_TRACER_OBJLIVE_H
#define PMT_TRACER_OBJLIVE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define OBJLIVE_DYING 0x80000000U /* its end has been recorded, its memory is still there */
#define OBJLIVE_SKIP_SHIFT 29	  /* two bits: 16-byte units from the block to the object */
#define OBJLIVE_NUMBER ((1U << OBJLIVE_SKIP_SHIFT) - 1)

#define OBJLIVE_REGION_BITS 20
/* A power of two. */
#define OBJLIVE_REGIONS (1U << 16)

struct objlive_region {
	_Atomic uintptr_t key; /* number of the MiB plus 1; 0: free */
	_Atomic uint32_t *cells;
};

extern struct objlive_region objlive_regions[OBJLIVE_REGIONS];

/* The rest of objlive_find(), and of objlive_make(). */
_Atomic uint32_t *objlive_search(uintptr_t block);
_Atomic uint32_t *objlive_add(uintptr_t block);

static inline uintptr_t objlive_key(uintptr_t block)
{
	return (block >> OBJLIVE_REGION_BITS) + 1;
}

/* The region for a block if it is in its own place, which nearly all are. */
static inline struct objlive_region *objlive_place(uintptr_t key)
{
	return &objlive_regions[key % OBJLIVE_REGIONS];
}

static inline _Atomic uint32_t *objlive_in(const struct objlive_region *region, uintptr_t block)
{
	return &region->cells[(block & ((1U << OBJLIVE_REGION_BITS) - 1)) >> 4];
}

/* The cell of the block at BLOCK, NULL: there never was an object near. Any thread. */
static inline _Atomic uint32_t *objlive_find(uintptr_t block)
{
	const uintptr_t key = objlive_key(block);
	const struct objlive_region *region = objlive_place(key);
	const uintptr_t found = atomic_load_explicit(&region->key, memory_order_acquire);

	if (__builtin_expect(found == key, 1))
		return objlive_in(region, block);
	return found == 0 ? NULL : objlive_search(block);
}

/* The same for an object that is to be kept; NULL: no memory, or no place. Between enter and leave.
 */
static inline _Atomic uint32_t *objlive_make(uintptr_t block)
{
	_Atomic uint32_t *cell = objlive_find(block);

	return __builtin_expect(cell != NULL, 1) ? cell : objlive_add(block);
}

/* Forget all objects; in a forked child, or while none is made. */
void objlive_reset(void);

#endif
