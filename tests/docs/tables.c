/* SPDX-License-Identifier: MIT */
/*
 * Prints what documents and man pages say about the format, from the tables that make the format.
 *
 *	tables TABLE		a Markdown table: header, chunk, records, names, options
 *	tables environment	options, one a line, fields separated by tabs
 *	tables example		decodes the chunk that stands on stdin in hexadecimal
 *
 * docs/generate.py puts the output into the documents.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "log.h"
#include "names.h"
#include "options.h"
#include "record.h"
#include "totals.h"

/* A field of a structure that is written in place. */
struct place {
	const char *name;
	const char *type;
	size_t offset;
	size_t size;
	const char *doc;
};

#define PLACE(structure, type, name, doc)                                                          \
	{                                                                                          \
#name, #type, offsetof(struct structure, name),                                    \
			sizeof(((struct structure *)0)->name), doc                                 \
	}

static const struct place header_places[] = {
	PLACE(pmt_header, u8[8], magic, "`89 50 4d 54 0d 0a 1a 0a`"),
	PLACE(pmt_header, u16, version_major, "a reader refuses another one than it knows"),
	PLACE(pmt_header, u16, version_minor, "may grow; a reader ignores it"),
	PLACE(pmt_header, u32, header_bytes, "size of the header: the first chunk begins here"),
	PLACE(pmt_header, u32, chunk_bytes, "size of every chunk, head included; a power of two"),
	PLACE(pmt_header, u32, page_bytes, "page size of the traced system"),
	PLACE(pmt_header, u64, features_compatible,
	      "bits that a reader may ignore; 1: the totals know what was live where the kept window begins, see [size limit](#the-size-limit)"),
	PLACE(pmt_header, u64, features_incompatible,
	      "bits that a reader must know; 1: [short-lived blocks](#short-lived-blocks) are folded; 2: there is a [size limit](#the-size-limit)"),
	PLACE(pmt_header, u32, pid, "process id"),
	PLACE(pmt_header, u32, parent_pid, "process id of the parent"),
	PLACE(pmt_header, u64, start_realtime_ns, "`CLOCK_REALTIME` at the start"),
	PLACE(pmt_header, u64, start_ns,
	      "`CLOCK_MONOTONIC` at the start; the clock of all records"),
	PLACE(pmt_header, u64, traced, "bit set: see [TRACED](#traced-numbers)"),
	PLACE(pmt_header, u32, python_version, "as `PY_VERSION_HEX`; 0: no Python"),
	PLACE(pmt_header, u32, pointer_bytes, "size of a pointer in the traced process"),
	PLACE(pmt_header, u64, rss_interval_ns, "distance of the resident-set samples; 0: none"),
	PLACE(pmt_header, u32, max_stack_depth, "frames kept of a stack"),
	PLACE(pmt_header, u32, texts_bytes, "size of the texts, from offset 256"),
	PLACE(pmt_header, struct, live, "what changes while the log is written; see below"),
	PLACE(pmt_header, u64, checksum, "of header and texts, with `live` and this field zero"),
};

static const struct place live_places[] = {
	PLACE(pmt_header_live, u32, state, "see [STATE](#state-numbers)"),
	PLACE(pmt_header_live, u32, stop_reason, "see [STOP](#stop-numbers)"),
	PLACE(pmt_header_live, u64, end_ns, "clock at the end; 0 while open"),
	PLACE(pmt_header_live, u64, chunks, "chunks handed to writers so far"),
	PLACE(pmt_header_live, u64, threads, "threads that wrote so far"),
	PLACE(pmt_header_live, u64, lost, "events lost after tracing stopped, or without a thread"),
	PLACE(pmt_header_live, u64, flags, "bit set: see [FLAG](#flag-numbers)"),
};

static const struct place chunk_places[] = {
	PLACE(pmt_chunk, u32, magic, "`43 48 4e 4b`, \"CHNK\"; written last"),
	PLACE(pmt_chunk, u16, kind, "see [CHUNK](#chunk-numbers)"),
	PLACE(pmt_chunk, u16, sealed, "1: full or closed, and the checksum holds; else 0"),
	PLACE(pmt_chunk, u32, slot, "whose chunk"),
	PLACE(pmt_chunk, u32, sequence, "number of this chunk in its slot, from 0"),
	PLACE(pmt_chunk, u64, time_ns, "clock at the chunk's start"),
	PLACE(pmt_chunk, u64, order, "order number at the chunk's start"),
	PLACE(pmt_chunk, u32, thread, "thread number at the chunk's start; 0: none"),
	PLACE(pmt_chunk, u32, committed, "bytes of whole records behind the head"),
	PLACE(pmt_chunk, u64, checksum,
	      "once sealed: of the head (this field and `sealed` zero) and the committed bytes"),
	PLACE(pmt_chunk, u64[2], reserved, "zero"),
};

static const struct place fold_places[] = {
	PLACE(pmt_fold, u32, slot, "slot of the thread's events"),
	PLACE(pmt_fold, u32, blocks, "number of places for blocks"),
	PLACE(pmt_fold, u32, sites, "number of places for sites"),
	PLACE(pmt_fold, u32, reserved, "zero"),
	PLACE(pmt_fold, u64, held_peak, "most bytes that the blocks had at one time"),
	PLACE(pmt_fold, u64, journal, "of the last block that was freed, see below; 0: none"),
	PLACE(pmt_fold, u64[4], reserved2, "zero"),
};

static const struct place foldblock_places[] = {
	PLACE(pmt_fold_block, u64, addr, "address; 0: an empty place"),
	PLACE(pmt_fold_block, u64, order, "the thread's order number at the allocation"),
	PLACE(pmt_fold_block, u32, size, "requested size in bytes"),
	PLACE(pmt_fold_block, u32, stack, "the stack that asked for it"),
	PLACE(pmt_fold_block, u32, number, "of this allocation in its thread, modulo 2^32"),
	PLACE(pmt_fold_block, u32, allocator, "see [ALLOCATOR](#allocator-numbers)"),
};

static const struct place foldsite_places[] = {
	PLACE(pmt_fold_site, u64, key, "`2^63 + (allocator << 32) + stack`; 0: an empty place"),
	PLACE(pmt_fold_site, u64[3], words, "counts and bytes, see below"),
};

static const struct place totals_places[] = {
	PLACE(pmt_totals, u64, dropped, "chunks that were dropped; below 2^32"),
	PLACE(pmt_totals, u32, sites, "number of places for sites in this chunk"),
	PLACE(pmt_totals, u32, entries,
	      "number of places for entries, which stand in place of sites; 0: none"),
	PLACE(pmt_totals, struct[2], numbers, "see below; `numbers[dropped & 1]` is valid"),
	PLACE(pmt_totals, u64, missing,
	      "of the first chunk: entries that found no place, at least"),
	PLACE(pmt_totals, u64, reserved2, "zero"),
};

static const struct place totalsentry_places[] = {
	PLACE(pmt_totals_entry, u64, addr, "see below"),
	PLACE(pmt_totals_entry, u64, what, "kind << 56 + value"),
	PLACE(pmt_totals_entry, u32, stack, "the stack that asked for it"),
	PLACE(pmt_totals_entry, u32, thread, "number of the thread that made it"),
	PLACE(pmt_totals_entry, u32, since,
	      "valid once so many chunks were dropped; 0: an empty place"),
	PLACE(pmt_totals_entry, u32, until, "no more valid once so many were dropped; 0: for ever"),
};

static const struct place totalsnumbers_places[] = {
	PLACE(pmt_totals_numbers, u64, time_ns, "greatest time of a dropped record"),
	PLACE(pmt_totals_numbers, u64, order, "greatest order number"),
	PLACE(pmt_totals_numbers, u64, frees,
	      "`free` records, `realloc` records with an old block, blocks of `folded` records"),
	PLACE(pmt_totals_numbers, u64, folded,
	      "blocks of `folded` records; the counts of sites have them, too"),
	PLACE(pmt_totals_numbers, u64, folded_bytes, "requested bytes of these"),
	PLACE(pmt_totals_numbers, u64, others, "events that are about no block"),
	PLACE(pmt_totals_numbers, u64, lost, "sum of the `lost` records"),
	PLACE(pmt_totals_numbers, u32, slot, "slot of the chunk that was dropped last"),
	PLACE(pmt_totals_numbers, u32, sequence, "its number in the slot"),
	PLACE(pmt_totals_numbers, u32, frees_from,
	      "slots with a record that ended a block or changed mappings; 0: none, 1: one, 2: "
	      "several"),
	PLACE(pmt_totals_numbers, u32, frees_slot, "the first one"),
	PLACE(pmt_totals_numbers, u64, reallocs,
	      "`realloc` records that are an allocation and a free"),
};

static const struct place totalssite_places[] = {
	PLACE(pmt_totals_site, u32, stack, "the stack that asked for the blocks"),
	PLACE(pmt_totals_site, u32, allocator, "see [ALLOCATOR](#allocator-numbers)"),
	PLACE(pmt_totals_site, u32[2], dropped,
	      "as of which dropped chunk each half is, from 1; 0: it is empty"),
	PLACE(pmt_totals_site, u64[4], halves, "of each half: allocations, their requested bytes"),
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Also checks that the table names every byte: a new field must be described. */
static int print_places(const struct place *places, size_t count, size_t whole)
{
	size_t end = 0;

	puts("| offset | size | type | field | meaning |\n|---:|---:|---|---|---|");
	for (size_t i = 0; i < count; i++) {
		const struct place *p = &places[i];

		if (p->offset != end) {
			fprintf(stderr, "tables.c: nothing is said about the bytes before %s\n",
				p->name);
			return 1;
		}
		printf("| %zu | %zu | %s | `%s` | %s |\n", p->offset, p->size, p->type, p->name,
		       p->doc);
		end = p->offset + p->size;
	}
	if (end != whole)
		fprintf(stderr, "tables.c: nothing is said about the last bytes of a structure\n");
	return end != whole;
}

static int print_header(void)
{
	return print_places(header_places, COUNT(header_places), sizeof(struct pmt_header));
}

static int print_live(void)
{
	return print_places(live_places, COUNT(live_places), sizeof(struct pmt_header_live));
}

static int print_chunk(void)
{
	return print_places(chunk_places, COUNT(chunk_places), sizeof(struct pmt_chunk));
}

static int print_fold(void)
{
	return print_places(fold_places, COUNT(fold_places), sizeof(struct pmt_fold));
}

static int print_foldblock(void)
{
	return print_places(foldblock_places, COUNT(foldblock_places),
			    sizeof(struct pmt_fold_block));
}

static int print_foldsite(void)
{
	return print_places(foldsite_places, COUNT(foldsite_places), sizeof(struct pmt_fold_site));
}

static int print_totals(void)
{
	return print_places(totals_places, COUNT(totals_places), sizeof(struct pmt_totals));
}

static int print_totalsnumbers(void)
{
	return print_places(totalsnumbers_places, COUNT(totalsnumbers_places),
			    sizeof(struct pmt_totals_numbers));
}

static int print_totalssite(void)
{
	return print_places(totalssite_places, COUNT(totalssite_places),
			    sizeof(struct pmt_totals_site));
}

static int print_totalsentry(void)
{
	return print_places(totalsentry_places, COUNT(totalsentry_places),
			    sizeof(struct pmt_totals_entry));
}

static void print_record(const struct pmt_record_info *info)
{
	printf("\n### %s\n\n%s\n\n", info->name, info->doc);
	if (info->variants == 1)
		printf("Tag `0x%02x`, %s.\n\n", info->tag, info->form);
	else
		printf("Tags `0x%02x` to `0x%02x`, %s: the tag carries the variant, 0 to %u.\n\n",
		       info->tag, info->tag + info->variants - 1, info->form, info->variants - 1);
	puts("| field | codec | meaning |\n|---|---|---|");
	for (const struct pmt_field *f = info->fields; f->name != NULL; f++)
		printf("| `%s` | %s | %s |\n", f->name, f->codec, f->doc);
}

static int print_records(void)
{
	puts("| tag | record | form | meaning |\n|---|---|---|---|");
	for (size_t i = 0; i < PMT_REC_COUNT; i++) {
		const struct pmt_record_info *info = &pmt_record_infos[i];

		printf("| `0x%02x`", info->tag);
		if (info->variants > 1)
			printf("-`0x%02x`", info->tag + info->variants - 1);
		printf(" | [%s](#%s) | %s | %s |\n", info->name, info->name, info->form, info->doc);
	}
	for (size_t i = 0; i < PMT_REC_COUNT; i++)
		print_record(&pmt_record_infos[i]);
	return 0;
}

static int print_names(void)
{
	const char *set = "";

	for (const struct pmt_name *n = pmt_name_table; n->set != NULL; n++) {
		if (strcmp(n->set, set) != 0)
			printf("%s### %s numbers\n\n| number | name | meaning |\n|---:|---|---|\n",
			       *set == '\0' ? "" : "\n", n->set);
		set = n->set;
		printf("| %u | %s | %s |\n", n->number, n->name, n->doc);
	}
	return 0;
}

/* What an option allows: what the check of a wrong value says. */
static void allowed(const struct pmt_option_info *info, char *text, size_t size)
{
	struct pmt_options unused;

	pmt_options_init(&unused);
	if (pmt_option_set(&unused, info, "", text, size) == 0)
		snprintf(text, size, "any text");
}

static int print_environment(void)
{
	for (const struct pmt_option_info *i = pmt_option_infos; i->env != NULL; i++) {
		char text[200];

		allowed(i, text, sizeof(text));
		printf("%s\t%s\t%s\t%s\t%s\n", i->env, i->flag, i->standard, text, i->doc);
	}
	return 0;
}

/* Bytes of stdin: pairs of hexadecimal digits; everything from a # to the line's end is passed
 * over. */
static size_t read_hex(uint8_t *data, size_t room)
{
	size_t used = 0;
	int c, high = -1;

	while ((c = getchar()) != EOF) {
		const char *digits = "0123456789abcdef";
		const char *found;

		while (c == '#' && (c = getchar()) != '\n' && c != EOF)
			c = '#';
		found = c > 0 ? strchr(digits, c) : NULL;
		if (found == NULL)
			continue;
		if (high < 0) {
			high = (int)(found - digits);
		} else if (used < room) {
			data[used++] = (uint8_t)(high << 4 | (int)(found - digits));
			high = -1;
		}
	}
	return used;
}

static void print_field(const struct pmt_record *record, const struct pmt_field *f)
{
	const char *place = (const char *)record + f->offset;
	struct pmt_bytes bytes;
	uint64_t number;

	if (strcmp(f->codec, "bytes") == 0) {
		memcpy(&bytes, place, sizeof(bytes));
		printf("%s=\"%.*s\"", f->name, (int)bytes.size, (const char *)bytes.data);
		return;
	}
	memcpy(&number, place, sizeof(number));
	printf(strcmp(f->show, "addr") == 0 ? "%s=0x%" PRIx64 : "%s=%" PRIu64, f->name, number);
}

static void print_decoded(size_t offset, const uint8_t *from, const uint8_t *to,
			  const struct pmt_record *record)
{
	printf("| %zu | `", offset);
	for (const uint8_t *p = from; p < to; p++)
		printf("%s%02x", p == from ? "" : " ", *p);
	if (record->type == PMT_REC_UNKNOWN) {
		puts("` | unknown | |");
		return;
	}
	const struct pmt_record_info *info = &pmt_record_infos[record->type];

	printf("` | %s | ", info->name);
	for (const struct pmt_field *f = info->fields; f->name != NULL; f++) {
		if (f != info->fields)
			printf(", ");
		print_field(record, f);
	}
	puts(" |");
}

static int print_example(void)
{
	static union {
		struct pmt_chunk head;
		uint8_t bytes[PMT_CHUNK_BYTES_MIN];
	} chunk;
	const size_t size = read_hex(chunk.bytes, sizeof(chunk.bytes));
	const struct pmt_chunk *head = &chunk.head;
	const uint8_t *start = (const uint8_t *)(head + 1);
	struct pmt_decoder d = {
		start, start + head->committed, {.time_ns = head->time_ns, .order = head->order}};
	struct pmt_record record;
	int rc;

	if (size < sizeof(*head) || head->magic != PMT_CHUNK_MAGIC ||
	    head->committed != size - sizeof(*head) ||
	    (head->sealed && head->checksum != pmt_chunk_checksum(head))) {
		fprintf(stderr, "the example is not a whole chunk\n");
		return 1;
	}
	puts("| offset | bytes | record | fields |\n|---:|---|---|---|");
	for (const uint8_t *p = d.cur; (rc = pmt_get_record(&d, &record)) > 0; p = d.cur)
		print_decoded((size_t)(p - chunk.bytes), p, d.cur, &record);
	return rc != 0;
}

static const struct {
	const char *name;
	int (*print)(void);
} tables[] = {
	{"header", print_header},	  {"live", print_live},
	{"chunk", print_chunk},		  {"records", print_records},
	{"names", print_names},		  {"environment", print_environment},
	{"example", print_example},	  {"fold", print_fold},
	{"foldblock", print_foldblock},	  {"foldsite", print_foldsite},
	{"totals", print_totals},	  {"totalsnumbers", print_totalsnumbers},
	{"totalssite", print_totalssite}, {"totalsentry", print_totalsentry},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < COUNT(tables); i++)
		if (strcmp(tables[i].name, argv[1]) == 0)
			return tables[i].print();
	fprintf(stderr, "usage: tables TABLE\n");
	return 2;
}
