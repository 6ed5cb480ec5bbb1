/* SPDX-License-Identifier: MIT */
/* The functions and the tree of `pymemtrace calls`, as text and as JSON. */
#include "calls_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "escape.h"
#include "report.h"

/* What a line is about: a function, or a node of the tree. */
struct line {
	uint32_t function; /* 0: outside */
	uint32_t parent;   /* of a node */
	uint32_t node;	   /* its number, or 0 */
	uint32_t depth;	   /* 0 in a table, from 1 in a tree */
	uint64_t calls;
	struct call_amount own;
	struct call_amount all;
};

struct lines {
	struct line *lines;
	uint32_t count;
};

typedef void (*visit_line)(void *context, const struct line *line);

/* --- order --- */

static const struct frame *frame_of(const struct calls *calls, uint32_t function)
{
	static const struct frame outside;

	return function == 0 ? &outside : &calls->names.frames[function];
}

static const char *text_of(const struct calls *calls, uint32_t text)
{
	return text == 0 ? CALLS_OUTSIDE : calls->names.texts[text];
}

static uint64_t measure_line(const struct calls *calls, const struct line *line)
{
	switch (calls->options.by) {
	case CALLS_BY_EXCLUSIVE:
		return line->own.grown;
	case CALLS_BY_CALLS:
		return line->calls;
	case CALLS_BY_TIME:
		return line->all.time_ns;
	default:
		return line->all.grown;
	}
}

static int compare_names(const struct calls *calls, const struct line *a, const struct line *b)
{
	const struct frame *f = frame_of(calls, a->function);
	const struct frame *g = frame_of(calls, b->function);
	int order = strcmp(text_of(calls, f->function), text_of(calls, g->function));

	if (order == 0)
		order = strcmp(text_of(calls, f->file), text_of(calls, g->file));
	return order != 0 ? order : (f->line > g->line) - (f->line < g->line);
}

/* Siblings together; of them those with most first, then by name. */
static int compare_lines(const void *x, const void *y, void *context)
{
	const struct line *a = x, *b = y;
	const struct calls *calls = context;
	const uint64_t m = measure_line(calls, a), n = measure_line(calls, b);

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	if (m != n)
		return m > n ? -1 : 1;
	if (a->all.time_ns != b->all.time_ns)
		return a->all.time_ns > b->all.time_ns ? -1 : 1;
	return compare_names(calls, a, b);
}

/* --- which lines --- */

static void add_line(struct lines *lines, const struct line *line)
{
	lines->lines[lines->count++] = *line;
}

static struct lines functions_of(struct calls *calls)
{
	struct lines lines = {need_memory((calls->names.count + 1UL) * sizeof(struct line)), 0};

	for (uint32_t i = 0; i <= calls->names.count; i++) {
		const struct calls_function *f = &calls->functions[i];
		const struct call_amount *all = &f->all;

		if (f->calls == 0 && (all->grown | all->shrunk | all->time_ns) == 0)
			continue;
		if (!calls_passes(calls, i))
			continue;
		add_line(&lines,
			 &(struct line){
				 .function = i, .calls = f->calls, .own = f->own, .all = f->all});
	}
	return lines;
}

/* Which nodes pass the filter, or have one below them that does; free() it. */
static bool *pick_nodes(struct calls *calls)
{
	const struct filter *filter = &calls->options.filter;
	const struct calltree *tree = &calls->tree;
	bool *picked = need_memory(tree->count * sizeof(*picked));
	unsigned *found = need_memory(tree->count * sizeof(*found));

	for (uint32_t i = 0; i < tree->count; i++) {
		const struct call_node *n = &tree->nodes[i];

		found[i] = frames_look(&calls->names, filter, n->function);
		if (filter->frame == FILTER_ANY && i != 0)
			found[i] |= found[n->parent];
		picked[i] = filter_passes(filter, found[i]);
	}
	for (uint32_t i = tree->count; i-- > 1;)
		picked[tree->nodes[i].parent] |= picked[i];
	free(found);
	return picked;
}

/* All nodes but the root. What was outside of functions is a line below the root, too. */
static struct lines nodes_of(struct calls *calls)
{
	const struct calltree *tree = &calls->tree;
	const struct call_amount *outside = &tree->nodes[0].own;
	struct lines lines = {need_memory((tree->count + 1UL) * sizeof(struct line)), 0};

	bool *picked = pick_nodes(calls);

	if ((outside->grown | outside->shrunk | outside->time_ns) != 0 && calls_passes(calls, 0))
		add_line(&lines, &(struct line){.depth = 1, .own = *outside, .all = *outside});
	for (uint32_t i = 1; i < tree->count; i++) {
		const struct call_node *n = &tree->nodes[i];

		if (picked[i])
			add_line(&lines, &(struct line){n->function, n->parent, i, n->depth,
							n->calls, n->own, n->all});
	}
	free(picked);
	return lines;
}

/* A walk through the tree, from the outermost calls to the innermost. */
struct walk {
	struct calls *calls;
	const struct lines *lines;
	uint32_t *first; /* by parent: position of its first child */
	uint64_t left;	 /* so many may still be visited */
	uint64_t more;	 /* so many were not */
	visit_line visit;
	void *context;
};

/* No deeper than CALLTREE_DEPTH_MAX. */
static void walk_below(struct walk *walk, uint32_t parent)
{
	const struct calls_options *options = &walk->calls->options;

	for (uint32_t i = walk->first[parent];
	     i < walk->lines->count && walk->lines->lines[i].parent == parent; i++) {
		const struct line *line = &walk->lines->lines[i];

		if (line->depth > options->depth || line->all.grown < options->least)
			continue;
		if (walk->left == 0) {
			walk->more++;
		} else {
			walk->left--;
			walk->visit(walk->context, line);
		}
		if (line->node != 0)
			walk_below(walk, line->node);
	}
}

static uint64_t each_node(struct calls *calls, const struct lines *lines, visit_line visit,
			  void *context)
{
	struct walk walk = {calls, lines, NULL, calls->options.limit, 0, visit, context};
	const size_t size = calls->tree.count * sizeof(*walk.first);

	walk.first = memset(need_memory(size), 0xff, size);
	for (uint32_t i = lines->count; i-- > 0;)
		walk.first[lines->lines[i].parent] = i;
	walk_below(&walk, 0);
	free(walk.first);
	return walk.more;
}

static uint64_t each_function(struct calls *calls, const struct lines *lines, visit_line visit,
			      void *context)
{
	uint32_t i = 0;

	for (; i < lines->count && i < calls->options.limit; i++)
		visit(context, &lines->lines[i]);
	return lines->count - i;
}

/* Visit what is to be printed, in order. Returns how many lines the limit left out. */
static uint64_t each_line(struct calls *calls, visit_line visit, void *context)
{
	struct lines lines;
	uint64_t more;

	calltree_finish(&calls->tree);
	lines = calls->options.tree ? nodes_of(calls) : functions_of(calls);
	qsort_r(lines.lines, lines.count, sizeof(*lines.lines), compare_lines, calls);
	more = (calls->options.tree ? each_node : each_function)(calls, &lines, visit, context);
	free(lines.lines);
	return more;
}

/* --- text --- */

static void print_name(const struct calls *calls, uint32_t function)
{
	const struct frame *frame = frame_of(calls, function);
	const bool is_c = frame->line == CALLS_IS_C;
	const char *file = text_of(calls, frame->file);

	if (function != 0 && (!is_c || file[0] != '\0')) {
		escape_terminal(stdout, file, ESCAPE_LENGTH);
		if (is_c)
			putchar('.');
		else
			printf(":%" PRIu32 " ", frame->line);
	}
	escape_terminal(stdout, text_of(calls, frame->function), ESCAPE_LENGTH);
	if (is_c)
		fputs(" (C)", stdout);
}

/* The table, and what its lines have had of their own so far. */
struct table {
	const struct calls *calls;
	struct call_amount own;
};

static void print_line(void *context, const struct line *line)
{
	struct table *table = context;
	const struct calls *calls = table->calls;
	report_buffer size;

	printf("%10s ", report_cell(line->all.grown, size));
	printf("%10s ", report_cell(line->all.shrunk, size));
	printf("%10s ", report_cell(line->own.grown, size));
	printf("%10s ", report_cell(line->own.shrunk, size));
	printf("%11s ", report_count(line->calls, size));
	printf("%9.3f %9.3f  ", report_seconds(line->all.time_ns),
	       report_seconds(line->own.time_ns));
	for (uint32_t i = 1; i < line->depth; i++)
		fputs("  ", stdout);
	print_name(calls, line->function);
	putchar('\n');
	call_amount_add(&table->own, &line->own);
}

/* The last line: what is not in the lines above it, of their own. */
static void print_rest(const struct table *table, uint64_t more)
{
	const struct call_amount *all = &table->calls->shown, *own = &table->own;
	report_buffer size;

	printf("%21s ", "");
	printf("%10s ", report_cell(all->grown - own->grown, size));
	printf("%10s ", report_cell(all->shrunk - own->shrunk, size));
	printf("%21s %9.3f  ", "", report_seconds(all->time_ns - own->time_ns));
	printf("%s more\n", report_count(more, size));
}

static void print_process(const struct calls_process *process)
{
	report_buffer buffer;

	escape_terminal(stdout, process->path, ESCAPE_LENGTH);
	printf(": process %" PRIu32 ", %s event", process->pid,
	       report_count(process->events, buffer));
	printf("%s of %" PRIu64 " thread%s in %.3f s\n", process->events == 1 ? "" : "s",
	       process->threads, process->threads == 1 ? "" : "s",
	       report_seconds(process->duration_ns));
	printf("  resident set %s at the first event, ", report_size(process->first_bytes, buffer));
	printf("%s at the last", report_size(process->last_bytes, buffer));
	if (process->rss_at_events[0] != '\0') {
		fputs(", read by ", stdout);
		escape_terminal(stdout, process->rss_at_events, ESCAPE_LENGTH);
	}
	putchar('\n');
}

static void print_head(const struct calls *calls)
{
	report_buffer size;

	for (size_t i = 0; i < calls->process_count; i++)
		print_process(&calls->processes[i]);
	printf("in all grown by %s, ", report_size(calls->total.grown, size));
	printf("shrunk by %s\n", report_size(calls->total.shrunk, size));
	if (!filter_has_patterns(&calls->options.filter))
		return;
	printf("of this matches: grown by %s, ", report_size(calls->shown.grown, size));
	printf("shrunk by %s\n", report_size(calls->shown.shrunk, size));
}

struct sums {
	uint64_t events;
	uint64_t skipped;
	uint64_t lost;
};

static struct sums sum_up(const struct calls *calls)
{
	struct sums sums = {0};

	for (size_t i = 0; i < calls->process_count; i++) {
		sums.events += calls->processes[i].events;
		sums.skipped += calls->processes[i].skipped;
		sums.lost += calls->processes[i].lost;
	}
	return sums;
}

static void print_notes(const struct calls *calls)
{
	const struct sums sums = sum_up(calls);
	report_buffer count;

	if (sums.events == 0)
		puts("\nnote: no events of the interpreter");
	if (sums.skipped != 0)
		printf("\nnote: filters of the tracer passed over %s events: calls among them are not counted,\n      and inclusive figures may go on after a function has ended\n",
		       report_count(sums.skipped, count));
	if (sums.lost != 0)
		printf("\nnote: %s event%s lost\n", report_count(sums.lost, count),
		       sums.lost == 1 ? " was" : "s were");
	if (calls->dropped_seconds > 0)
		printf("\nnote: the log reached its size limit: what happened up to %.3f s is not known\n",
		       calls->dropped_seconds);
	if (calls->cut)
		puts("\nnote: the deepest calls are charged to a function above them");
}

void calls_print(struct calls *calls)
{
	struct table table = {.calls = calls};

	print_head(calls);
	printf("\n%21s %21s %11s %9s %9s\n", "inclusive", "exclusive", "", "", "own");
	printf("%10s %10s %10s %10s %11s %9s %9s  function\n", "grown", "shrunk", "grown", "shrunk",
	       "calls", "time (s)", "time (s)");
	const uint64_t more = each_line(calls, print_line, &table);

	if (more != 0)
		print_rest(&table, more);
	print_notes(calls);
}

/* --- JSON --- */

static void put_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, report_json_text(text, strlen(text)));
}

static json_t *json_amount(const struct call_amount *amount)
{
	json_t *object = json_object();

	report_put_number(object, "grown_bytes", amount->grown);
	report_put_number(object, "shrunk_bytes", amount->shrunk);
	json_object_set_new(object, "time_s", json_real(report_seconds(amount->time_ns)));
	return object;
}

static json_t *json_process(const struct calls_process *process)
{
	json_t *object = json_object();

	put_text(object, "log", process->path);
	report_put_number(object, "pid", process->pid);
	report_put_number(object, "events", process->events);
	report_put_number(object, "skipped", process->skipped);
	report_put_number(object, "lost", process->lost);
	report_put_number(object, "threads", process->threads);
	json_object_set_new(object, "duration_s", json_real(report_seconds(process->duration_ns)));
	put_text(object, "rss_at_events", process->rss_at_events);
	report_put_number(object, "first_rss_bytes", process->first_bytes);
	report_put_number(object, "last_rss_bytes", process->last_bytes);
	return object;
}

struct json_lines {
	const struct calls *calls;
	json_t *list;
};

static void add_json_line(void *context, const struct line *line)
{
	const struct json_lines *to = context;
	const struct frame *frame = frame_of(to->calls, line->function);
	const bool is_c = frame->line == CALLS_IS_C;
	json_t *object = json_object();

	if (to->calls->options.tree)
		report_put_number(object, "depth", line->depth);
	put_text(object, "function", text_of(to->calls, frame->function));
	if (line->function == 0 || is_c)
		json_object_set_new(object, "file", json_null());
	else
		put_text(object, "file", text_of(to->calls, frame->file));
	json_object_set_new(object, "line",
			    line->function == 0 || is_c ? json_null() : json_integer(frame->line));
	if (is_c)
		put_text(object, "c_owner", text_of(to->calls, frame->file));
	report_put_number(object, "calls", line->calls);
	json_object_set_new(object, "inclusive", json_amount(&line->all));
	json_object_set_new(object, "exclusive", json_amount(&line->own));
	json_array_append_new(to->list, object);
}

void calls_print_json(struct calls *calls)
{
	json_t *object = json_object();
	json_t *processes = json_array();
	struct json_lines lines = {calls, json_array()};

	for (size_t i = 0; i < calls->process_count; i++)
		json_array_append_new(processes, json_process(&calls->processes[i]));
	json_object_set_new(object, "processes", processes);
	json_object_set_new(object, "total", json_amount(&calls->total));
	json_object_set_new(object, "matching", json_amount(&calls->shown));
	json_object_set_new(object, "dropped_until_s",
			    calls->dropped_seconds > 0 ? json_real(calls->dropped_seconds)
						       : json_null());
	json_object_set_new(object, "cut", json_boolean(calls->cut));
	report_put_number(object, "left_out", each_line(calls, add_json_line, &lines));
	json_object_set_new(object, calls->options.tree ? "tree" : "functions", lines.list);
	report_json_print(object);
}
