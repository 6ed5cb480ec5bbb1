/* SPDX-License-Identifier: MIT */
/* What a log that reached its size limit keeps of what was dropped. */
#include <string.h>

#include "replay_parts.h"

static void hold_block(struct replay *replay, uint32_t thread, const struct pmt_alloc *record)
{
	const uint32_t kind = (uint32_t)record->allocator;
	const struct heap_block block = {
		.size_bytes = record->size,
		.site = sites_find(&replay->blocks, replay->by_stack ? record->stack : 0, thread,
				   kind),
	};
	struct heap_block old;

	if (record->addr == 0)
		return;
	if (heap_put(&replay->heap, record->addr, &block, &old))
		sites_change(&replay->blocks, old.site, (int64_t)(0 - old.size_bytes), -1);
	account_block(&replay->account, record->addr, block.size_bytes, kind, 1);
	sites_change(&replay->blocks, block.site, (int64_t)block.size_bytes, 1);
}

static void hold_memory(struct replay *replay, const struct reader_event *event)
{
	const struct pmt_mmap *record = &event->record.mmap;

	threads_get(&replay->threads, event->thread);
	if (event->record.type == PMT_REC_alloc) {
		hold_block(replay, event->thread, &event->record.alloc);
		return;
	}
	mappings_mmap(&replay->mappings, record,
		      replay_mapping_site(replay, event, record->stack, mapping_class(record)));
	account_record(&replay->account, &event->record, replay->last_ns);
}

/* A part of a name; BEFORE is the part before it in NAME, whose size is set. */
static void hold_name(struct replay *replay, const struct pmt_totals_entry *entry,
		      uint8_t name[UINT8_MAX + PMT_HELD_NAME_BYTES], uint32_t *size)
{
	const uint64_t part = pmt_held_value(entry) >> 8, bytes = pmt_held_value(entry) & 255;
	struct pmt_thread_name record = {.thread = entry->thread};

	if (part == 0)
		*size = 0;
	if (part * PMT_HELD_NAME_BYTES != *size || bytes > PMT_HELD_NAME_BYTES || *size > UINT8_MAX)
		return;
	memcpy(name + *size, &entry->addr, bytes < 8 ? bytes : 8);
	if (bytes > 8)
		memcpy(name + *size + 8, &entry->stack, bytes - 8);
	*size += (uint32_t)bytes;
	record.name = (struct pmt_bytes){name, *size};
	threads_rename(&replay->threads, &record);
}

/* What was live where the kept window begins. */
static void hold_all(struct replay *replay, const struct dropped *dropped)
{
	uint8_t name[UINT8_MAX + PMT_HELD_NAME_BYTES];
	uint32_t size = 0;

	replay->last_ns = replay_since_start(replay, dropped->numbers.time_ns);
	for (size_t i = 0; i < dropped->held.count; i++) {
		const struct pmt_totals_entry *entry = &dropped->held.entries[i];
		const struct pmt_thread thread = {entry->addr, pmt_held_value(entry)};
		const unsigned kind = pmt_held_kind(entry);

		struct reader_event event;

		if (dropped_event(dropped, i, &event))
			hold_memory(replay, &event);
		else if (kind == PMT_HELD_FREE) {
			*replay_unknown_frees(replay) += 1;
			early_add(&replay->early, entry->addr, pmt_held_number(entry),
				  (uint32_t)pmt_held_value(entry));
		} else if (kind == PMT_HELD_THREAD)
			threads_identify(&replay->threads, &thread);
		else if (kind == PMT_HELD_NAME)
			hold_name(replay, entry, name, &size);
	}
	replay_settle(replay, dropped->numbers.time_ns);
}

/* What was dropped is of no known thread; of what was live only the window's beginning is known. */
void replay_add_dropped(struct replay *replay, const struct dropped *dropped)
{
	threads_get(&replay->threads, 0);
	for (size_t i = 0; i < dropped->count; i++) {
		const struct dropped_site *part = &dropped->sites[i];
		const uint32_t number = sites_find(
			&replay->blocks, replay->by_stack ? part->stack : 0, 0, part->allocator);
		struct site *site = &replay->blocks.sites[number];

		site->total.count += part->count;
		site->total.bytes += part->bytes;
	}
	replay->frees.count += dropped->numbers.frees;
	replay->folded.count += dropped->numbers.folded;
	replay->folded.bytes += dropped->numbers.folded_bytes;
	replay->lost += dropped->numbers.lost;
	replay->events += dropped->events;
	replay->dropped = dropped;
	hold_all(replay, dropped);
}
