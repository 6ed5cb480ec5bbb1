/* SPDX-License-Identifier: MIT */
/* Totals chunks. */
#include "dropped.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "error.h"
#include "names.h"
#include "record.h"

static void count_lost(const struct chunk_ref *ref, struct reader_damage *damage)
{
	damage->chunks_damaged++;
	damage->bytes_lost += ref->committed;
}

/* The half of a site that is valid, -1: none is. */
static int valid_half(const struct pmt_totals_site *site, uint64_t dropped)
{
	const bool first = site->dropped[0] != 0 && site->dropped[0] <= dropped;
	const bool second = site->dropped[1] != 0 && site->dropped[1] <= dropped;

	if (first && second)
		return site->dropped[1] > site->dropped[0];
	return first ? 0 : second ? 1 : -1;
}

static void take_sites(struct dropped *dropped, const struct pmt_totals_site *sites, uint64_t count,
		       struct reader_damage *damage)
{
	dropped->sites =
		need_resize(dropped->sites, (dropped->count + count + 1) * sizeof(*dropped->sites));
	for (uint64_t i = 0; i < count; i++) {
		const struct pmt_totals_site *site = &sites[i];
		const int half = valid_half(site, dropped->chunks);

		if (half < 0)
			continue;
		if (site->allocator >= pmt_record_infos[PMT_REC_alloc].variants) {
			damage->records_damaged++;
			continue;
		}
		dropped->sites[dropped->count++] =
			(struct dropped_site){site->stack, site->allocator,
					      site->halves[half].count, site->halves[half].bytes};
		dropped->events += site->halves[half].count;
	}
}

static bool makes_sense(const struct pmt_totals_entry *entry)
{
	const unsigned kind = pmt_held_kind(entry);

	return (kind >= PMT_HELD_MAPPING && kind <= PMT_HELD_PEAK) ||
	       (kind >= PMT_HELD_BLOCK &&
		kind - PMT_HELD_BLOCK < pmt_record_infos[PMT_REC_alloc].variants);
}

static void take_entries(struct dropped *dropped, const struct pmt_totals_entry *entries,
			 uint64_t count, struct reader_damage *damage)
{
	struct dropped_held *held = &dropped->held;

	if (held->room - held->count < count) {
		held->room = 2 * held->room + count;
		held->entries = need_resize(held->entries, held->room * sizeof(*held->entries));
	}
	for (uint64_t i = 0; i < count; i++) {
		const struct pmt_totals_entry *entry = &entries[i];

		if (entry->since == 0 || entry->since > dropped->chunks ||
		    (entry->until != 0 && entry->until <= dropped->chunks))
			continue;
		if (makes_sense(entry))
			held->entries[held->count++] = *entry;
		else
			damage->records_damaged++;
	}
}

/* The contents of one chunk. Returns false when it makes no sense. */
static bool take_chunk(struct dropped *dropped, const struct chunk_ref *ref,
		       const struct pmt_chunk *chunk, struct reader_damage *damage)
{
	const struct pmt_totals *totals = (const struct pmt_totals *)(chunk + 1);
	uint64_t room;

	if (ref->committed < sizeof(*totals))
		return false;
	room = (ref->committed - sizeof(*totals)) / sizeof(struct pmt_totals_site);
	if (totals->sites > room && !ref->cut)
		return false;
	if (ref->sequence == 0) {
		dropped->chunks = totals->dropped;
		dropped->held.missing = totals->missing;
		dropped->numbers = totals->numbers[totals->dropped & 1];
	}
	if (dropped->held.known && totals->entries != 0) {
		room = (ref->committed - sizeof(*totals)) / sizeof(struct pmt_totals_entry);
		take_entries(dropped, (const struct pmt_totals_entry *)(totals + 1),
			     totals->entries < room ? totals->entries : room, damage);
		return totals->sites == 0 && (totals->entries <= room || ref->cut);
	}
	take_sites(dropped, (const struct pmt_totals_site *)(totals + 1),
		   totals->sites < room ? totals->sites : room, damage);
	return true;
}

/* The chunk that was dropped last may still be there. */
static void remove_last(const struct dropped *dropped, struct chunk_index *index)
{
	size_t kept = 0;

	for (size_t i = 0; i < index->count; i++) {
		const struct chunk_ref *ref = &index->refs[i];

		if (ref->kind != PMT_CHUNK_EVENTS || ref->slot != dropped->numbers.slot ||
		    ref->sequence != dropped->numbers.sequence)
			index->refs[kept++] = *ref;
	}
	index->count = kept;
}

/* All chunks belong to the slot of the first one, which must begin with the sequence 0. */
static bool chunk_belongs(const struct chunk_ref *ref, const struct chunk_ref *last)
{
	if (last == NULL)
		return ref->sequence == 0;
	return ref->slot == last->slot && ref->sequence > last->sequence;
}

static int read_all(struct dropped *dropped, const struct chunk_file *file,
		    const struct chunk_index *index, struct reader_damage *damage)
{
	struct chunk_buffer buffer = {0};
	const struct chunk_ref *last = NULL;
	int rc = 0;

	for (size_t i = 0; i < index->count && rc >= 0; i++) {
		const struct chunk_ref *ref = &index->refs[i];

		if (ref->kind != PMT_CHUNK_TOTALS)
			continue;
		rc = file->recycled && chunk_belongs(ref, last) ? chunks_load(file, ref, &buffer)
								: 0;
		if (rc > 0 && take_chunk(dropped, ref, buffer.chunk, damage))
			last = ref;
		else if (rc >= 0)
			count_lost(ref, damage);
	}
	chunks_buffer_fini(&buffer);
	return rc < 0 ? -1 : 0;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_kind(const void *left, const void *right)
{
	const struct pmt_totals_entry *a = left, *b = right;
	const unsigned kind = pmt_held_kind(a);
	int order = compare_numbers(kind, pmt_held_kind(b));

	if (order == 0 && kind == PMT_HELD_NAME)
		order = compare_numbers(a->thread, b->thread);
	else if (order == 0)
		order = compare_numbers(a->addr, b->addr);
	return order != 0 ? order : compare_numbers(a->what, b->what);
}

/* The first entry of KIND for ADDR. */
static const struct pmt_totals_entry *find_entry(const struct dropped *dropped, unsigned kind,
						 uint64_t addr)
{
	const struct dropped_held *held = &dropped->held;
	const struct pmt_totals_entry wanted = {.addr = addr, .what = pmt_held_what(kind, 0)};
	size_t low = 0, high = held->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (by_kind(&held->entries[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < held->count && pmt_held_kind(&held->entries[low]) == kind ? &held->entries[low]
									       : NULL;
}

const struct pmt_totals_entry *dropped_position(const struct dropped *dropped, uint32_t slot)
{
	const struct pmt_totals_entry *entry = find_entry(dropped, PMT_HELD_POSITION, slot);

	return entry != NULL && entry->addr == slot ? entry : NULL;
}

const struct pmt_totals_entry *dropped_peak(const struct dropped *dropped)
{
	return find_entry(dropped, PMT_HELD_PEAK, 0);
}

static struct pmt_mmap mapping_of(const struct pmt_totals_entry *entry)
{
	const uint64_t flags = pmt_held_value(entry) >> 48;

	return (struct pmt_mmap){
		.addr = entry->addr,
		.size = pmt_held_value(entry) & ((1ULL << 48) - 1),
		.prot = flags & 7,
		.flags = (flags & PMT_HELD_MAP_ANONYMOUS ? MAP_ANONYMOUS : 0U) |
			 (flags & PMT_HELD_MAP_PRIVATE ? MAP_PRIVATE : MAP_SHARED) |
			 (flags & PMT_HELD_MAP_NORESERVE ? MAP_NORESERVE : 0U) |
			 (flags & PMT_HELD_MAP_OTHER ? MAP_STACK : 0U),
		.stack = entry->stack,
		.arena = (flags & PMT_HELD_MAP_ARENA) != 0,
	};
}

bool dropped_event(const struct dropped *dropped, size_t i, struct reader_event *event)
{
	const struct pmt_totals_entry *entry = &dropped->held.entries[i];
	const unsigned kind = pmt_held_kind(entry);

	*event = (struct reader_event){.time_ns = dropped->numbers.time_ns,
				       .order = dropped->numbers.order,
				       .thread = entry->thread,
				       .held = true};
	if (kind >= PMT_HELD_BLOCK) {
		event->record.type = PMT_REC_alloc;
		event->record.alloc = (struct pmt_alloc){kind - PMT_HELD_BLOCK, entry->addr,
							 pmt_held_value(entry), entry->stack};
	} else if (kind == PMT_HELD_MAPPING) {
		event->record.type = PMT_REC_mmap;
		event->record.mmap = mapping_of(entry);
	}
	return kind >= PMT_HELD_BLOCK || kind == PMT_HELD_MAPPING;
}

int dropped_find(struct dropped *dropped, const struct chunk_file *file, struct chunk_index *index,
		 struct reader_damage *damage)
{
	dropped->held.known = file->held;
	if (read_all(dropped, file, index, damage) != 0)
		return -1;
	if (dropped->held.count != 0)
		qsort(dropped->held.entries, dropped->held.count, sizeof(*dropped->held.entries),
		      by_kind);
	if (dropped->chunks == 0)
		return 0;
	dropped->events +=
		dropped->numbers.frees + dropped->numbers.others - dropped->numbers.reallocs;
	remove_last(dropped, index);
	return 0;
}

void dropped_fini(struct dropped *dropped)
{
	free(dropped->sites);
	free(dropped->held.entries);
	*dropped = (struct dropped){0};
}

/*
 * What happens to a block in another slot comes under a greater order number than its allocation. A
 * late allocation is written at a later time than it was made.
 */
bool dropped_before(const struct dropped *dropped, uint64_t time_ns, uint64_t order, uint32_t slot,
		    bool late)
{
	const struct pmt_totals_numbers *numbers = &dropped->numbers;

	if (numbers->frees_from == PMT_TOTALS_FREES_NONE ||
	    (numbers->frees_from == PMT_TOTALS_FREES_ONE && numbers->frees_slot == slot))
		return true;
	return order > numbers->order || (!late && time_ns > numbers->time_ns);
}
