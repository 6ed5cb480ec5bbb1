/* SPDX-License-Identifier: MIT */
/*
 * The blocks that are live at one moment of a log: address -> size, site, birth number.
 *
 * A block takes 16 bytes, 24 to 32 with the free room of the table, once there are more than a few
 * thousand; twice that with its birth number. Any 64-bit number is an address; addresses chosen to
 * collide do not slow the table down.
 */
#ifndef PMT_TOOLS_HEAP_H
#define PMT_TOOLS_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_block {
	uint64_t size_bytes;
	uint32_t site;	   /* whatever the caller keeps; never 0 */
	uint32_t sequence; /* number of the allocation in its thread, modulo 2^32; else 0 */
};

struct heap_slot;

struct heap_table {
	struct heap_slot *slots;
	size_t homes;	 /* a hash has its home in [0, homes) */
	size_t size;	 /* slots there are; the last one is always empty */
	size_t count;	 /* slots in use */
	size_t limit;	 /* count at which the table grows */
	uint64_t factor; /* random and odd, so that no log can know the hash */
};

struct heap {
	struct heap_table blocks;
	struct heap_table large;  /* the sizes of blocks over 4 GiB */
	struct heap_table births; /* sequences */
	bool with_sequences;	  /* set it before the first block; else they are lost */
};

/* Caller-owned; no memory is taken before the first block. */
void heap_init(struct heap *heap);
void heap_fini(struct heap *heap);

/*
 * Add the block at ADDR. When one is live there, it is replaced and goes to OLD. Returns whether
 * one was. Ends the program when there is no memory.
 */
bool heap_put(struct heap *heap, uint64_t addr, const struct heap_block *block,
	      struct heap_block *old);
/* Take the block at ADDR out, into OLD. False: there is none. */
bool heap_take(struct heap *heap, uint64_t addr, struct heap_block *old);

/* The block at ADDR, into BLOCK but for its sequence. False: there is none. */
bool heap_look(const struct heap *heap, uint64_t addr, struct heap_block *block);

static inline size_t heap_count(const struct heap *heap)
{
	return heap->blocks.count;
}

/* Bytes of memory that the tables take. */
size_t heap_footprint(const struct heap *heap);
/* Bring the slot of ADDR into the processor's cache, for a call that comes soon. */
void heap_prefetch(const struct heap *heap, uint64_t addr);

#endif
