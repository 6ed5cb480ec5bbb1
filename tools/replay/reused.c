/* SPDX-License-Identifier: MIT */
/* Blocks change their owner where Python makes an object in one that it had kept. */
#include "reused.h"

#include "replay.h"

/* So many bytes, at most, stand in a block before its object: two pairs of words. */
#define AHEAD_MOST 32U
#define AHEAD_STEP 16U

/* Find the block that has ADDR in it. Returns its address, 0: there is none. */
static uint64_t find_block(const struct replay *replay, uint64_t addr, struct heap_block *block)
{
	for (uint64_t ahead = 0; ahead <= AHEAD_MOST && ahead < addr; ahead += AHEAD_STEP)
		if (heap_look(&replay->heap, addr - ahead, block))
			return block->size_bytes > ahead ? addr - ahead : 0;
	return 0;
}

/* The allocator's blocks are nobody else's than Python's: malloc's have no objects. */
static bool is_pythons(uint32_t kind)
{
	return kind >= PMT_ALLOCATOR_PYMEM_MALLOC && kind <= PMT_ALLOCATOR_PYOBJECT_REALLOC;
}

void reused_object(struct replay *replay, const struct reader_event *event)
{
	const struct pmt_create *record = &event->record.create;
	const uint64_t stack = replay->by_stack ? record->stack : 0;
	struct heap_block block, old;

	if (event->taken)
		return;
	const uint64_t addr = find_block(replay, record->addr, &block);

	if (addr == 0)
		return;
	const struct site *site = &replay->blocks.sites[block.site];

	if (!is_pythons(site->kind) || (site->stack == stack && site->thread == event->thread))
		return;
	/* It is not short-lived any more, whoever frees it when. */
	block.sequence = threads_get(&replay->threads, event->thread)->sequence - (UINT32_MAX >> 1);
	sites_change(&replay->blocks, block.site, (int64_t)(0 - block.size_bytes), -1);
	block.site = sites_find(&replay->blocks, stack, event->thread, site->kind);
	sites_change(&replay->blocks, block.site, (int64_t)block.size_bytes, 1);
	(void)heap_put(&replay->heap, addr, &block, &old);
}
