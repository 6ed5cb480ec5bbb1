/* SPDX-License-Identifier: MIT */
/* A tree of calls: an array, found through a hash table of (parent, function). */
#include "calltree.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "mix.h"

enum { INDEX_FIRST = 1024 };

static uint32_t *cell_of(const struct calltree *tree, uint32_t parent, uint32_t function)
{
	const uint64_t hash = mix(tree->factor, (uint64_t)parent << 32 | function);

	for (uint32_t i = (uint32_t)(hash >> 32);; i++) {
		uint32_t *cell = &tree->index[i & tree->index_mask];
		const struct call_node *node = &tree->nodes[*cell];

		if (*cell == 0 || (node->parent == parent && node->function == function))
			return cell;
	}
}

static void grow(struct calltree *tree)
{
	const size_t cells = tree->index == NULL ? INDEX_FIRST : (tree->index_mask + 1UL) * 2;

	if (cells > UINT32_MAX)
		die(EXIT_DATA, "too many chains of calls");
	tree->room = (uint32_t)(cells / 2);
	tree->nodes = need_resize(tree->nodes, (tree->room + 1UL) * sizeof(*tree->nodes));
	tree->index = need_resize(tree->index, cells * sizeof(*tree->index));
	memset(tree->index, 0, cells * sizeof(*tree->index));
	tree->index_mask = (uint32_t)(cells - 1);
	for (uint32_t i = 1; i < tree->count; i++)
		*cell_of(tree, tree->nodes[i].parent, tree->nodes[i].function) = i;
}

void calltree_init(struct calltree *tree)
{
	memset(tree, 0, sizeof(*tree));
	tree->factor = mix_factor();
	grow(tree);
	tree->nodes[0] = (struct call_node){0};
	tree->count = 1;
}

void calltree_fini(struct calltree *tree)
{
	free(tree->nodes);
	free(tree->index);
	memset(tree, 0, sizeof(*tree));
}

uint32_t calltree_child(struct calltree *tree, uint32_t parent, uint32_t function)
{
	if (tree->nodes[parent].depth == CALLTREE_DEPTH_MAX)
		return parent;
	if (tree->count >= tree->room)
		grow(tree);
	uint32_t *cell = cell_of(tree, parent, function);

	if (*cell == 0) {
		*cell = tree->count;
		tree->nodes[tree->count++] = (struct call_node){
			.parent = parent,
			.function = function,
			.depth = tree->nodes[parent].depth + 1,
		};
	}
	return *cell;
}

void calltree_finish(struct calltree *tree)
{
	for (uint32_t i = 0; i < tree->count; i++)
		tree->nodes[i].all = tree->nodes[i].own;
	for (uint32_t i = tree->count - 1; i > 0; i--)
		call_amount_add(&tree->nodes[tree->nodes[i].parent].all, &tree->nodes[i].all);
}
