/* SPDX-License-Identifier: MIT */
/* The rows of lines as mempulse's table, as our own, and as JSON. */
#include "lines_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "escape.h"
#include "listing.h"
#include "report.h"

/* Columns of mempulse's table, in characters. */
enum { CALLSITE = 64, METHOD = 24, DASHES = 140, KEPT = 61, METHOD_KEPT = 21 };

static uint32_t count_shown(const struct lines *lines, const struct lines_print *how)
{
	return how->limit < lines->count ? (uint32_t)how->limit : lines->count;
}

/* --- mempulse's table --- */

/* Where the last CHARACTERS characters begin; *COUNT gets how many there are in all. */
static const char *tail_of(const char *text, size_t size, size_t characters, size_t *count)
{
	size_t i = size;
	const char *from = text;

	*count = 0;
	while (i > 0) {
		while (--i > 0 && ((uint8_t)text[i] & 0xc0) == 0x80)
			;
		if (++*count == characters)
			from = text + i;
	}
	return from;
}

/* A text of the program in WIDTH characters; of a longer one "..." and the last KEPT. */
static void put_cut(const char *text, size_t size, size_t width, size_t kept)
{
	size_t count;
	const char *end = tail_of(text, size, kept, &count);

	if (count > width) {
		printf("...%s", end);
		count = kept + 3;
	} else {
		fputs(text, stdout);
	}
	printf("%*s", (int)(width - count) + 1, "");
}

/* FILE, and the line if it is not 0, escaped. free() it. */
static char *escape_line(const char *text, uint32_t line, size_t *size)
{
	char *out = NULL;
	FILE *memory = open_memstream(&out, size);

	if (memory == NULL)
		die(EXIT_DATA, "out of memory");
	escape_terminal(memory, text, SIZE_MAX);
	if (line != 0)
		fprintf(memory, ":%" PRIu32, line);
	if (fclose(memory) != 0)
		die(EXIT_DATA, "out of memory");
	return out;
}

static void put_escaped(const char *text, uint32_t line, size_t width, size_t kept)
{
	size_t size;
	char *out = escape_line(text, line, &size);

	put_cut(out, size, width, kept);
	free(out);
}

static void put_figures(bool known, uint64_t uss, uint64_t swap, uint64_t peak)
{
	report_buffer buffers[3];

	if (known)
		printf("%16s %16s %16s\n", report_count(uss, buffers[0]),
		       report_count(swap, buffers[1]), report_count(peak, buffers[2]));
	else
		printf("%16s %16s %16s\n", "-", "-", "-");
}

void lines_print_classic(const struct lines *lines, const struct lines_print *how)
{
	report_buffer rss;

	printf("%-64s %-24s %16s %16s %16s\n", "Callsite", "Method Name", "USS", "Swap",
	       lines->has_uss ? "Peak RSS" : "RSS");
	for (int i = 0; i < DASHES; i++)
		putchar('-');
	putchar('\n');
	for (uint32_t i = 0; i < count_shown(lines, how); i++) {
		const struct lines_row *row = &lines->rows[i];

		put_escaped(lines->frames.texts[row->file], row->line, CALLSITE, KEPT);
		put_escaped(lines->frames.texts[row->name], 0, METHOD, METHOD_KEPT);
		if (lines->has_uss)
			put_figures(row->uss.known, row->uss.first, row->swap, row->peak);
		else
			printf("%16s %16s %16s\n", "-", "-",
			       row->rss.known ? report_count(row->rss.first, rss) : "-");
	}
	putchar('\n');
}

/* --- source --- */

static void read_source(struct lines *lines, uint32_t count)
{
	struct listing *listings = need_memory((count + 1UL) * sizeof(*listings));

	for (uint32_t i = 0; i < count; i++)
		listings[i] = (struct listing){lines->frames.texts[lines->rows[i].file],
					       lines->rows[i].line, &lines->rows[i].source};
	listing_read(listings, count);
	free(listings);
}

/* --- our own table --- */

static void put_head(const struct lines *lines)
{
	report_buffer a, b, c, d;

	printf("%s execution%s of %s line%s\n", report_count(lines->hits, a),
	       lines->hits == 1 ? "" : "s", report_count(lines->count, b),
	       lines->count == 1 ? "" : "s");
	printf("RSS changed by %s in them, by %s elsewhere\n", report_change(lines->charged, c),
	       report_change(lines->elsewhere, d));
	if (lines->skipped != 0)
		printf("note: filters passed over %s events; what changed meanwhile is counted for the line before\n",
		       report_count(lines->skipped, a));
}

static void put_change(const struct lines_change *figure)
{
	report_buffer first, last, total, largest;

	if (!figure->known) {
		printf("%12s%12s%12s%12s", "-", "-", "-", "-");
		return;
	}
	printf("%12s%12s", report_cell(figure->first, first), report_cell(figure->last, last));
	if (figure->count != 0)
		printf("%12s%12s", report_change_cell(figure->total, total),
		       report_change_cell(figure->largest, largest));
	else
		printf("%12s%12s", "-", "-");
}

static void put_row(const struct lines *lines, const struct lines_row *row)
{
	report_buffer hits;

	printf("%12s", report_count(row->hits, hits));
	put_change(&row->rss);
	if (lines->has_uss)
		put_change(&row->uss);
	fputs("  ", stdout);
	escape_terminal(stdout, lines->frames.texts[row->file], ESCAPE_LENGTH);
	if (row->line != 0)
		printf(":%" PRIu32, row->line);
	putchar(' ');
	escape_terminal(stdout, lines->frames.texts[row->function], ESCAPE_LENGTH);
	if (row->source != NULL) {
		fputs("  | ", stdout);
		escape_terminal(stdout, row->source, ESCAPE_LENGTH);
	}
	putchar('\n');
}

/* What the lines from FIRST on have in all. */
static void put_rest(const struct lines *lines, uint32_t first)
{
	uint64_t hits = 0, rss = 0, uss = 0;
	report_buffer buffer, change;

	for (uint32_t i = first; i < lines->count; i++) {
		hits += lines->rows[i].hits;
		rss += (uint64_t)lines->rows[i].rss.total;
		uss += (uint64_t)lines->rows[i].uss.total;
	}
	printf("%12s%24s%12s", report_count(hits, buffer), "",
	       report_change_cell((int64_t)rss, change));
	if (lines->has_uss)
		printf("%36s%12s", "", report_change_cell((int64_t)uss, buffer));
	printf("%12s  %s more\n", "", report_count(lines->count - first, buffer));
}

void lines_print_table(struct lines *lines, const struct lines_print *how)
{
	const uint32_t count = count_shown(lines, how);

	if (how->source)
		read_source(lines, count);
	put_head(lines);
	if (lines->count == 0)
		return;
	printf("\n%12s%12s%12s%12s%12s", "hits", "RSS first", "last", "change", "largest");
	if (lines->has_uss)
		printf("%12s%12s%12s%12s", "USS first", "last", "change", "largest");
	fputs("  line\n", stdout);
	for (uint32_t i = 0; i < count; i++)
		put_row(lines, &lines->rows[i]);
	if (count < lines->count)
		put_rest(lines, count);
}

/* --- JSON --- */

static void put_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key,
			    text == NULL ? json_null() : report_json_text(text, strlen(text)));
}

/* Null where it is not known. */
static void put_known(json_t *object, const char *key, bool known, uint64_t value)
{
	json_object_set_new(object, key, known ? report_json_number(value) : json_null());
}

static json_t *json_change(const struct lines_change *figure)
{
	json_t *object = json_object();
	const bool known = figure->known && figure->count != 0;

	put_known(object, "first", figure->known, figure->first);
	put_known(object, "last", figure->known, figure->last);
	json_object_set_new(object, "change", known ? json_integer(figure->total) : json_null());
	json_object_set_new(object, "largest", known ? json_integer(figure->largest) : json_null());
	return object;
}

static json_t *json_row(const struct lines *lines, const struct lines_row *row, bool source)
{
	json_t *object = json_object();

	put_text(object, "file", lines->frames.texts[row->file]);
	put_known(object, "line", row->line != 0, row->line);
	put_text(object, "function", lines->frames.texts[row->function]);
	report_put_number(object, "hits", row->hits);
	json_object_set_new(object, "rss", json_change(&row->rss));
	json_object_set_new(object, "uss", json_change(&row->uss));
	put_known(object, "swap", row->uss.known, row->swap);
	put_known(object, "peak_rss", row->uss.known, row->peak);
	if (source)
		put_text(object, "source", row->source);
	return object;
}

void lines_print_json(struct lines *lines, const struct lines_print *how)
{
	json_t *object = json_object();
	json_t *rows = json_array();

	if (how->source)
		read_source(lines, count_shown(lines, how));
	for (uint32_t i = 0; i < count_shown(lines, how); i++)
		json_array_append_new(rows, json_row(lines, &lines->rows[i], how->source));
	report_put_number(object, "executions", lines->hits);
	json_object_set_new(object, "rss_change", json_integer(lines->charged));
	json_object_set_new(object, "rss_change_elsewhere", json_integer(lines->elsewhere));
	report_put_number(object, "skipped", lines->skipped);
	json_object_set_new(object, "lines", rows);
	report_json_print(object);
}
