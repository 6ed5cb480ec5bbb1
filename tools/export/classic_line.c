/* SPDX-License-Identifier: MIT */
/*
 * Single lines of the classic layouts. The widths are those of the logs of cPyMemTrace: programs
 * cut such lines by column.
 */
#include "classic_line.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"

/* No text of a log is longer, so nothing is cut. */
#define WHOLE SIZE_MAX

/* Whether every byte is one column, and escaping leaves it as it is. */
static bool is_plain(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((uint8_t)text[i] < 0x20 || (uint8_t)text[i] >= 0x7f)
			return false;
	return true;
}

static void put_spaces(FILE *out, size_t done, size_t width)
{
	for (; done < width; done++)
		putc_unlocked(' ', out);
}

/* An escaped text, and spaces up to WIDTH characters. */
static void put_padded(FILE *out, const char *text, size_t width)
{
	const size_t size = strlen(text);
	size_t columns = 0;
	char *escaped = NULL;
	size_t length = 0;

	if (is_plain(text, size)) {
		fwrite_unlocked(text, 1, size, out);
		put_spaces(out, size, width);
		return;
	}
	FILE *memory = open_memstream(&escaped, &length);

	if (memory == NULL)
		return;
	escape_terminal(memory, text, WHOLE);
	if (fclose(memory) == 0) {
		for (size_t i = 0; i < length; i++)
			columns += (escaped[i] & 0xc0) != 0x80;
		fwrite_unlocked(escaped, 1, length, out);
		put_spaces(out, columns, width);
	}
	free(escaped);
}

/* A field and the space behind it. */
static void put_field(FILE *out, const char *text, size_t width)
{
	put_padded(out, text, width);
	putc_unlocked(' ', out);
}

void classic_put_header(FILE *out)
{
	fprintf(out, "HDR: %-12s %-6s  %-12s %-8s %-80s %4s %-32s %12s %12s\n", "Event", "dEvent",
		"Clock", "What", "File", "Line", "Function", "RSS", "dRSS");
}

void classic_put_line(FILE *out, const struct classic_line *line)
{
	fprintf(out, "%s: %-12" PRIu64 " +%-6" PRIu64 " %-12.6f %-8s ", line->label, line->number,
		line->since, line->clock_s, line->what);
	put_field(out, line->file, 80);
	fprintf(out, "%4" PRIu32 " ", line->line);
	put_field(out, line->function, 32);
	fprintf(out, "%12" PRIu64 " %12" PRId64 "\n", line->rss_bytes, line->growth_bytes);
}

void classic_put_message(FILE *out, const struct classic_line *line, const void *text, size_t size)
{
	fprintf(out, "MSG:  %-12" PRIu64 " +%-6" PRIu64 " %-12.6f # ", line->number, line->since,
		line->clock_s);
	escape_terminal_sized(out, text, size, WHOLE);
	putc_unlocked('\n', out);
}

void classic_put_raw(FILE *out, const void *text, size_t size)
{
	const char *at = text;

	while (size != 0) {
		size_t plain = 0;

		while (plain < size && at[plain] != '\n' && at[plain] != '\t')
			plain++;
		escape_terminal_sized(out, at, plain, WHOLE);
		if (plain < size)
			putc_unlocked(at[plain++], out);
		at += plain;
		size -= plain;
	}
	putc_unlocked('\n', out);
}

void classic_put_object_header(FILE *out)
{
	fprintf(out, "HDR: %12s %16s %16s %-32s %-80s %4s %-40s %16s %16s\n", "Clock", "Address",
		"LiveCnt", "Type", "File", "Line", "Function", "RSS", "dRSS");
}

void classic_put_object(FILE *out, const struct classic_object *object)
{
	char addr[24];

	snprintf(addr, sizeof(addr), "0x%" PRIx64, object->addr);
	fprintf(out, "%s: %12.6f %16s %16" PRId64 " ", object->label, object->clock_s, addr,
		object->live);
	put_field(out, object->type, 32);
	put_field(out, object->file, 80);
	fprintf(out, "%4" PRIu32 " ", object->line);
	put_field(out, object->function, 40);
	fprintf(out, "%16" PRIu64 " %16" PRId64 "\n", object->rss_bytes, object->growth_bytes);
}

void classic_put_object_message(FILE *out, double clock_s, const void *text, size_t size)
{
	fprintf(out, "MSG: %12.6f # ", clock_s);
	escape_terminal_sized(out, text, size, WHOLE);
	putc_unlocked('\n', out);
}
