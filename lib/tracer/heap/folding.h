/* SPDX-License-Identifier: MIT */
/*
 * Folding: blocks that die young leave no records. See lib/format/fold.h for what lies in the file.
 *
 * Everything here is called between enter and leave, by the thread whose table it is, with room in
 * the writer for an event. A block in the table may be freed by another thread, which cannot see
 * it there and writes a `free` record; the table's entry then is stale. The thread notices: what
 * another thread did with that address came with an order number above that of the entry, and the
 * stamps of order.h tell. Such an entry is written, with the order number of its birth, and the
 * reader puts both together.
 */
#ifndef PMT_TRACER_FOLDING_H
#define PMT_TRACER_FOLDING_H

#include <stdint.h>

#include "fold.h"
#include "order.h"
#include "thread.h"

/* Threads get tables of WINDOW blocks from now on; 0: none. */
void fold_init(uint64_t window);
/* A table for T, if it has none. Without one every event is written. */
void fold_open(struct thread *t);
/* Write the blocks in T's table, for what is said of all live ones. 0, or -1: the log is full. */
int fold_write_blocks(struct thread *t);
/* Write what T's table holds and empty it: another thread takes it over. */
void fold_flush(struct thread *t);
/* Seal T's table, where it is. */
void fold_close(struct thread *t);

/*
 * Write BLOCK, which gives way to a younger one; the caller empties its place. No `time` record is
 * put before it, because the record of a realloc may follow, which happened at the time of the
 * last record.
 */
void fold_put_late(struct thread *t, const struct pmt_fold_block *block);
/* May T hold SIZE more bytes? Where its share is too small it asks for a larger one. */
int fold_more_share(struct thread *t, size_t size);
/* Give a part of T's share back. */
void fold_less_share(struct thread *t);
/* BLOCK has been held back for long: write it. */
void fold_put_old(struct thread *t, struct pmt_fold_block *block);
/* A site for KEY in place of what is at SITE. */
void fold_change_site(struct thread *t, struct pmt_fold_site *site, uint64_t key);
/* Write the counts at SITE and begin anew. */
void fold_put_site(struct thread *t, struct pmt_fold_site *site);

static inline struct pmt_fold_block *fold_place(const struct thread *t, uintptr_t addr)
{
	const uint32_t hash = (uint32_t)(addr >> 4) * 0x9E3779B1U;

	return &t->fold.blocks[hash >> t->fold.blocks_shift];
}

static inline struct pmt_fold_site *fold_site(struct thread *t, uint64_t key)
{
	const uint64_t hash = key * 0x9E3779B97F4A7C15ULL;
	struct pmt_fold_site *site = &t->fold.sites[hash >> t->fold.sites_shift];

	if (__builtin_expect(site->key != key, 0))
		fold_change_site(t, site, key);
	return site;
}

static inline void fold_empty(struct thread *t, struct pmt_fold_block *block)
{
	atomic_signal_fence(memory_order_seq_cst);
	block->addr = 0;
	t->fold.held -= block->size;
}

/*
 * How often blocks of a stack and allocator were short-lived of late: 0 to FOLD_GUESS_MOST. Those
 * that never are need not go through the table, but for one in sixteen, to see whether that is
 * still so.
 */
#define FOLD_GUESS_MOST 15
#define FOLD_GUESS_LEAST 4
#define FOLD_PROBE 15U

static inline uint8_t *fold_guess(struct thread *t, uint32_t stack, uint32_t allocator)
{
	return &t->fold.guesses[((stack ^ allocator << 27) * 0x9E3779B1U) >>
				(32 - THREAD_GUESSES_BITS)];
}

static inline void fold_guess_less(struct thread *t, uint32_t stack, uint32_t allocator,
				   unsigned step)
{
	uint8_t *guess = fold_guess(t, stack, allocator);

	*guess = (uint8_t)(*guess + step < FOLD_GUESS_MOST ? *guess + step : FOLD_GUESS_MOST);
}

static inline void fold_guess_more(struct thread *t, const struct pmt_fold_block *block)
{
	uint8_t *guess = fold_guess(t, block->stack, block->allocator);

	*guess = (uint8_t)(*guess < 4 ? 0 : *guess - 4);
}

/* Count a new block of this thread. */
static inline void fold_note(struct thread *t, uintptr_t addr)
{
	t->fold.number++;
	t->fold.recent[1] = t->fold.recent[0];
	t->fold.recent[0] = addr;
}

/*
 * Each place is looked at once in as many allocations as there are places. A block that was there
 * at the last look, too, is not short-lived: it is written, so that what a report lacks is what
 * its thread allocated last, and not a part of every site.
 */
static inline void fold_sweep(struct thread *t)
{
	const uint32_t mask = t->fold.head->blocks - 1;
	struct pmt_fold_block *block = &t->fold.blocks[t->fold.number & mask];

	if (__builtin_expect(block->addr != 0 && t->fold.number - block->number > mask, 0))
		fold_put_old(t, block);
}

/*
 * Keep a new block back. Returns 1; or 0 if the caller must write the event. The caller has taken
 * the block's place in the order.
 */
static inline int fold_alloc(struct thread *t, uintptr_t addr, size_t size, unsigned allocator,
			     uint32_t stack)
{
	struct pmt_fold_block *block;

	if (t->fold.head == NULL)
		return 0;
	fold_sweep(t);
	if (size > PMT_FOLD_SIZE_MAX)
		return 0;
	if (*fold_guess(t, stack, allocator) > FOLD_GUESS_MOST - FOLD_GUESS_LEAST &&
	    (t->fold.number & FOLD_PROBE) != 0)
		return 0;
	block = fold_place(t, addr);
	if (block->addr != 0) {
		fold_guess_less(t, block->stack, block->allocator, 1);
		fold_put_late(t, block);
		fold_empty(t, block);
	}
	if (__builtin_expect(t->fold.held + size > t->fold.share, 0) && !fold_more_share(t, size))
		return 0;
	atomic_signal_fence(memory_order_seq_cst);
	block->order = t->order;
	block->size = (uint32_t)size;
	block->stack = stack;
	block->number = t->fold.number;
	block->allocator = allocator;
	atomic_signal_fence(memory_order_seq_cst);
	block->addr = addr;
	t->fold.held += size;
	if (t->fold.held > t->fold.head->held_peak)
		t->fold.head->held_peak = t->fold.held;
	return 1;
}

/* Has no other thread had the block's address since its birth? */
static inline int fold_trusts(const struct thread *t, const struct pmt_fold_block *block)
{
	const unsigned entry = order_entry(block->addr);

	if (!atomic_load_explicit(&order_shared.several, memory_order_relaxed))
		return 1;
	return block->order == t->order &&
	       atomic_load_explicit(&order_shared.stamps[entry], memory_order_acquire) == t->stamp;
}

/* Count a block that is in the table and dies. */
static inline void fold_count(struct thread *t, struct pmt_fold_block *block)
{
	const uint32_t distance = t->fold.number - block->number;
	struct pmt_fold_site *site = fold_site(t, pmt_fold_key(block->stack, block->allocator));
	uint64_t *word =
		&site->words[distance < PMT_FOLD_DISTANCES ? distance : PMT_FOLD_DISTANCES - 1];
	const uint64_t all = site->words[0] ^ site->words[1] ^ site->words[2];

	t->fold.head->journal = pmt_fold_journal(block->number, (all >> PMT_FOLD_BYTES_BITS) + 1);
	atomic_signal_fence(memory_order_seq_cst);
	*word += pmt_fold_word(1, block->size);
	fold_guess_more(t, block);
	fold_empty(t, block);
	if (__builtin_expect(pmt_fold_count(*word) >= PMT_FOLD_COUNT_MAX, 0))
		fold_put_site(t, site);
}

/* A block dies. Returns 1 if it was counted, 0 if the caller must write the event. */
static inline int fold_free(struct thread *t, uintptr_t addr)
{
	struct pmt_fold_block *block;

	if (t->fold.head == NULL)
		return 0;
	block = fold_place(t, addr);
	if (block->addr != addr)
		return 0;
	if (__builtin_expect(!fold_trusts(t, block), 0)) {
		fold_put_late(t, block);
		fold_empty(t, block);
		return 0;
	}
	fold_count(t, block);
	return 1;
}

/*
 * An object has been made in the block at ADDR, at STACK: if the block is in the table under
 * another one, it is written, because its stack is that of its first owner.
 */
static inline void fold_reuse(struct thread *t, uintptr_t addr, uint32_t stack)
{
	struct pmt_fold_block *block;

	if (t->fold.head == NULL)
		return;
	block = fold_place(t, addr);
	if (__builtin_expect(block->addr == addr && block->stack != stack, 0)) {
		fold_put_late(t, block);
		fold_empty(t, block);
	}
}

/* As fold_free(), when a new block takes the place of the old one. */
static inline int fold_realloc(struct thread *t, uintptr_t addr)
{
	int folded;

	t->fold.number++;
	folded = fold_free(t, addr);
	t->fold.number--;
	return folded;
}

/*
 * Before the record of the end of a block that was not counted: FURTHER new blocks have not been
 * noted yet.
 */
static inline void fold_put_soon(struct thread *t, uintptr_t addr, unsigned further)
{
	unsigned distance;

	if (t->fold.head == NULL)
		return;
	for (distance = 0; distance < 2; distance++)
		if (t->fold.recent[distance] == addr)
			break;
	if (distance == 2)
		return;
	t->fold.recent[distance] = 0;
	if (distance + further < 2) {
		const struct pmt_soon r = {0};

		pmt_put_soon(&t->writer.enc, distance + further, &r);
	}
}

#endif
