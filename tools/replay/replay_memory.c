/* SPDX-License-Identifier: MIT */
/* The replay's mappings and resident set. */
#include "replay_parts.h"

/*
 * What an arena holds are blocks. Of anonymous and reserved ranges only what counts is told, by
 * mapping_counts().
 */
static void mapping_changed(void *context, uint32_t site, enum mapping_class class, int64_t bytes,
			    int count)
{
	struct replay *replay = context;

	if (class != MAPPING_ARENA && class != MAPPING_MALLOC)
		sites_change(&replay->mapped, site, class == MAPPING_FILE ? bytes : 0, count);
}

static void mapping_counts(void *context, uint32_t site, int64_t bytes)
{
	struct replay *replay = context;

	sites_change(&replay->mapped, site, bytes, 0);
}

void replay_mappings_init(struct replay *replay, const struct pmt_header *header)
{
	mappings_init(&replay->mappings, header->page_bytes, mapping_changed, replay);
	replay->mappings.counted = mapping_counts;
}

uint32_t replay_mapping_site(struct replay *replay, const struct reader_event *event,
			     uint64_t stack, uint32_t class)
{
	return sites_find(&replay->mapped, replay->by_stack ? stack : 0, event->thread,
			  REPLAY_KIND_MAPPING + class);
}

/* Whether all that happened to a mapping after EVENT is in the log. */
static bool is_known_from(const struct replay *replay, const struct reader_event *event)
{
	if (event->taken)
		return false;
	return replay->dropped == NULL || replay->dropped->held.known ||
	       dropped_before(replay->dropped, event->time_ns, event->order, event->slot, false);
}

void replay_mmap(struct replay *replay, const struct reader_event *event)
{
	const struct pmt_mmap *record = &event->record.mmap;
	const uint32_t number =
		replay_mapping_site(replay, event, record->stack, mapping_class(record));
	struct site *site = &replay->mapped.sites[number];

	site->total.bytes += record->size;
	site->total.count++;
	if (is_known_from(replay, event))
		mappings_mmap(&replay->mappings, record, number);
	replay_settle(replay, event->time_ns);
}

void replay_munmap(struct replay *replay, const struct reader_event *event)
{
	replay->munmaps++;
	if (event->taken)
		return;
	mappings_munmap(&replay->mappings, &event->record.munmap);
	replay_settle(replay, event->time_ns);
}

void replay_mremap(struct replay *replay, const struct reader_event *event)
{
	const struct pmt_mremap *record = &event->record.mremap;
	const uint32_t class = mappings_class_at(&replay->mappings, record->old_addr);

	if (!is_known_from(replay, event))
		return;
	mappings_mremap(&replay->mappings, record,
			replay_mapping_site(replay, event, record->stack, class));
	replay_settle(replay, event->time_ns);
}

/* An account is of its time as long as the resident set has not grown by an eighth and some MiB. */
#define GROWN_LEAST (4U << 20)

/*
 * The resident set is RESIDENT. What it has grown by since the last account, beyond blocks and
 * mappings that are new since, became resident in mappings that were there.
 */
static void grow_mappings(struct replay *replay, uint64_t resident, uint64_t time_ns)
{
	const uint64_t before = replay->told_rss_bytes;
	const uint64_t blocks = replay->blocks.live.bytes;
	uint64_t known = replay->mappings.untold_bytes;

	if (before == 0 || resident <= before || resident - before <= before / 8 ||
	    resident - before <= GROWN_LEAST)
		return;
	if (blocks > replay->told_heap_bytes)
		known += blocks - replay->told_heap_bytes;
	if (resident - before <= known || resident - before - known <= replay->mappings.grown_bytes)
		return;
	mappings_grow(&replay->mappings, resident - before - known);
	replay_settle(replay, time_ns);
}

void replay_rss_sample(struct replay *replay, const struct pmt_rss *record, uint64_t time_ns)
{
	struct replay_rss *rss = &replay->rss;

	grow_mappings(replay, record->resident, time_ns);
	if (rss->samples == 0)
		rss->first_bytes = record->resident;
	rss->samples += 1 + (record->repeats < UINT32_MAX ? record->repeats : UINT32_MAX);
	rss->last_bytes = record->resident;
	rss->last_own_bytes = record->own;
	if (record->resident > rss->peak_bytes) {
		replay->rss_peak_ns = replay->last_ns;
		rss->peak_bytes = record->resident;
		rss->peak_own_bytes = record->own;
	}
}

static void raise_to(uint64_t *peak, uint64_t value)
{
	if (*peak < value)
		*peak = value;
}

void replay_rss_detail(struct replay *replay, const struct pmt_rss_detail *record)
{
	struct pmt_rss_detail *peak = &replay->rss.peak;

	replay->rss.details++;
	replay->rss.last = *record;
	raise_to(&peak->anon, record->anon);
	raise_to(&peak->file, record->file);
	raise_to(&peak->shmem, record->shmem);
	raise_to(&peak->swap, record->swap);
	raise_to(&peak->hugetlb, record->hugetlb);
	raise_to(&peak->peak, record->peak);
}

/*
 * What the account says of ranges of which the replay knows who mapped them. Before
 * account_record(), which forgets the ranges.
 */
void replay_account_told(struct replay *replay, const struct reader_event *event)
{
	const struct account_ranges *ranges = &replay->account.ranges;
	const uint64_t number = event->record.account.number;

	for (uint32_t i = 0; i < ranges->count && number != 0; i++) {
		const struct pmt_account_range *range = &ranges->list[i];
		const struct mapping_told told = {
			.account = number,
			.start = range->addr,
			.size = range->size,
			.resident = range->kind == PMT_MEMORY_RESERVED ? 0 : range->resident,
		};

		if (range->account != number || range->addr == 0 || range->kind == PMT_MEMORY_OWN)
			continue;
		mappings_tell(&replay->mappings, &told);
		replay->told_ns = replay->last_ns;
		replay->told_rss_bytes = event->record.account.resident;
		replay->told_heap_bytes = replay->blocks.live.bytes;
	}
	replay_settle(replay, event->time_ns);
}
