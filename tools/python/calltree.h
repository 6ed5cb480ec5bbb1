/* SPDX-License-Identifier: MIT */
/*
 * A tree of calls: a node for each chain of functions that was seen, from the outermost one. Memory
 * grows with the number of different chains, 64 bytes or so each.
 */
#ifndef PMT_TOOLS_CALLTREE_H
#define PMT_TOOLS_CALLTREE_H

#include <stdint.h>

#include "hashindex.h"

/* Chains that are longer end in the node at this depth. */
#define CALLTREE_DEPTH_MAX 1000

/* Changes of the resident set, and time. */
struct call_amount {
	uint64_t grown;	 /* bytes, the sum of what it grew */
	uint64_t shrunk; /* the same for what it shrank */
	uint64_t time_ns;
};

struct call_node {
	uint32_t parent; /* smaller than its own number */
	uint32_t function;
	uint32_t depth; /* 0: the root */
	uint64_t calls;
	struct call_amount own;
	struct call_amount all; /* with all below it; by calltree_finish() */
};

struct calltree {
	struct call_node *nodes; /* the root is 0, and stands for no function */
	uint32_t count;
	uint32_t room;
	struct hashindex index; /* of all but the root */
};

void calltree_init(struct calltree *tree);
void calltree_fini(struct calltree *tree);

/* The node of FUNCTION below PARENT, made when it is new; PARENT itself at the largest depth. */
uint32_t calltree_child(struct calltree *tree, uint32_t parent, uint32_t function);
/* Add up what is below each node. */
void calltree_finish(struct calltree *tree);

static inline void call_amount_add(struct call_amount *to, const struct call_amount *amount)
{
	to->grown += amount->grown;
	to->shrunk += amount->shrunk;
	to->time_ns += amount->time_ns;
}

#endif
