/* SPDX-License-Identifier: MIT */
/* The rows of the table of lines. */
#include "lines.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "mix.h"

enum { INDEX_FIRST = 1024 };

void lines_init(struct lines *lines, const struct lines_options *options)
{
	memset(lines, 0, sizeof(*lines));
	lines->options = *options;
	lines->factor = mix_factor();
	frames_init(&lines->frames);
}

void lines_fini(struct lines *lines)
{
	for (uint32_t i = 0; lines->rows != NULL && i <= lines->count; i++)
		free(lines->rows[i].source);
	free(lines->rows);
	free(lines->index);
	frames_fini(&lines->frames);
	memset(lines, 0, sizeof(*lines));
}

static uint32_t *row_cell(const struct lines *lines, const struct lines_row *key)
{
	uint64_t hash = mix(lines->factor, (uint64_t)key->file << 32 | key->function);

	hash = mix(lines->factor, hash + key->line);
	for (uint32_t i = (uint32_t)(hash >> 32);; i++) {
		uint32_t *cell = &lines->index[i & lines->index_mask];
		const struct lines_row *row = &lines->rows[*cell];

		if (*cell == 0 || (row->file == key->file && row->function == key->function &&
				   row->line == key->line))
			return cell;
	}
}

static void grow(struct lines *lines)
{
	const size_t cells = lines->index == NULL ? INDEX_FIRST : (lines->index_mask + 1UL) * 2;
	const bool first = lines->rows == NULL;

	if (cells > UINT32_MAX)
		die(EXIT_DATA, "too many lines");
	lines->rows = need_resize(lines->rows, (cells / 2 + 1) * sizeof(*lines->rows));
	if (first)
		memset(lines->rows, 0, sizeof(*lines->rows));
	lines->index = need_resize(lines->index, cells * sizeof(*lines->index));
	memset(lines->index, 0, cells * sizeof(*lines->index));
	lines->index_mask = (uint32_t)(cells - 1);
	lines->room = (uint32_t)(cells / 2);
	for (uint32_t i = 1; i <= lines->count; i++)
		*row_cell(lines, &lines->rows[i]) = i;
}

/* Without globs everything is wanted. */
static bool matches(const struct text_list *globs, const char *text)
{
	return globs->count == 0 || text_list_matches(globs, text);
}

static bool wanted(const struct lines_options *options, const struct reader_code *code)
{
	return matches(&options->files, code->file) &&
	       (matches(&options->functions, code->qualname) ||
		matches(&options->functions, code->name));
}

uint32_t lines_row(struct lines *lines, const struct reader_code *code, uint32_t line)
{
	struct lines_row row = {
		.wanted = wanted(&lines->options, code),
		.file = frames_text(&lines->frames, code->file),
		.function = frames_text(&lines->frames, code->qualname),
		.name = frames_text(&lines->frames, code->name),
		.line = line,
	};

	if (lines->count >= lines->room)
		grow(lines);
	uint32_t *cell = row_cell(lines, &row);

	if (*cell == 0) {
		*cell = ++lines->count;
		lines->rows[*cell] = row;
	}
	return *cell;
}

static int compare(uint64_t a, uint64_t b)
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
		order = compare(b->hits, a->hits);
		break;
	case LINES_BY_TOTAL:
		order = compare_signed(b->rss.total, a->rss.total);
		break;
	case LINES_BY_LARGEST:
		order = compare_signed(b->rss.largest, a->rss.largest);
		break;
	}
	return order != 0 ? order : compare(a->order, b->order);
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
