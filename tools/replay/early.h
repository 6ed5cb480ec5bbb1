/* SPDX-License-Identifier: MIT */
/*
 * Early frees: of blocks whose `alloc` is written late, by another thread. Of each address any
 * number may wait, in the order of (order number, slot). No log can make this slow: each call takes
 * a time that grows with the logarithm of their number.
 */
#ifndef PMT_TOOLS_EARLY_H
#define PMT_TOOLS_EARLY_H

#include <stdbool.h>
#include <stdint.h>

#include "heap.h"

struct early_node;

struct early {
	struct heap roots; /* address -> its tree, as the site */
	struct early_node *nodes;
	uint32_t count; /* nodes there are, the first one unused */
	uint32_t room;
	uint32_t unused; /* a list of nodes, linked by `left` */
	uint32_t number; /* added so far, modulo 2^32 */
	uint32_t taken;	 /* `number` when the one that was taken last had been added */
	uint64_t factor;
};

/* Caller-owned; no memory is taken before the first free. */
void early_init(struct early *early);
void early_fini(struct early *early);

/* A free of ADDR that met no block. */
void early_add(struct early *early, uint64_t addr, uint64_t order, uint32_t slot);
/* Take the first free of ADDR that comes after (ORDER, SLOT) away. False: there is none. */
bool early_take(struct early *early, uint64_t addr, uint64_t order, uint32_t slot);

static inline bool early_empty(const struct early *early)
{
	return heap_count(&early->roots) == 0;
}

#endif
