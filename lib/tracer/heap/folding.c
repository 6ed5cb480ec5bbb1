/* SPDX-License-Identifier: MIT */
/* Tables of short-lived blocks: making them, and what leaves them for the log. */
#include "folding.h"

#include <string.h>

#include "logfile.h"
#include "names.h"

/* What a thread gets of the bytes that all tables may hold together, and how much at most. */
#define SHARE_BYTES 2048U
#define SHARE_MOST (64U << 10)

static uint64_t window;
static _Atomic uint32_t shares_left;

void fold_init(uint64_t blocks)
{
	window = blocks;
	atomic_store(&shares_left, PMT_FOLD_HELD_MAX / SHARE_BYTES);
}

/* Half of what is left, so that a thread that comes later gets some, too. */
int fold_more_share(struct thread *t, size_t size)
{
	uint32_t left = atomic_load_explicit(&shares_left, memory_order_relaxed);

	while (t->fold.held + size > t->fold.share) {
		const uint64_t lacking = t->fold.held + size - t->fold.share;
		const uint32_t wanted = (uint32_t)((lacking + SHARE_BYTES - 1) / SHARE_BYTES);

		if (wanted > (left + 1) / 2 || t->fold.share + wanted * SHARE_BYTES > SHARE_MOST)
			return 0;
		if (atomic_compare_exchange_weak(&shares_left, &left, left - wanted))
			t->fold.share += wanted * SHARE_BYTES;
	}
	return 1;
}

void fold_less_share(struct thread *t)
{
	t->fold.share -= SHARE_BYTES;
	atomic_fetch_add(&shares_left, 1);
}

void fold_put_old(struct thread *t, struct pmt_fold_block *block)
{
	fold_guess_less(t, block->stack, block->allocator, 1);
	fold_put_late(t, block);
	fold_empty(t, block);
	if (t->fold.held + 2 * SHARE_BYTES < t->fold.share)
		fold_less_share(t);
}

/* The greatest power of two that is not above LIMIT, as an exponent. */
static unsigned exponent_below(uint64_t limit)
{
	return 63U - (unsigned)__builtin_clzll(limit);
}

void fold_open(struct thread *t)
{
	const uint64_t heads = sizeof(struct pmt_chunk) + sizeof(struct pmt_fold);
	const uint64_t blocks_bytes = window * sizeof(struct pmt_fold_block);
	struct pmt_chunk *chunk;
	uint64_t number, sites_bytes, bytes;
	unsigned sites;

	if (window == 0 || t->fold.head != NULL)
		return;
	sites = exponent_below((logfile_header()->chunk_bytes - heads - blocks_bytes) /
			       sizeof(struct pmt_fold_site));
	sites_bytes = sizeof(struct pmt_fold_site) << sites;
	bytes = heads + blocks_bytes + sites_bytes;
	chunk = logfile_chunk(PMT_CHUNK_FOLD, &number, &bytes);
	if (chunk == NULL)
		return;
	t->fold.bytes = bytes;
	t->fold.chunk = number;
	chunk->kind = PMT_CHUNK_FOLD;
	chunk->slot = writer_new_slot();
	t->fold.head = (struct pmt_fold *)(chunk + 1);
	t->fold.head->slot = t->writer.slot;
	t->fold.head->blocks = (uint32_t)window;
	t->fold.head->sites = 1U << sites;
	t->fold.blocks = (struct pmt_fold_block *)(t->fold.head + 1);
	t->fold.blocks_shift = 32 - exponent_below(window);
	t->fold.sites = (struct pmt_fold_site *)(t->fold.blocks + window);
	t->fold.sites_shift = 64 - sites;
	t->fold.held = t->fold.share = 0;
	chunk->committed = (uint32_t)(sizeof(struct pmt_fold) + blocks_bytes + sites_bytes);
	/* Last, so that a process killed above leaves no half-made head. */
	__atomic_store_n(&chunk->magic, PMT_CHUNK_MAGIC, __ATOMIC_RELEASE);
}

static int is_empty(const struct pmt_fold *head)
{
	const struct pmt_fold_block *blocks = (const struct pmt_fold_block *)(head + 1);
	const struct pmt_fold_site *sites = (const struct pmt_fold_site *)(blocks + head->blocks);

	for (uint32_t i = 0; i < head->blocks; i++)
		if (blocks[i].addr != 0)
			return 0;
	for (uint32_t i = 0; i < head->sites; i++)
		if (sites[i].key != 0)
			return 0;
	return 1;
}

void fold_close(struct thread *t)
{
	struct pmt_fold *head = t->fold.head;

	t->fold.head = NULL;
	atomic_signal_fence(memory_order_seq_cst);
	if (head == NULL)
		return;
	const int empty = is_empty(head);

	if (empty)
		memset(head + 1, 0, t->fold.bytes - sizeof(struct pmt_chunk) - sizeof(*head));
	logfile_seal((struct pmt_chunk *)head - 1, 0, t->fold.bytes, NULL);
	/* Nothing but the heads is left in it, and what is not there reads as zeros. */
	if (empty)
		logfile_trim(t->fold.chunk, sizeof(struct pmt_chunk) + sizeof(*head),
			     t->fold.bytes);
}

void fold_put_late(struct thread *t, const struct pmt_fold_block *block)
{
	const struct pmt_alloc r = {
		.addr = block->addr, .size = block->size, .stack = block->stack};

	if (block->order != t->order) {
		const struct pmt_birth birth = {t->order - block->order};

		pmt_put_birth(&t->writer.enc, 0, &birth);
	}
	pmt_put_alloc(&t->writer.enc, block->allocator, &r);
	writer_commit(&t->writer);
}

void fold_put_site(struct thread *t, struct pmt_fold_site *site)
{
	const struct pmt_folded r = pmt_fold_record(site);
	const uint64_t key = site->key;

	pmt_put_folded(&t->writer.enc, 0, &r);
	writer_commit(&t->writer);
	site->key = 0;
	atomic_signal_fence(memory_order_seq_cst);
	memset(site->words, 0, sizeof(site->words));
	atomic_signal_fence(memory_order_seq_cst);
	site->key = key;
}

static uint64_t all_counts(const struct pmt_fold_site *site)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < PMT_FOLD_DISTANCES; i++)
		count += pmt_fold_count(site->words[i]);
	return count;
}

void fold_change_site(struct thread *t, struct pmt_fold_site *site, uint64_t key)
{
	if (site->key != 0) {
		/* A record for two blocks saves nothing. */
		if (all_counts(site) <= 2)
			fold_guess_less(t, pmt_fold_key_stack(site->key),
					pmt_fold_key_allocator(site->key), FOLD_GUESS_MOST);
		fold_put_site(t, site);
	}
	site->key = key;
}

int fold_write_blocks(struct thread *t)
{
	const uint32_t count = t->fold.head == NULL ? 0 : t->fold.head->blocks;

	for (uint32_t i = 0; i < count; i++) {
		struct pmt_fold_block *block = &t->fold.blocks[i];

		if (block->addr == 0)
			continue;
		if (writer_room(&t->writer, 2 * PMT_RECORD_MAX) != 0)
			return -1;
		fold_put_late(t, block);
		fold_empty(t, block);
	}
	return 0;
}

void fold_flush(struct thread *t)
{
	const struct pmt_fold *head = t->fold.head;

	if (head == NULL || fold_write_blocks(t) != 0)
		return;
	for (uint32_t i = 0; i < head->sites; i++) {
		struct pmt_fold_site *site = &t->fold.sites[i];

		if (site->key == 0)
			continue;
		if (writer_room(&t->writer, PMT_RECORD_MAX) != 0)
			return;
		fold_put_site(t, site);
		site->key = 0;
	}
	while (t->fold.share != 0)
		fold_less_share(t);
	t->fold.head->journal = 0;
	t->fold.recent[0] = t->fold.recent[1] = 0;
}
