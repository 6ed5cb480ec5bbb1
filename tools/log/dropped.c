/* SPDX-License-Identifier: MIT */
/* Totals chunks. */
#include "dropped.h"

#include <stdlib.h>

#include "error.h"
#include "names.h"
#include "record.h"

static void lose(const struct chunk_ref *ref, struct reader_damage *damage)
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
		dropped->numbers = totals->numbers[totals->dropped & 1];
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
static bool belongs(const struct chunk_ref *ref, const struct chunk_ref *last)
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
		rc = file->recycled && belongs(ref, last) ? chunks_load(file, ref, &buffer) : 0;
		if (rc > 0 && take_chunk(dropped, ref, buffer.chunk, damage))
			last = ref;
		else if (rc >= 0)
			lose(ref, damage);
	}
	chunks_buffer_fini(&buffer);
	return rc < 0 ? -1 : 0;
}

int dropped_find(struct dropped *dropped, const struct chunk_file *file, struct chunk_index *index,
		 struct reader_damage *damage)
{
	if (read_all(dropped, file, index, damage) != 0)
		return -1;
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
