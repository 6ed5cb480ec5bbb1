/* SPDX-License-Identifier: MIT */
/* From the records of a census to sites by type. */
#include "census.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "error.h"
#include "names.h"

void census_init(struct census *census, const char *wanted)
{
	memset(census, 0, sizeof(*census));
	census->wanted = wanted;
	sites_init(&census->sites);
	heap_init(&census->missing);
}

void census_fini(struct census *census)
{
	for (uint64_t i = 0; i < census->ids.count; i++)
		free(census->names[i]);
	free(census->names);
	free(census->left);
	free(census->label);
	idmap_fini(&census->ids);
	sites_fini(&census->sites);
	heap_fini(&census->missing);
	memset(census, 0, sizeof(*census));
}

/* A copy as a C string; a NUL in it cuts it. */
static char *copy_text(const struct pmt_bytes *text)
{
	char *copy = need_memory(text->size + 1UL);

	if (text->size != 0)
		memcpy(copy, text->data, text->size);
	copy[text->size] = '\0';
	return copy;
}

static bool is_wanted(const struct census *census, const struct pmt_census *record)
{
	const char *wanted = census->wanted;
	char number[24];

	if (wanted == NULL)
		return true;
	snprintf(number, sizeof(number), "%" PRIu64, record->number);
	return strcmp(wanted, number) == 0 ||
	       (record->moment == PMT_MOMENT_END && strcmp(wanted, "end") == 0) ||
	       (record->moment == PMT_MOMENT_SNAPSHOT && strlen(wanted) == record->label.size &&
		memcmp(wanted, record->label.data, record->label.size) == 0);
}

static bool is_object(uint32_t kind)
{
	return kind == PMT_ALLOCATOR_PYOBJECT_MALLOC || kind == PMT_ALLOCATOR_PYOBJECT_CALLOC ||
	       kind == PMT_ALLOCATOR_PYOBJECT_REALLOC;
}

static void begin_census(struct census *census, const struct pmt_census *record,
			 const struct census_place *place)
{
	const struct sites *blocks = place->blocks;
	const char *wanted = census->wanted;

	census_fini(census);
	census_init(census, wanted);
	census->found = census->taking = true;
	census->number = record->number;
	census->moment = record->moment;
	census->time_ns = place->time_ns;
	census->order = place->order;
	census->early_number = place->early->number;
	census->label = copy_text(&record->label);
	census->left_count = blocks->count + 1;
	census->left = need_memory(census->left_count * sizeof(*census->left));
	memset(census->left, 0, census->left_count * sizeof(*census->left));
	for (uint32_t i = 1; i <= blocks->count; i++)
		if (is_object(blocks->sites[i].kind))
			census->left[i] = blocks->sites[i];
}

static void add_missing(struct census *census, uint64_t addr, uint32_t type)
{
	struct heap_block unused;

	heap_put(&census->missing, addr, &(struct heap_block){.site = type}, &unused);
}

/* The block at ADDR is of TYPE. One that was named before is passed over. */
static void add_block(struct census *census, uint64_t addr, uint32_t type, const struct heap *heap)
{
	struct heap_block block;
	struct site *left;

	census->listed++;
	if (!heap_look(heap, addr, &block)) {
		add_missing(census, addr, type);
		return;
	}
	if (block.site >= census->left_count)
		return;
	left = &census->left[block.site];
	if (left->live.count == 0 || left->live.bytes < block.size_bytes)
		return;
	left->live.count--;
	left->live.bytes -= block.size_bytes;
	sites_change(&census->sites, sites_find(&census->sites, left->stack, left->thread, type),
		     (int64_t)block.size_bytes, 1);
}

/*
 * A block: the distance from the one before in units of 16 bytes, times two, plus one when it is of
 * the same type; else the id of its type follows. Returns 1, 0 at the end, -1 when it makes no
 * sense.
 */
static int next_block(struct pmt_decoder *d, uint64_t *addr, uint64_t *type)
{
	uint64_t step;

	if (d->cur == d->end)
		return 0;
	if (codec_get_uint(d, &step) != 0)
		return -1;
	*addr += step >> 1 << 4;
	if (!(step & 1) && codec_get_uint(d, type) != 0)
		return -1;
	return *type == 0 || *type >= CENSUS_UNSEEN ? -1 : 1;
}

static void add_blocks(struct census *census, const struct pmt_type_live *record,
		       const struct heap *heap)
{
	struct pmt_decoder d = {
		record->blocks.data, record->blocks.data + record->blocks.size, {.addr = 0}};
	uint64_t addr = record->addr, type = 0, count = 0;
	int rc;

	while ((rc = next_block(&d, &addr, &type)) == 1) {
		add_block(census, addr, (uint32_t)type, heap);
		count++;
	}
	if (rc != 0 || count != record->count)
		census->damaged = true;
}

static const char *name_of_kind(uint64_t kind)
{
	switch (kind) {
	case PMT_TYPEKIND_NONE:
		return "<no object>";
	case PMT_TYPEKIND_FREE:
		return "<free list>";
	default:
		return NULL;
	}
}

/* "module.Name" */
static char *full_name(const struct pmt_type_name *record)
{
	const char *kind = name_of_kind(record->kind);
	char *module, *name, *full;

	if (kind != NULL)
		return strcpy(need_memory(strlen(kind) + 1), kind);
	module = copy_text(&record->module);
	name = copy_text(&record->name);
	full = need_memory(strlen(module) + strlen(name) + 2);
	if (*module == '\0' || strcmp(module, "builtins") == 0)
		strcpy(full, name);
	else
		sprintf(full, "%s.%s", module, name);
	free(module);
	free(name);
	return full;
}

static void add_name(struct census *census, const struct pmt_type_name *record)
{
	const size_t count = census->ids.count;

	if (idmap_put(&census->ids, record->id, (uint32_t)count) != 0) {
		census->damaged = true;
		return;
	}
	if (count == census->names_room) {
		census->names_room = count * 2 + 64;
		census->names =
			need_resize(census->names, census->names_room * sizeof(*census->names));
	}
	census->names[count] = full_name(record);
	census->announced += record->count;
}

void census_add(struct census *census, const struct pmt_record *record,
		const struct census_place *place)
{
	switch (record->type) {
	case PMT_REC_census:
		census->taking = false;
		if (is_wanted(census, &record->census))
			begin_census(census, &record->census, place);
		break;
	case PMT_REC_type_live:
		if (census->taking)
			add_blocks(census, &record->type_live, place->heap);
		break;
	case PMT_REC_type_name:
		if (census->taking)
			add_name(census, &record->type_name);
		break;
	default:
		break;
	}
}

/* Of waiting frees, those that came before the census have the smaller numbers. */
static bool ended_before(const struct census *census, const struct census_late *late)
{
	return late->ended && (int32_t)(late->early_taken - census->early_number) <= 0;
}

void census_add_late(struct census *census, const struct census_late *late)
{
	struct heap_block missing;
	uint32_t type = CENSUS_UNSEEN;

	if (!is_object(late->site->kind) || ended_before(census, late))
		return;
	if (heap_take(&census->missing, late->addr, &missing))
		type = missing.site;
	sites_change(&census->sites,
		     sites_find(&census->sites, late->site->stack, late->site->thread, type),
		     (int64_t)late->size_bytes, 1);
}

void census_finish(struct census *census)
{
	for (uint32_t i = 1; i < census->left_count; i++) {
		const struct site *left = &census->left[i];

		if (left->live.count != 0 || left->live.bytes != 0)
			sites_change(&census->sites,
				     sites_find(&census->sites, left->stack, left->thread,
						CENSUS_UNSEEN),
				     (int64_t)left->live.bytes, (int64_t)left->live.count);
	}
	census->left_count = 0;
}

bool census_complete(const struct census *census)
{
	return !census->damaged && census->listed == census->announced;
}

const char *census_name(const struct census *census, uint32_t type, char buffer[32])
{
	const int64_t i = idmap_get(&census->ids, type);

	if (type == CENSUS_UNSEEN)
		return "<not looked at>";
	if (i >= 0 && *census->names[i] != '\0')
		return census->names[i];
	snprintf(buffer, 32, "<type %" PRIu32 ">", type);
	return buffer;
}
