/* SPDX-License-Identifier: MIT */
/* Fold chunks: finding them, and their contents as events. */
#include "folds.h"

#include <stdlib.h>

#include "error.h"
#include "fold.h"
#include "names.h"

/* A chunk that is loaded, with the stream of its slot. */
struct tables {
	const struct pmt_fold *fold;
	const struct pmt_fold_block *blocks;
	const struct pmt_fold_site *sites;
	uint64_t block_count;
	uint64_t site_count;
	const struct stream *stream;
	bool corrected; /* the process may have been killed between two stores */
};

static void count_lost(const struct chunk_ref *ref, struct reader_damage *damage)
{
	damage->chunks_damaged++;
	damage->bytes_lost += ref->committed;
}

/* The tables' sizes fit the chunk; of one that is cut off, what is there of them. */
static bool fold_fits(const struct chunk_ref *ref, const struct pmt_fold *fold,
		      struct tables *tables)
{
	if (ref->committed < sizeof(*fold))
		return false;
	const uint64_t room = (ref->committed - sizeof(*fold)) / sizeof(struct pmt_fold_block);

	tables->block_count = fold->blocks;
	tables->site_count = fold->sites;
	if ((uint64_t)fold->blocks + fold->sites <= room)
		return true;
	if (fold->blocks > room)
		tables->block_count = room;
	tables->site_count = room - tables->block_count;
	return ref->cut;
}

/* A binary search in the index, which is in the order of slots. */
static bool has_events(const struct chunk_index *index, uint32_t slot)
{
	size_t low = 0, high = index->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (index->refs[middle].slot < slot)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < index->count && index->refs[low].slot == slot; low++)
		if (index->refs[low].kind == PMT_CHUNK_EVENTS)
			return true;
	return false;
}

/* Look at the begin of one chunk. Returns 1, 0 when it is of no use, -1 after a message. */
static int examine_chunks(struct folds *folds, const struct chunk_file *file,
			  const struct chunk_index *index, struct fold *entry)
{
	struct pmt_fold fold;
	struct tables tables;
	const int64_t got = source_read(file->source, &fold, sizeof(fold),
					entry->ref.offset + sizeof(struct pmt_chunk));

	if (got == SOURCE_ERROR)
		return -1;
	if (got != (int64_t)sizeof(fold) || entry->ref.sequence != 0 ||
	    !fold_fits(&entry->ref, &fold, &tables) ||
	    !(file->recycled || has_events(index, fold.slot)))
		return 0;
	entry->slot = fold.slot;
	const uint64_t most = (uint64_t)fold.blocks * PMT_FOLD_SIZE_MAX;

	folds->held_bytes += fold.held_peak < most ? fold.held_peak : most;
	return 1;
}

static int by_slot(const void *left, const void *right)
{
	const struct fold *a = left, *b = right;

	if (a->slot != b->slot)
		return a->slot < b->slot ? -1 : 1;
	return a->ref.offset < b->ref.offset ? -1 : a->ref.offset > b->ref.offset;
}

/* Sort, and leave one for each slot. */
static void put_in_order(struct folds *folds, struct reader_damage *damage)
{
	size_t kept = 0;

	if (folds->count != 0)
		qsort(folds->folds, folds->count, sizeof(*folds->folds), by_slot);
	for (size_t i = 0; i < folds->count; i++) {
		if (kept != 0 && folds->folds[kept - 1].slot == folds->folds[i].slot)
			count_lost(&folds->folds[i].ref, damage);
		else
			folds->folds[kept++] = folds->folds[i];
	}
	folds->count = kept;
}

int folds_find(struct folds *folds, const struct chunk_file *file, const struct chunk_index *index,
	       bool folded, struct reader_damage *damage)
{
	size_t room = 0;

	for (size_t i = 0; i < index->count; i++) {
		struct fold entry = {.ref = index->refs[i]};

		if (entry.ref.kind != PMT_CHUNK_FOLD)
			continue;
		const int rc = folded ? examine_chunks(folds, file, index, &entry) : 0;

		if (rc < 0)
			return -1;
		if (rc == 0) {
			count_lost(&entry.ref, damage);
			continue;
		}
		if (folds->count == room) {
			room = room * 2 + 16;
			folds->folds = need_resize(folds->folds, room * sizeof(*folds->folds));
		}
		folds->folds[folds->count++] = entry;
	}
	put_in_order(folds, damage);
	return 0;
}

void folds_fini(struct folds *folds)
{
	free(folds->folds);
	*folds = (struct folds){0};
}

/* Whether the last record of the slot is of these counts: then they are in the log twice. */
static bool site_written(const struct stream_last *last, const struct pmt_folded *counts)
{
	const struct pmt_folded *written = &last->folded;

	return last->type == PMT_REC_folded && written->stack == counts->stack &&
	       written->allocator == counts->allocator && written->count0 == counts->count0 &&
	       written->bytes0 == counts->bytes0 && written->count1 == counts->count1 &&
	       written->bytes1 == counts->bytes1 && written->count == counts->count &&
	       written->bytes == counts->bytes;
}

/* The same of a block. */
static bool block_written(const struct stream_last *last, const struct pmt_fold_block *block)
{
	const struct pmt_alloc *written = &last->alloc;

	return last->type == PMT_REC_alloc && written->addr == block->addr &&
	       written->size == block->size && written->stack == block->stack &&
	       written->allocator == block->allocator && last->order == block->order;
}

static bool visit_sites(const struct tables *tables, struct stream_run *run)
{
	run->event.record.type = PMT_REC_folded;
	run->event.order = tables->stream->key.order;
	for (uint64_t i = 0; i < tables->site_count; i++) {
		const struct pmt_fold_site *site = &tables->sites[i];

		if (site->key == 0 || (site->words[0] | site->words[1] | site->words[2]) == 0)
			continue;
		run->event.record.folded = pmt_fold_record(site);
		if (tables->corrected &&
		    site_written(&tables->stream->last, &run->event.record.folded))
			continue;
		if (!stream_visit(run))
			return false;
	}
	return true;
}

/* How many blocks of the site of BLOCK were counted. */
static uint64_t count_of(const struct tables *tables, const struct pmt_fold_block *block)
{
	const uint64_t key = pmt_fold_key(block->stack, block->allocator);

	for (uint64_t i = 0; i < tables->site_count; i++) {
		const uint64_t *words = tables->sites[i].words;

		if (tables->sites[i].key == key)
			return pmt_fold_count(words[0]) + pmt_fold_count(words[1]) +
			       pmt_fold_count(words[2]);
	}
	return 0;
}

/*
 * The block that was being freed, if it has been counted already. Numbers differ in a good log; in
 * another one only the first block of this number is looked for, as each look takes its time.
 */
static const struct pmt_fold_block *freed_block(const struct tables *tables)
{
	const uint64_t journal = tables->fold->journal;

	if (journal == 0 || !tables->corrected)
		return NULL;
	for (uint64_t i = 0; i < tables->block_count; i++) {
		const struct pmt_fold_block *block = &tables->blocks[i];

		if (block->addr == 0 || pmt_fold_journal(block->number, journal & 1) != journal)
			continue;
		return (count_of(tables, block) & 1) == (journal & 1) ? block : NULL;
	}
	return NULL;
}

static bool visit_block(const struct pmt_fold_block *block, struct stream_run *run)
{
	if (block->allocator >= pmt_record_infos[PMT_REC_alloc].variants) {
		run->damage->records_damaged++;
		return true;
	}
	run->event.order = block->order;
	run->event.record.alloc = (struct pmt_alloc){
		.allocator = block->allocator,
		.addr = block->addr,
		.size = block->size,
		.stack = block->stack,
	};
	return stream_visit(run);
}

static bool visit_blocks(const struct tables *tables, struct stream_run *run)
{
	const struct pmt_fold_block *freed = freed_block(tables);
	bool goes_on = true;

	run->event.record.type = PMT_REC_alloc;
	run->event.late = true;
	for (uint64_t i = 0; i < tables->block_count && goes_on; i++) {
		const struct pmt_fold_block *block = &tables->blocks[i];

		if (block->addr == 0 || block == freed ||
		    (tables->corrected && block_written(&tables->stream->last, block)))
			continue;
		goes_on = visit_block(block, run);
	}
	run->event.late = false;
	return goes_on;
}

/*
 * The streams are in the order of their slots. All chunks of this slot may have been dropped: then
 * what its last record was does not matter.
 */
static const struct stream *stream_of(uint32_t slot, const struct stream *streams, size_t count)
{
	static const struct stream none = {.last = {.type = PMT_REC_UNKNOWN}};
	size_t low = 0;

	while (count > 1) {
		const size_t half = count / 2;

		if (streams[low + half].key.slot <= slot)
			low += half;
		count -= half;
	}
	return streams[low].key.slot == slot ? &streams[low] : &none;
}

static enum stream_state visit_chunk(const struct pmt_chunk *chunk, const struct fold *entry,
				     const struct stream *stream, struct stream_run *run)
{
	struct tables tables = {.fold = (const struct pmt_fold *)(chunk + 1), .stream = stream};

	if (!fold_fits(&entry->ref, tables.fold, &tables)) {
		count_lost(&entry->ref, run->damage);
		return STREAM_END;
	}
	tables.blocks = (const struct pmt_fold_block *)(tables.fold + 1);
	tables.sites = (const struct pmt_fold_site *)(tables.blocks + tables.block_count);
	tables.corrected = !chunk->sealed;
	run->event.slot = entry->slot;
	run->event.thread = stream->thread;
	return visit_sites(&tables, run) && visit_blocks(&tables, run) ? STREAM_END : STREAM_STOP;
}

enum stream_state folds_visit(const struct folds *folds, const struct stream *streams, size_t count,
			      struct stream_run *run)
{
	struct chunk_buffer buffer = {0};
	enum stream_state state = STREAM_END;

	for (size_t i = 0; i < folds->count && state == STREAM_END; i++) {
		const struct fold *entry = &folds->folds[i];
		const int rc = chunks_load(run->file, &entry->ref, &buffer);

		if (rc < 0)
			state = STREAM_ERROR;
		else if (rc == 0)
			count_lost(&entry->ref, run->damage);
		else
			state = visit_chunk(buffer.chunk, entry,
					    stream_of(entry->slot, streams, count), run);
	}
	chunks_buffer_fini(&buffer);
	return state;
}
