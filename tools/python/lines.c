/* SPDX-License-Identifier: MIT */
/* The rows of the table of lines. */
#include "lines.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

void lines_init(struct lines *lines, const struct lines_options *options)
{
	memset(lines, 0, sizeof(*lines));
	lines->options = *options;
	hashindex_init(&lines->index, "lines");
	frames_init(&lines->frames);
}

void lines_fini(struct lines *lines)
{
	for (uint32_t i = 0; lines->rows != NULL && i <= lines->count; i++)
		free(lines->rows[i].source);
	free(lines->rows);
	hashindex_fini(&lines->index);
	frames_fini(&lines->frames);
	memset(lines, 0, sizeof(*lines));
}

struct key {
	const struct lines_row *rows;
	const struct lines_row *row;
};

static bool is_same(const void *context, uint32_t number)
{
	const struct key *key = context;
	const struct lines_row *a = &key->rows[number];
	const struct lines_row *b = key->row;

	return a->file == b->file && a->function == b->function && a->line == b->line;
}

uint32_t lines_row(struct lines *lines, const struct reader_code *code, uint32_t line)
{
	const struct lines_row row = {
		.found = filter_look(&lines->options.filter, code->file, code->qualname),
		.file = frames_text(&lines->frames, code->file),
		.function = frames_text(&lines->frames, code->qualname),
		.name = frames_text(&lines->frames, code->name),
		.line = line,
	};

	const struct key key = {lines->rows, &row};
	const uint64_t names = (uint64_t)row.file << 32 | row.function;
	const uint64_t hash = hashindex_mix(&lines->index, names, line);
	const uint32_t found = hashindex_find(&lines->index, hash, is_same, &key);

	if (found != 0)
		return found;
	const uint32_t number = ++lines->count;

	lines->rows = need_room(lines->rows, number, &lines->room, sizeof(*lines->rows));
	if (number == 1)
		lines->rows[0] = (struct lines_row){0};
	lines->rows[number] = row;
	hashindex_add(&lines->index, hash, number);
	return number;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_signed(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* Largest first, of equals the first that was executed. */
static int by_sort(const void *left, const void *right, void *context)
{
	const struct lines_options *options = context;
	const struct lines_row *a = left;
	const struct lines_row *b = right;
	int order = 0;

	switch ((enum lines_sort)options->sort) {
	case LINES_BY_ORDER:
		break;
	case LINES_BY_HITS:
		order = compare_numbers(b->hits, a->hits);
		break;
	case LINES_BY_TOTAL:
		order = compare_signed(b->rss.total, a->rss.total);
		break;
	case LINES_BY_LARGEST:
		order = compare_signed(b->rss.largest, a->rss.largest);
		break;
	}
	return order != 0 ? order : compare_numbers(a->order, b->order);
}

void lines_finish(struct lines *lines)
{
	uint32_t count = 0;

	for (uint32_t i = 1; i <= lines->count; i++)
		if (lines->rows[i].order != 0)
			lines->rows[count++] = lines->rows[i];
	lines->count = count;
	for (uint32_t i = 0; i < count; i++) {
		lines->charged =
			(int64_t)((uint64_t)lines->charged + (uint64_t)lines->rows[i].rss.total);
		lines->has_uss |= lines->rows[i].uss.known;
	}
	if (count != 0)
		qsort_r(lines->rows, count, sizeof(*lines->rows), by_sort, &lines->options);
}
