/* SPDX-License-Identifier: MIT */
/* The lines of `pymemtrace watch`. */
#include "watch_table.h"

#include <inttypes.h>
#include <string.h>

#include "colour.h"
#include "error.h"
#include "escape.h"
#include "report.h"

enum {
	TIME_WIDTH = 8,
	PID_WIDTH = 8,
	INDENT_MAX = 12,   /* deeper processes stand below each other */
	NAME_BYTES = 15,   /* of a name: all that the kernel has */
	SUMMARY_ROWS = 20, /* the JSON has all */
	BRIEF_NAMES = 6,
};

void watch_table_init(struct watch_table *table, const struct watch_choice *choice, FILE *out)
{
	*table = (struct watch_table){.out = out, .choice = choice, .colours = colour_wanted(out)};
}

/* --- the order of the rows --- */

struct walk {
	const struct proctree *tree;
	void (*visit)(void *context, const struct proctree_process *process);
	void *context;
};

static void put_branch(const struct walk *walk, const struct proctree_process *top)
{
	walk->visit(walk->context, top);
	for (size_t i = 0; i < walk->tree->live.count; i++)
		if (walk->tree->live.items[i]->parent == top)
			put_branch(walk, walk->tree->live.items[i]);
}

void watch_each(const struct proctree *tree,
		void (*visit)(void *context, const struct proctree_process *process), void *context)
{
	const struct walk walk = {tree, visit, context};

	put_branch(&walk, tree->root);
}

static int by_peak(const void *left, const void *right)
{
	const struct proctree_process *a = *(const struct proctree_process *const *)left;
	const struct proctree_process *b = *(const struct proctree_process *const *)right;
	const uint64_t x = a->peaks[PROCFS_RSS], y = b->peaks[PROCFS_RSS];

	if (x != y)
		return x < y ? 1 : -1;
	if (a->first_ns != b->first_ns)
		return a->first_ns > b->first_ns ? 1 : -1;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

const struct proctree_process **watch_by_peak(const struct proctree *tree, size_t *count)
{
	const struct proctree_list *lists[] = {&tree->live, &tree->ended};
	const struct proctree_process **all =
		need_memory((tree->live.count + tree->ended.count) * sizeof(*all));

	*count = 0;
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < lists[i]->count; j++)
			if (lists[i]->items[j]->samples != 0)
				all[(*count)++] = lists[i]->items[j];
	qsort(all, *count, sizeof(*all), by_peak);
	return all;
}

/* --- cells --- */

struct cell {
	const struct watch_column *column;
	uint64_t value;
	uint64_t before; /* PROCFS_UNKNOWN: nothing to compare with */
	bool partial;
	char state; /* '\0': none */
};

static void cell_text(const struct cell *cell, report_buffer text)
{
	const struct watch_column *column = cell->column;
	const char *more = cell->partial ? ">" : "";
	const size_t size = sizeof(report_buffer);

	if (column->unit == WATCH_STATE)
		snprintf(text, size, "%c", cell->state == '\0' ? '-' : cell->state);
	else if (!procfs_known(cell->value))
		snprintf(text, size, "%s", cell->value == PROCFS_DENIED ? "denied" : "-");
	else if (column->unit == WATCH_BYTES)
		snprintf(text, size, "%s%.1f", more, (double)cell->value / 1048576);
	else if (column->unit == WATCH_COUNT)
		snprintf(text, size, "%s%" PRIu64, more, cell->value);
	else
		snprintf(text, size, "%s%.*f", more, column->unit == WATCH_SECONDS ? 2 : 1,
			 watch_number(column, cell->value));
}

static const char *colour_of(const struct watch_table *table, const struct cell *cell)
{
	const bool counts = cell->column->level && cell->column->value < PROCFS_FIGURES;

	if (!table->colours || !counts || !procfs_known(cell->value) ||
	    !procfs_known(cell->before) || cell->value == cell->before)
		return NULL;
	return cell->value > cell->before ? COLOUR_RED : COLOUR_GREEN;
}

static void put_cell(const struct watch_table *table, const struct cell *cell)
{
	const char *colour = colour_of(table, cell);
	report_buffer text;

	cell_text(cell, text);
	if (colour != NULL)
		fprintf(table->out, "%s%*s" COLOUR_PLAIN, colour, cell->column->width, text);
	else
		fprintf(table->out, "%*s", cell->column->width, text);
}

/* What a row shows besides its name; PARTIAL can be NULL. */
struct row {
	const uint64_t *values;
	const uint64_t *before;
	const bool *partial;
	char state;
};

static void put_cells(const struct watch_table *table, const struct row *row)
{
	for (size_t i = 0; i < table->choice->count; i++) {
		const struct watch_column *column = table->choice->columns[i];
		struct cell cell = {.column = column, .state = row->state};

		if (column->unit != WATCH_STATE) {
			cell.value = row->values[column->value];
			cell.before =
				row->before == NULL ? PROCFS_UNKNOWN : row->before[column->value];
			cell.partial = row->partial != NULL && row->partial[column->value];
		}
		put_cell(table, &cell);
	}
	fputs("  ", table->out);
}

static void put_name(const struct watch_table *table, const char *name)
{
	escape_terminal(table->out, name, NAME_BYTES);
}

/* --- samples --- */

void watch_table_header(const struct watch_table *table)
{
	fprintf(table->out, "%*s%*s", TIME_WIDTH, "time s", PID_WIDTH, "pid");
	for (size_t i = 0; i < table->choice->count; i++)
		fprintf(table->out, "%*s", table->choice->columns[i]->width,
			table->choice->columns[i]->title);
	fputs("  process\n", table->out);
}

static void put_time(const struct watch_table *table, uint64_t time_ns)
{
	fprintf(table->out, "%*.2f", TIME_WIDTH, (double)time_ns / 1e9);
}

struct sample {
	const struct watch_table *table;
	const struct proctree *tree;
};

static void put_process(void *context, const struct proctree_process *process)
{
	const struct sample *sample = context;
	const struct watch_table *table = sample->table;
	const struct row row = {.values = process->now.values,
				.before = process->samples > 1 ? process->before.values : NULL,
				.state = process->state};
	const unsigned indent = 2 * proctree_depth(process);

	put_time(table, sample->tree->now.time_ns);
	fprintf(table->out, "%*d", PID_WIDTH, (int)process->pid);
	put_cells(table, &row);
	fprintf(table->out, "%*s", (int)(indent < INDENT_MAX ? indent : INDENT_MAX), "");
	put_name(table, process->name);
	fputc('\n', table->out);
}

static void put_total(const struct watch_table *table, const struct proctree *tree)
{
	const struct row row = {.values = tree->now.values,
				.before = tree->ticks > 1 ? tree->before.values : NULL,
				.partial = tree->partial};
	const size_t count = tree->live.count;

	put_time(table, tree->now.time_ns);
	fprintf(table->out, "%*s", PID_WIDTH, "total");
	put_cells(table, &row);
	fprintf(table->out, "(%zu process%s)\n", count, count == 1 ? "" : "es");
}

/* NAME (COUNT), ... of those that ended without a sample; WHOLE: since the watch began. */
static void put_briefs(const struct watch_table *table, const struct proctree *tree, bool whole)
{
	uint64_t total = 0;
	size_t names = 0;

	for (size_t i = 0; i < tree->brief_count; i++)
		total += whole ? tree->briefs[i].count : tree->briefs[i].fresh;
	if (total == 0)
		return;
	if (!whole)
		put_time(table, tree->now.time_ns);
	fprintf(table->out, "%s%" PRIu64 " came and went between samples:", whole ? "" : "  ",
		total);
	for (size_t i = 0; i < tree->brief_count; i++) {
		const struct proctree_brief *brief = &tree->briefs[i];
		const uint64_t count = whole ? brief->count : brief->fresh;

		if (count == 0 || names++ >= BRIEF_NAMES)
			continue;
		fputs(names == 1 ? " " : ", ", table->out);
		put_name(table, brief->name);
		if (count > 1)
			fprintf(table->out, " (%" PRIu64 ")", count);
	}
	fputs(names > BRIEF_NAMES ? ", ...\n" : "\n", table->out);
}

void watch_table_sample(const struct watch_table *table, const struct proctree *tree)
{
	struct sample sample = {table, tree};

	watch_each(tree, put_process, &sample);
	put_total(table, tree);
	put_briefs(table, tree, false);
}

/* --- the summary --- */

/* Peaks of what goes up and down; of what only grows, the last value. */
static void put_peaks(const struct watch_table *table, const uint64_t *peaks, const uint64_t *last)
{
	uint64_t values[PROCTREE_VALUES];
	const struct row row = {.values = values};

	memcpy(values, last, sizeof(values));
	for (const struct watch_column *c = watch_columns; c->name != NULL; c++)
		if (c->level)
			values[c->value] = peaks[c->value];
	put_cells(table, &row);
}

void watch_table_summary(const struct watch_table *table, const struct proctree *tree)
{
	size_t count;
	const struct proctree_process **all = watch_by_peak(tree, &count);

	fprintf(table->out,
		"\npeaks of %zu process%s in %" PRIu64 " sample%s, %.2f s; at once up to %zu\n",
		count, count == 1 ? "" : "es", tree->ticks, tree->ticks == 1 ? "" : "s",
		(double)proctree_clock(tree) / 1e9, tree->most);
	for (size_t i = 0; i < count && i < SUMMARY_ROWS; i++) {
		put_time(table, all[i]->now.time_ns);
		fprintf(table->out, "%*d", PID_WIDTH, (int)all[i]->pid);
		put_peaks(table, all[i]->peaks, all[i]->now.values);
		put_name(table, all[i]->name);
		fputc('\n', table->out);
	}
	if (count > SUMMARY_ROWS)
		fprintf(table->out, "%*s%zu more with smaller ones\n", TIME_WIDTH, "",
			count - SUMMARY_ROWS);
	put_time(table, tree->now.time_ns);
	fprintf(table->out, "%*s", PID_WIDTH, "tree");
	put_peaks(table, tree->peaks, tree->now.values);
	fputs("(peak of the sums)\n", table->out);
	put_briefs(table, tree, true);
	free(all);
}

static double timeval_seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

void watch_table_usage(const struct watch_table *table, const struct rusage *usage)
{
	fprintf(table->out,
		"with all children, by the kernel: %.2f s user, %.2f s system, %ld page faults, largest RSS %.1f MiB\n",
		timeval_seconds(&usage->ru_utime), timeval_seconds(&usage->ru_stime),
		usage->ru_minflt + usage->ru_majflt, (double)usage->ru_maxrss / 1024);
}
