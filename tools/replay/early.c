/* SPDX-License-Identifier: MIT */
/*
 * Early frees: for each address a treap, a binary search tree that is also a heap by random
 * priorities, so that it is as deep as a random tree whatever the order of its keys.
 */
#include "early.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "mix.h"

/* Links are numbers of nodes, 0 for none. */
struct early_node {
	uint64_t order;
	uint32_t slot;
	uint32_t number; /* of all that were added, modulo 2^32 */
	uint32_t priority;
	uint32_t left;
	uint32_t right;
};

void early_init(struct early *early)
{
	memset(early, 0, sizeof(*early));
	heap_init(&early->roots);
	early->factor = mix_factor();
}

void early_fini(struct early *early)
{
	heap_fini(&early->roots);
	free(early->nodes);
	memset(early, 0, sizeof(*early));
}

static uint32_t new_node(struct early *early)
{
	const uint32_t unused = early->unused;

	if (unused != 0) {
		early->unused = early->nodes[unused].left;
		return unused;
	}
	if (early->count + 1 >= early->room) {
		if (early->room > UINT32_MAX / 2)
			die(EXIT_DATA, "too many frees of unknown blocks");
		early->room = early->room == 0 ? 64 : early->room * 2;
		early->nodes = need_resize(early->nodes, early->room * sizeof(*early->nodes));
	}
	return ++early->count;
}

static bool comes_after(const struct early_node *node, uint64_t order, uint32_t slot)
{
	return node->order != order ? node->order > order : node->slot > slot;
}

/* Cut the tree TREE in two at the place of NODE, which gets them. */
static void split_tree(struct early_node *nodes, uint32_t tree, struct early_node *node)
{
	uint32_t *left = &node->left;
	uint32_t *right = &node->right;

	while (tree != 0) {
		struct early_node *top = &nodes[tree];

		if (comes_after(top, node->order, node->slot)) {
			*right = tree;
			right = &top->left;
			tree = top->left;
		} else {
			*left = tree;
			left = &top->right;
			tree = top->right;
		}
	}
	*left = *right = 0;
}

static void insert_node(struct early_node *nodes, uint32_t *root, uint32_t number)
{
	struct early_node *node = &nodes[number];
	uint32_t *link = root;

	while (*link != 0 && nodes[*link].priority >= node->priority) {
		struct early_node *top = &nodes[*link];

		link = comes_after(top, node->order, node->slot) ? &top->left : &top->right;
	}
	split_tree(nodes, *link, node);
	*link = number;
}

/* Put the two trees below the node at LINK in its place. */
static void cut_out(struct early_node *nodes, uint32_t *link)
{
	uint32_t left = nodes[*link].left;
	uint32_t right = nodes[*link].right;

	while (left != 0 && right != 0) {
		if (nodes[left].priority >= nodes[right].priority) {
			*link = left;
			link = &nodes[left].right;
			left = *link;
		} else {
			*link = right;
			link = &nodes[right].left;
			right = *link;
		}
	}
	*link = left != 0 ? left : right;
}

/* The link to the first node after (ORDER, SLOT); NULL: there is none. */
static uint32_t *find_node(struct early_node *nodes, uint32_t *root, uint64_t order, uint32_t slot)
{
	uint32_t *found = NULL;

	for (uint32_t *link = root; *link != 0;) {
		struct early_node *node = &nodes[*link];

		if (comes_after(node, order, slot)) {
			found = link;
			link = &node->left;
		} else {
			link = &node->right;
		}
	}
	return found;
}

/* Take the tree of ADDR out of the table; 0: there is none. */
static uint32_t take_root(struct early *early, uint64_t addr)
{
	struct heap_block block;

	return heap_take(&early->roots, addr, &block) ? block.site : 0;
}

static void put_root(struct early *early, uint64_t addr, uint32_t root)
{
	struct heap_block unused;

	if (root != 0)
		heap_put(&early->roots, addr, &(struct heap_block){.site = root}, &unused);
}

void early_add(struct early *early, uint64_t addr, uint64_t order, uint32_t slot)
{
	const uint32_t number = new_node(early);
	uint32_t root = take_root(early, addr);

	early->nodes[number] = (struct early_node){
		.order = order,
		.slot = slot,
		.number = ++early->number,
		.priority = (uint32_t)(mix(early->factor, early->number) >> 32),
	};
	insert_node(early->nodes, &root, number);
	put_root(early, addr, root);
}

bool early_take(struct early *early, uint64_t addr, uint64_t order, uint32_t slot)
{
	uint32_t root = take_root(early, addr);
	uint32_t *link = root == 0 ? NULL : find_node(early->nodes, &root, order, slot);

	if (link != NULL) {
		const uint32_t number = *link;

		cut_out(early->nodes, link);
		early->taken = early->nodes[number].number;
		early->nodes[number].left = early->unused;
		early->unused = number;
	}
	put_root(early, addr, root);
	return link != NULL;
}
