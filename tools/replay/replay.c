/* SPDX-License-Identifier: MIT */
/* The replay of one log; the rules are in the header. */
#include "replay.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "fold.h"
#include "progress.h"
#include "replay_parts.h"
#include "reused.h"

/* "realloc" is both a reallocator and the allocator of what it hands out. */
static uint32_t realloc_kind(uint32_t reallocator)
{
	const char *name = pmt_name("REALLOCATOR", reallocator);

	for (const struct pmt_name *entry = pmt_name_table; name != NULL && entry->set != NULL;
	     entry++)
		if (strcmp(entry->set, "ALLOCATOR") == 0 && strcmp(entry->name, name) == 0)
			return entry->number;
	return REPLAY_KIND_REALLOC + reallocator;
}

void replay_init(struct replay *replay, const struct pmt_header *header)
{
	memset(replay, 0, sizeof(*replay));
	heap_init(&replay->heap);
	early_init(&replay->early);
	sites_init(&replay->blocks);
	sites_init(&replay->mapped);
	threads_init(&replay->threads);
	replay_mappings_init(replay, header);
	account_init(&replay->account, header);
	for (uint32_t i = 0; i < REPLAY_REALLOCATORS; i++)
		replay->realloc_kinds[i] = realloc_kind(i);
	replay->until_ns = UINT64_MAX;
	replay->until_number = UINT64_MAX;
	replay->start_ns = header->start_ns;
	replay->inherits =
		(header->live.flags & (1U << PMT_FLAG_FORKED | 1U << PMT_FLAG_LATE)) != 0;
	replay->folded_log = (header->features_incompatible & PMT_FEATURE_FOLDED) != 0;
}

void replay_find_temporary(struct replay *replay, uint32_t threshold)
{
	replay->temporary = true;
	replay->threshold = threshold;
	replay->heap.with_sequences = !replay->folded_log;
}

void replay_fini(struct replay *replay)
{
	pyevents_fini(&replay->python);
	heap_fini(&replay->heap);
	early_fini(&replay->early);
	sites_fini(&replay->blocks);
	sites_fini(&replay->mapped);
	threads_fini(&replay->threads);
	mappings_fini(&replay->mappings);
	account_fini(&replay->account);
}

/* Where frees of blocks that are not live are counted. */
uint64_t *replay_unknown_frees(struct replay *replay)
{
	if (replay->dropped != NULL)
		return &replay->frees.dropped;
	return replay->inherits ? &replay->frees.inherited : &replay->frees.unmatched;
}

/*
 * Counts a free of an address that is not live. It may have come before the record of the block
 * that it ends.
 */
static void note_unknown(struct replay *replay, uint32_t slot, const struct reader_block *end)
{
	*replay_unknown_frees(replay) += 1;
	if (replay->folded_log &&
	    (replay->reader == NULL || reader_late_elsewhere(replay->reader, slot)))
		early_add(&replay->early, end->addr, end->order, slot);
}

/* Whether the block OLD of SITE, freed by END, was temporary. */
static bool was_temporary(const struct replay *replay, const struct site *site,
			  const struct heap_block *old, const struct reader_block *end,
			  const struct thread *thread)
{
	if (site->thread != thread->number)
		return false;
	if (replay->folded_log)
		return end->soon != 0 && end->soon - 1 <= replay->threshold;
	return thread->sequence - old->sequence <= replay->threshold;
}

/* The thread and the slot whose events are replayed. */
struct maker {
	struct thread *thread;
	uint64_t time_ns;
	uint32_t slot;
	bool taken; /* what they did to the heap is known already */
};

/* The block at END's address goes. */
static void remove_block(struct replay *replay, const struct maker *maker,
			 const struct reader_block *end)
{
	struct heap_block old;

	replay->frees.count++;
	if (maker->taken)
		return;
	if (!heap_take(&replay->heap, end->addr, &old)) {
		note_unknown(replay, maker->slot, end);
		return;
	}
	sites_change(&replay->blocks, old.site, (int64_t)(0 - old.size_bytes), -1);
	struct site *site = &replay->blocks.sites[old.site];

	account_block(&replay->account, end->addr, old.size_bytes, site->kind, -1);
	if (replay->temporary && was_temporary(replay, site, &old, end, maker->thread)) {
		site->temporary.bytes += old.size_bytes;
		site->temporary.count++;
	}
}

/*
 * Whether all that happened to a block after its birth is in the log. With folding any small one
 * may have been written later than it was made, also without a `birth`.
 */
static bool is_known(const struct replay *replay, const struct maker *maker,
		     const struct reader_block *birth)
{
	return replay->dropped->held.known ||
	       dropped_before(replay->dropped, maker->time_ns, birth->order, maker->slot,
			      replay->folded_log && birth->size_bytes <= PMT_FOLD_SIZE_MAX);
}

/*
 * The program's own code had ended when the block BIRTH, made before, was still held back. It lived
 * then, if no free that was waiting then ENDED it.
 */
static void add_to_end(struct replay *replay, const struct reader_block *birth, bool ended)
{
	if (ended && (int32_t)(replay->early.taken - replay->end_early) <= 0)
		return;
	replay->program_end.bytes += birth->size_bytes;
	replay->program_end.count++;
}

/* The census has been taken, and the block BIRTH was made before it. */
static void tell_census(struct replay *replay, const struct reader_block *birth,
			const struct site *site, bool ended)
{
	const struct census_late late = {
		.addr = birth->addr,
		.site = site,
		.size_bytes = birth->size_bytes,
		.ended = ended,
		.early_taken = replay->early.taken,
	};

	census_add_late(replay->census, &late);
}

static void add_block(struct replay *replay, const struct maker *maker,
		      const struct reader_block *birth)
{
	struct heap_block old;
	const uint64_t stack = replay->by_stack ? birth->stack : 0;
	const struct heap_block block = {
		.size_bytes = birth->size_bytes,
		.site = sites_find(&replay->blocks, stack, maker->thread->number, birth->kind),
		.sequence = maker->thread->sequence,
	};
	struct site *site = &replay->blocks.sites[block.site];

	site->total.bytes += birth->size_bytes;
	site->total.count++;
	if (maker->taken)
		return;
	const bool ended = !early_empty(&replay->early) &&
			   early_take(&replay->early, birth->addr, birth->order, maker->slot);

	if (census_wants_late(replay->census, birth->order))
		tell_census(replay, birth, site, ended);
	if (birth->order < replay->end_order)
		add_to_end(replay, birth, ended);
	if (ended) {
		*replay_unknown_frees(replay) -= 1;
		return;
	}
	if (replay->dropped != NULL && !is_known(replay, maker, birth))
		return;
	if (heap_put(&replay->heap, birth->addr, &block, &old)) {
		replay->frees.replaced++;
		sites_change(&replay->blocks, old.site, (int64_t)(0 - old.size_bytes), -1);
		account_block(&replay->account, birth->addr, old.size_bytes,
			      replay->blocks.sites[old.site].kind, -1);
	}
	account_block(&replay->account, birth->addr, birth->size_bytes, birth->kind, 1);
	sites_change(&replay->blocks, block.site, (int64_t)birth->size_bytes, 1);
}

void replay_mark_peak(struct replay *replay, uint64_t time_ns)
{
	sites_mark_peak(&replay->blocks);
	sites_mark_peak(&replay->mapped);
	replay->memory = (struct replay_peak){
		.bytes = replay_memory(replay),
		.at_ns = replay_since_start(replay, time_ns),
		.number = replay->number,
		.rss_bytes = replay->rss.last_bytes,
		.told_ns = replay->told_ns,
		.untold_bytes = replay->mappings.untold_bytes,
		.grown_bytes = replay->mappings.grown_bytes,
	};
}

static inline void on_block(struct replay *replay, const struct maker *maker, uint64_t time_ns,
			    const struct reader_block *block)
{
	if (block->addr == 0)
		return;
	if (block->kind == READER_FREE) {
		remove_block(replay, maker, block);
		return;
	}
	maker->thread->sequence++;
	add_block(replay, maker, block);
	replay_settle(replay, time_ns);
}

static struct maker maker_of(struct replay *replay, uint32_t thread, uint32_t slot,
			     uint64_t time_ns)
{
	return (struct maker){threads_get(&replay->threads, thread), time_ns, slot, false};
}

static struct maker maker_of_event(struct replay *replay, const struct reader_event *event)
{
	struct maker maker = maker_of(replay, event->thread, event->slot, event->time_ns);

	maker.taken = event->taken;
	return maker;
}

static struct reader_block block_of(const struct reader_event *event)
{
	const struct pmt_alloc *record = &event->record.alloc;

	return (struct reader_block){.addr = record->addr,
				     .size_bytes = record->size,
				     .stack = record->stack,
				     .order = event->order,
				     .kind = (uint32_t)record->allocator};
}

static void on_alloc(struct replay *replay, const struct reader_event *event)
{
	const struct maker maker = maker_of_event(replay, event);
	const struct reader_block block = block_of(event);

	on_block(replay, &maker, event->time_ns, &block);
}

static void on_free(struct replay *replay, const struct reader_event *event)
{
	const struct maker maker = maker_of_event(replay, event);
	const struct reader_block block = {.addr = event->record.free.addr,
					   .order = event->order,
					   .kind = READER_FREE,
					   .soon = event->soon};

	on_block(replay, &maker, event->time_ns, &block);
}

static void on_realloc(struct replay *replay, const struct reader_event *event)
{
	const struct pmt_realloc *record = &event->record.realloc;
	const struct maker maker = maker_of_event(replay, event);
	struct reader_block block = {
		.addr = record->old_addr,
		.size_bytes = record->size,
		.stack = record->stack,
		.order = event->order,
		.kind = replay->realloc_kinds[record->reallocator % REPLAY_REALLOCATORS],
		.soon = event->soon,
	};

	if (record->addr != 0)
		maker.thread->sequence++;
	if (record->old_addr != 0)
		remove_block(replay, &maker, &block);
	block.addr = record->addr;
	if (record->addr != 0)
		add_block(replay, &maker, &block);
	replay_settle(replay, event->time_ns);
}

/* Counts wrap like all sums here; no good log has any that large. */
static void on_folded(struct replay *replay, const struct reader_event *event)
{
	const struct pmt_folded *record = &event->record.folded;
	const struct amount total = {record->bytes0 + record->bytes1 + record->bytes,
				     record->count0 + record->count1 + record->count};
	const struct thread *thread = threads_get(&replay->threads, event->thread);
	const uint32_t number = sites_find(&replay->blocks, replay->by_stack ? record->stack : 0,
					   thread->number, (uint32_t)record->allocator);
	struct site *site = &replay->blocks.sites[number];

	site->total.bytes += total.bytes;
	site->total.count += total.count;
	site->temporary.bytes += record->bytes0 + (replay->threshold != 0 ? record->bytes1 : 0);
	site->temporary.count += record->count0 + (replay->threshold != 0 ? record->count1 : 0);
	replay->frees.count += total.count;
	replay->folded.bytes += total.bytes;
	replay->folded.count += total.count;
	replay->events += 2 * total.count;
}

static void on_life(struct replay *replay, const struct reader_event *event)
{
	const uint64_t what = event->record.process.what;

	replay->python_ended |= what == PMT_LIFE_PYTHON_END;
	if (what != PMT_LIFE_PROGRAM_END)
		return;
	replay->has_program_end = true;
	replay->program_end = replay->blocks.live;
	replay->end_order = replay->folded_log ? event->order : 0;
	replay->end_early = replay->early.number;
}

static void add_to_census(struct replay *replay, const struct reader_event *event)
{
	const struct census_place place = {
		.time_ns = replay->last_ns,
		.order = event->order,
		.heap = &replay->heap,
		.blocks = &replay->blocks,
		.early = &replay->early,
	};

	census_add(replay->census, &event->record, &place);
}

/* Replays a record that is not about blocks. */
static void on_other(struct replay *replay, const struct reader_event *event)
{
	const struct pmt_record *record = &event->record;

	switch (record->type) {
	case PMT_REC_thread:
		threads_identify(&replay->threads, &record->thread);
		break;
	case PMT_REC_thread_name:
		threads_rename(&replay->threads, &record->thread_name);
		break;
	case PMT_REC_rss:
		replay_rss_sample(replay, &record->rss, event->time_ns);
		break;
	case PMT_REC_rss_detail:
		replay_rss_detail(replay, &record->rss_detail);
		break;
	case PMT_REC_census:
	case PMT_REC_type_live:
	case PMT_REC_type_name:
		if (replay->census != NULL)
			add_to_census(replay, event);
		break;
	case PMT_REC_process:
		on_life(replay, event);
		break;
	case PMT_REC_lost:
		replay->lost += record->lost.count;
		break;
	case PMT_REC_notice:
		replay->rss.by_slice += record->notice.what == PMT_NOTICE_SLICE;
		break;
	default:
		break;
	}
}

void replay_event(struct replay *replay, const struct reader_event *event)
{
	replay->events += event->record.type != PMT_REC_folded;
	replay->last_ns = replay_since_start(replay, event->time_ns);
	replay->number = event->number;
	if (event->record.type == PMT_REC_account && !event->taken)
		replay_account_told(replay, event);
	if (!event->taken)
		account_record(&replay->account, &event->record, replay->last_ns);
	switch (event->record.type) {
	case PMT_REC_alloc:
		on_alloc(replay, event);
		break;
	case PMT_REC_free:
		on_free(replay, event);
		break;
	case PMT_REC_realloc:
		on_realloc(replay, event);
		break;
	case PMT_REC_folded:
		on_folded(replay, event);
		break;
	case PMT_REC_mmap:
		replay_mmap(replay, event);
		break;
	case PMT_REC_munmap:
		replay_munmap(replay, event);
		break;
	case PMT_REC_mremap:
		replay_mremap(replay, event);
		break;
	case PMT_REC_pyevent:
	case PMT_REC_c_event:
	case PMT_REC_line:
	case PMT_REC_destroy:
		pyevents_add(&replay->python, event);
		break;
	case PMT_REC_create:
		reused_object(replay, event);
		pyevents_add(&replay->python, event);
		break;
	default:
		pyevents_add(&replay->python, event); /* notices */
		on_other(replay, event);
		break;
	}
}

/*
 * A block whose record stands behind the end. It was held back by its thread, and lives at the end if
 * it was made before: a free of it that came before the end waits in `early`, and later frees are not
 * replayed. Returns whether no such block can follow.
 */
static int take_late(struct replay *replay, const struct maker *maker,
		     const struct reader_block *block)
{
	if (replay->late_order == 0)
		return 1;
	if (block->kind != READER_FREE && block->addr != 0 && block->order < replay->late_order)
		add_block(replay, maker, block);
	return 0;
}

/* The same for BLOCKS from number FIRST on. */
static int take_late_blocks(struct replay *replay, const struct reader_blocks *blocks,
			    uint32_t first)
{
	struct maker maker;

	if (replay->late_order == 0)
		return 1;
	maker = maker_of(replay, blocks->thread, blocks->slot, blocks->time_ns);
	for (uint32_t i = first; i < blocks->count; i++)
		take_late(replay, &maker, &blocks->blocks[i]);
	return 0;
}

static int take_late_event(struct replay *replay, const struct reader_event *event)
{
	const struct maker maker = maker_of_event(replay, event);
	struct reader_block block;

	if (event->record.type != PMT_REC_alloc)
		return replay->late_order == 0;
	block = block_of(event);
	return take_late(replay, &maker, &block);
}

static int visit_event(void *context, const struct reader_event *event)
{
	struct replay *replay = context;

	progress_step(event->number);
	if (event->time_ns > replay->until_ns || event->number > replay->until_number)
		return take_late_event(replay, event);
	replay_event(replay, event);
	return 0;
}

/*
 * With more live blocks than fit the processor's cache, most of the time goes into waiting for
 * memory. So the slots of all blocks are fetched first.
 */
static void fetch_slots(struct replay *replay, const struct reader_blocks *blocks)
{
	for (uint32_t i = 0; i < blocks->count; i++) {
		const struct reader_block *block = &blocks->blocks[i];

		heap_prefetch(&replay->heap, block->addr);
		if (replay->by_stack && block->kind != READER_FREE)
			sites_prefetch(&replay->blocks, block->stack, blocks->thread, block->kind);
	}
}

int replay_blocks(struct replay *replay, const struct reader_blocks *blocks)
{
	uint32_t count = blocks->count;

	if (blocks->time_ns > replay->until_ns || blocks->number > replay->until_number)
		return take_late_blocks(replay, blocks, 0);
	if (replay->until_number - blocks->number < count)
		count = (uint32_t)(replay->until_number - blocks->number) + 1;
	fetch_slots(replay, blocks);
	const struct maker maker = maker_of(replay, blocks->thread, blocks->slot, blocks->time_ns);

	for (uint32_t i = 0; i < count; i++) {
		replay->number = blocks->number + i;
		on_block(replay, &maker, blocks->time_ns, &blocks->blocks[i]);
	}
	replay->events += count;
	replay->last_ns = replay_since_start(replay, blocks->time_ns);
	return count < blocks->count ? take_late_blocks(replay, blocks, count) : 0;
}

static int visit_blocks(void *context, const struct reader_blocks *blocks)
{
	progress_steps(blocks->number, blocks->count);
	return replay_blocks(context, blocks);
}

void replay_begin(struct replay *replay, const struct reader *reader)
{
	replay->reader = reader;
	if (reader_dropped(reader) != NULL)
		replay_add_dropped(replay, reader_dropped(reader));
}

int replay_run(struct replay *replay, struct reader *reader)
{
	replay_begin(replay, reader);
	progress_begin(reader_path(reader));
	const int result = reader_run_blocks(reader, visit_event, visit_blocks, replay);

	progress_end();
	return result < 0 ? -1 : 0;
}

struct amount replay_total(const struct replay *replay)
{
	struct amount total = {0};

	for (uint32_t i = 1; i <= replay->blocks.count; i++) {
		total.bytes += replay->blocks.sites[i].total.bytes;
		total.count += replay->blocks.sites[i].total.count;
	}
	return total;
}

const char *replay_kind_name(uint32_t kind, char buffer[32])
{
	const char *name = NULL;

	if (kind >= REPLAY_KIND_MAPPING && kind < REPLAY_KINDS)
		snprintf(buffer, 32, "%s mapping", mapping_class_names[kind - REPLAY_KIND_MAPPING]);
	else if (kind >= REPLAY_KIND_REALLOC)
		snprintf(buffer, 32, "reallocator %u", kind - REPLAY_KIND_REALLOC);
	else if ((name = pmt_name("ALLOCATOR", kind)) == NULL)
		snprintf(buffer, 32, "allocator %u", kind);
	return name != NULL ? name : buffer;
}
