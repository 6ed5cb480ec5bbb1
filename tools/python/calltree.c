/* SPDX-License-Identifier: MIT */
/* A tree of calls: an array, found through a hash table of (parent, function). */
#include "calltree.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

struct key {
	const struct call_node *nodes;
	uint32_t parent;
	uint32_t function;
};

static bool is_same(const void *context, uint32_t number)
{
	const struct key *key = context;
	const struct call_node *node = &key->nodes[number];

	return node->parent == key->parent && node->function == key->function;
}

static uint32_t add_node(struct calltree *tree, const struct call_node *node)
{
	const uint32_t number = tree->count++;

	tree->nodes = need_room(tree->nodes, number, &tree->room, sizeof(*tree->nodes));
	tree->nodes[number] = *node;
	return number;
}

void calltree_init(struct calltree *tree)
{
	memset(tree, 0, sizeof(*tree));
	hashindex_init(&tree->index, "chains of calls");
	add_node(tree, &(struct call_node){0});
}

void calltree_fini(struct calltree *tree)
{
	free(tree->nodes);
	hashindex_fini(&tree->index);
	memset(tree, 0, sizeof(*tree));
}

uint32_t calltree_child(struct calltree *tree, uint32_t parent, uint32_t function)
{
	const struct key key = {tree->nodes, parent, function};
	const uint64_t hash = hashindex_mix(&tree->index, 0, (uint64_t)parent << 32 | function);

	if (tree->nodes[parent].depth == CALLTREE_DEPTH_MAX)
		return parent;
	const uint32_t found = hashindex_find(&tree->index, hash, is_same, &key);

	if (found != 0)
		return found;
	const struct call_node node = {
		.parent = parent,
		.function = function,
		.depth = tree->nodes[parent].depth + 1,
	};
	const uint32_t number = add_node(tree, &node);

	hashindex_add(&tree->index, hash, number);
	return number;
}

void calltree_finish(struct calltree *tree)
{
	for (uint32_t i = 0; i < tree->count; i++)
		tree->nodes[i].all = tree->nodes[i].own;
	for (uint32_t i = tree->count - 1; i > 0; i--)
		call_amount_add(&tree->nodes[tree->nodes[i].parent].all, &tree->nodes[i].all);
}
