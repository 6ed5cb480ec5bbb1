/* SPDX-License-Identifier: MIT */
/*
 * Live mappings: a treap of ranges, ordered by address.
 *
 * All is done with two operations. cut_tree() parts a tree at an address, dividing the range that lies
 * across it; join_trees() puts two trees back together. Removing [a, b) is two cuts and one join:
 *
 *	|--A--|  |----B----|   |--C--|
 *	            a            b
 *	|--A--|  |B|                  |C|	B was cut short, C has lost its head
 */
#include "mappings.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "error.h"
#include "mix.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

struct mapping {
	uint64_t start;
	uint64_t end; /* of the first byte behind it */
	uint32_t site;
	uint32_t class;
	uint64_t counted; /* bytes that count */
	uint64_t grown;	  /* of these, what mappings_grow() added */
	uint64_t told;	  /* the account that said so, 0: none */
	uint64_t rank;	  /* random; no child has a larger one */
	struct mapping *left;
	struct mapping *right;
};

struct range {
	uint64_t start;
	uint64_t end;
};

const char *const mapping_class_names[MAPPING_CLASSES] = {"anonymous", "file", "reserved", "arena",
							  "malloc"};

void mappings_init(struct mappings *maps, uint64_t page_bytes, mapping_change changed,
		   void *context)
{
	const bool sane = page_bytes >= 512 && page_bytes <= (1U << 30) &&
			  (page_bytes & (page_bytes - 1)) == 0;

	memset(maps, 0, sizeof(*maps));
	maps->page_bytes = sane ? page_bytes : 4096;
	maps->random = mix_factor(); /* no log can make the tree deep */
	maps->changed = changed;
	maps->context = context;
}

/* Put all nodes of TREE on the list of spare ones, with no recursion deeper than the tree. */
static void discard_tree(struct mappings *maps, struct mapping *tree)
{
	if (tree == NULL)
		return;
	discard_tree(maps, tree->left);
	discard_tree(maps, tree->right);
	tree->left = maps->spare;
	maps->spare = tree;
}

void mappings_fini(struct mappings *maps)
{
	discard_tree(maps, maps->root);
	maps->root = NULL;
	while (maps->spare != NULL) {
		struct mapping *next = maps->spare->left;

		free(maps->spare);
		maps->spare = next;
	}
}

/* xorshift64 */
static uint64_t next_random(struct mappings *maps)
{
	maps->random ^= maps->random << 13;
	maps->random ^= maps->random >> 7;
	maps->random ^= maps->random << 17;
	return maps->random;
}

static struct mapping *new_mapping(struct mappings *maps)
{
	struct mapping *m = maps->spare;

	if (m != NULL)
		maps->spare = m->left;
	else
		m = need_memory(sizeof(*m));
	memset(m, 0, sizeof(*m));
	m->rank = next_random(maps);
	return m;
}

static void account_mapping(struct mappings *maps, const struct mapping *m, int64_t bytes,
			    int count)
{
	struct mapping_total *total = &maps->totals[m->class];

	total->bytes += (uint64_t)bytes;
	total->count += (uint64_t)(int64_t)count;
	if (maps->changed != NULL && (bytes != 0 || count != 0))
		maps->changed(maps->context, m->site, m->class, bytes, count);
}

/* So many bytes more, or fewer, of M count. */
static void count_bytes(struct mappings *maps, struct mapping *m, int64_t bytes)
{
	m->counted += (uint64_t)bytes;
	maps->counted_bytes += (uint64_t)bytes;
	if (m->told == 0)
		maps->untold_bytes += (uint64_t)bytes;
	if (maps->counted != NULL && bytes != 0)
		maps->counted(maps->context, m->site, bytes);
}

/* Everything in LEFT lies before everything in RIGHT. */
static struct mapping *join_trees(struct mapping *left, struct mapping *right)
{
	if (left == NULL)
		return right;
	if (right == NULL)
		return left;
	if (left->rank > right->rank) {
		left->right = join_trees(left->right, right);
		return left;
	}
	right->left = join_trees(left, right->left);
	return right;
}

/* Divide TREE's root, which lies across ADDR; returns the upper half, as a tree of its own. */
static struct mapping *divide_mapping(struct mappings *maps, struct mapping *tree, uint64_t addr)
{
	struct mapping *upper = new_mapping(maps);

	upper->start = addr;
	upper->end = tree->end;
	upper->site = tree->site;
	upper->class = tree->class;
	upper->told = tree->told;
	/* Where the resident pages are is not known: each part has its share. */
	upper->counted = (uint64_t)((long double)tree->counted * (long double)(tree->end - addr) /
				    (long double)(tree->end - tree->start));
	tree->counted -= upper->counted;
	upper->grown = (uint64_t)((long double)tree->grown * (long double)(tree->end - addr) /
				  (long double)(tree->end - tree->start));
	tree->grown -= upper->grown;
	tree->end = addr;
	account_mapping(maps, tree, 0, 1);
	return upper;
}

/* Part TREE in two: what lies below ADDR and what lies at it or above. */
static void cut_tree(struct mappings *maps, struct mapping *tree, uint64_t addr,
		     struct mapping *out[2])
{
	struct mapping *halves[2];

	if (tree == NULL) {
		out[0] = out[1] = NULL;
	} else if (tree->start >= addr) {
		cut_tree(maps, tree->left, addr, halves);
		tree->left = halves[1];
		out[0] = halves[0];
		out[1] = tree;
	} else if (tree->end <= addr) {
		cut_tree(maps, tree->right, addr, halves);
		tree->right = halves[0];
		out[0] = tree;
		out[1] = halves[1];
	} else {
		struct mapping *upper = divide_mapping(maps, tree, addr);

		out[1] = join_trees(upper, tree->right);
		tree->right = NULL;
		out[0] = tree;
	}
}

static void forget_tree(struct mappings *maps, struct mapping *tree)
{
	if (tree == NULL)
		return;
	forget_tree(maps, tree->left);
	maps->grown_bytes -= tree->grown;
	count_bytes(maps, tree, -(int64_t)tree->counted);
	account_mapping(maps, tree, -(int64_t)(tree->end - tree->start), -1);
	forget_tree(maps, tree->right);
}

/* Whole pages of [addr, addr + size), at most to the last page of the address space. */
static struct range whole_pages(const struct mappings *maps, uint64_t addr, uint64_t size)
{
	const uint64_t mask = maps->page_bytes - 1;
	const uint64_t last =
		~mask & ~(UINT64_C(1) << 63); /* so that lengths fit a signed number */
	struct range range = {addr & ~mask, last};

	if (range.start > last)
		range.start = last;
	if (size <= last - range.start)
		range.end = (addr + size + mask) & ~mask;
	if (range.end > last)
		range.end = last;
	return range;
}

static void remove_range(struct mappings *maps, struct range range)
{
	struct mapping *low[2];
	struct mapping *high[2];

	if (range.start >= range.end)
		return;
	cut_tree(maps, maps->root, range.start, low);
	cut_tree(maps, low[1], range.end, high);
	forget_tree(maps, high[0]);
	discard_tree(maps, high[0]);
	maps->root = join_trees(low[0], high[1]);
}

/* Add a range, in place of what was there. */
static void add_range(struct mappings *maps, struct range range, uint32_t class, uint32_t site)
{
	struct mapping *parts[2];

	if (range.start >= range.end)
		return;
	remove_range(maps, range);
	struct mapping *m = new_mapping(maps);

	m->start = range.start;
	m->end = range.end;
	m->class = class;
	m->site = site;
	cut_tree(maps, maps->root, range.start, parts);
	maps->root = join_trees(join_trees(parts[0], m), parts[1]);
	account_mapping(maps, m, (int64_t)(range.end - range.start), 1);
	if (class == MAPPING_ANONYMOUS)
		count_bytes(maps, m, (int64_t)(range.end - range.start));
}

static void finish_change(struct mappings *maps)
{
	const uint64_t unreserved =
		maps->totals[MAPPING_ANONYMOUS].bytes + maps->totals[MAPPING_FILE].bytes;

	if (maps->unreserved_peak < unreserved)
		maps->unreserved_peak = unreserved;
	for (int i = 0; i < MAPPING_CLASSES; i++)
		if (maps->totals[i].peak_bytes < maps->totals[i].bytes)
			maps->totals[i].peak_bytes = maps->totals[i].bytes;
}

enum mapping_class mappings_class_at(const struct mappings *maps, uint64_t addr)
{
	const struct mapping *m = maps->root;

	while (m != NULL && (addr < m->start || addr >= m->end))
		m = addr < m->start ? m->left : m->right;
	return m != NULL ? m->class : MAPPING_ANONYMOUS;
}

static void visit_tree(const struct mapping *tree, const struct range *range, mapping_visit visit,
		       void *context)
{
	if (tree == NULL)
		return;
	if (tree->start > range->start)
		visit_tree(tree->left, range, visit, context);
	const uint64_t start = tree->start > range->start ? tree->start : range->start;
	const uint64_t end = tree->end < range->end ? tree->end : range->end;

	if (start < end)
		visit(context, tree->site, end - start);
	if (tree->end < range->end)
		visit_tree(tree->right, range, visit, context);
}

void mappings_visit(const struct mappings *maps, uint64_t start, uint64_t end, mapping_visit visit,
		    void *context)
{
	const struct range range = {start, end};

	visit_tree(maps->root, &range, visit, context);
}

static void tell_tree(struct mappings *maps, struct mapping *tree, const struct mapping_told *told)
{
	const uint64_t told_end = told->start + told->size;

	if (tree == NULL)
		return;
	if (tree->start > told->start)
		tell_tree(maps, tree->left, told);
	const uint64_t start = tree->start > told->start ? tree->start : told->start;
	const uint64_t end = tree->end < told_end ? tree->end : told_end;

	if (start < end && (tree->class == MAPPING_ANONYMOUS || tree->class == MAPPING_RESERVED)) {
		const uint64_t length = tree->end - tree->start;
		uint64_t share = (uint64_t)((long double)told->resident *
					    (long double)(end - start) / (long double)told->size);

		if (tree->told != told->account) {
			maps->grown_bytes -= tree->grown;
			tree->grown = 0;
			count_bytes(maps, tree, -(int64_t)tree->counted);
			tree->told = told->account;
		}
		if (share > length - tree->counted)
			share = length - tree->counted;
		count_bytes(maps, tree, (int64_t)share);
	}
	if (tree->end < told_end)
		tell_tree(maps, tree->right, told);
}

void mappings_tell(struct mappings *maps, const struct mapping_told *told)
{
	if (told->size != 0 && told->size < UINT64_MAX - told->start)
		tell_tree(maps, maps->root, told);
}

/* Which ranges grow first: 0, 1, or none of them, GROW_NEVER. */
enum {
	GROW_PARTLY, /* of which a part was resident */
	GROW_EMPTY,
	GROW_NEVER,
};

static unsigned grows(const struct mapping *m)
{
	const uint64_t told = m->counted - m->grown;

	if (m->told == 0 || told == m->end - m->start)
		return GROW_NEVER;
	if (told != 0)
		return GROW_PARTLY;
	return m->class == MAPPING_ANONYMOUS ? GROW_EMPTY : GROW_NEVER;
}

/* How much room there is, of each kind that grows, beyond what was told. */
static void add_rooms(const struct mapping *tree, uint64_t rooms[GROW_NEVER])
{
	if (tree == NULL)
		return;
	add_rooms(tree->left, rooms);
	if (grows(tree) != GROW_NEVER)
		rooms[grows(tree)] += tree->end - tree->start - (tree->counted - tree->grown);
	add_rooms(tree->right, rooms);
}

/* Each range of a kind grows to the same PART of its room. */
static void grow_tree(struct mappings *maps, struct mapping *tree,
		      const long double part[GROW_NEVER])
{
	if (tree == NULL)
		return;
	grow_tree(maps, tree->left, part);
	if (grows(tree) != GROW_NEVER) {
		const uint64_t room = tree->end - tree->start - (tree->counted - tree->grown);
		uint64_t grown = (uint64_t)((long double)room * part[grows(tree)]);

		if (grown > room)
			grown = room;
		count_bytes(maps, tree, (int64_t)(grown - tree->grown));
		maps->grown_bytes += grown - tree->grown;
		tree->grown = grown;
	}
	grow_tree(maps, tree->right, part);
}

void mappings_grow(struct mappings *maps, uint64_t bytes)
{
	uint64_t rooms[GROW_NEVER] = {0};
	long double part[GROW_NEVER];

	add_rooms(maps->root, rooms);
	for (unsigned kind = 0; kind < GROW_NEVER; kind++) {
		const uint64_t share = bytes < rooms[kind] ? bytes : rooms[kind];

		part[kind] = share == 0 ? 0 : (long double)share / (long double)rooms[kind];
		bytes -= share;
	}
	grow_tree(maps, maps->root, part);
}

enum mapping_class mapping_class(const struct pmt_mmap *record)
{
	if (record->arena == MAPPING_BY_MALLOC)
		return MAPPING_MALLOC;
	if (record->arena != 0)
		return MAPPING_ARENA;
	if (!(record->flags & MAP_ANONYMOUS))
		return MAPPING_FILE;
	if (record->prot == PROT_NONE || record->flags & MAP_NORESERVE)
		return MAPPING_RESERVED;
	return MAPPING_ANONYMOUS;
}

/* The kernel rounds a mapping of huge pages up to whole ones; the flags may say which. */
static uint64_t whole_huge_pages(const struct pmt_mmap *record)
{
	const unsigned shift = (record->flags >> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
	const uint64_t mask = (UINT64_C(1) << (shift == 0 ? 21 : shift)) - 1;

	return record->size + mask < mask ? record->size : (record->size + mask) & ~mask;
}

void mappings_mmap(struct mappings *maps, const struct pmt_mmap *record, uint32_t site)
{
	const uint64_t size = record->flags & MAP_HUGETLB ? whole_huge_pages(record) : record->size;

	if (size != 0)
		add_range(maps, whole_pages(maps, record->addr, size), mapping_class(record), site);
	finish_change(maps);
}

void mappings_munmap(struct mappings *maps, const struct pmt_munmap *record)
{
	if (record->size != 0)
		remove_range(maps, whole_pages(maps, record->addr, record->size));
	finish_change(maps);
}

void mappings_mremap(struct mappings *maps, const struct pmt_mremap *record, uint32_t site)
{
	const uint32_t class = mappings_class_at(maps, record->old_addr);

	if (record->old_size != 0 && !(record->flags & MREMAP_DONTUNMAP))
		remove_range(maps, whole_pages(maps, record->old_addr, record->old_size));
	if (record->size != 0)
		add_range(maps, whole_pages(maps, record->addr, record->size), class, site);
	finish_change(maps);
}
