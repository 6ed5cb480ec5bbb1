/* SPDX-License-Identifier: MIT */
/*
 * Who holds the memory. Each site of a log goes to the row that its stack, thread or allocator
 * belongs to; the row's parts, one a stack, tell in the end which stack has most of it.
 */
#include "top.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "census.h"
#include "damage.h"
#include "error.h"
#include "lacking.h"
#include "log_end.h"
#include "replay.h"
#include "report.h"
#include "top_messages.h"

struct top_part {
	uint32_t row; /* position plus one */
	uint32_t stack;
	struct amount amount;
};

void top_init(struct top *top, const struct top_options *options)
{
	memset(top, 0, sizeof(*top));
	top->options = *options;
	hashindex_init(&top->index, "rows");
	frames_init(&top->frames);
	top->frames.hide_imports = options->hide_imports;
	top->no_frame = frames_text(&top->frames, TOP_NO_FRAME);
}

void top_fini(struct top *top)
{
	for (size_t i = 0; i < top->process_count; i++) {
		free(top->processes[i].path);
		free(top->processes[i].census);
		free(top->processes[i].stopped);
		threads_fini(&top->processes[i].threads);
	}
	free(top->processes);
	free(top->parts);
	free(top->rows);
	hashindex_fini(&top->index);
	frames_fini(&top->frames);
	memset(top, 0, sizeof(*top));
}

struct key {
	const struct top_row *rows;
	const struct top_key *key;
};

static bool is_same(const void *context, uint32_t position)
{
	const struct key *key = context;

	return memcmp(&key->rows[position - 1].key, key->key, sizeof(*key->key)) == 0;
}

static uint64_t hash_key(const struct top *top, const struct top_key *key)
{
	uint32_t words[sizeof(*key) / sizeof(uint32_t)];
	uint64_t hash = 0;

	memcpy(words, key, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		hash = hashindex_mix(&top->index, hash, words[i]);
	return hash;
}

/* The position plus one of the row with KEY. */
static uint32_t find_row(struct top *top, const struct top_key *key)
{
	const struct key wanted = {top->rows, key};
	const uint64_t hash = hash_key(top, key);
	const uint32_t found = hashindex_find(&top->index, hash, is_same, &wanted);

	if (found != 0)
		return found;
	top->rows = need_room(top->rows, top->count, &top->room, sizeof(*top->rows));
	top->rows[top->count++] = (struct top_row){.key = *key};
	hashindex_add(&top->index, hash, top->count);
	return top->count;
}

static void add_amount(struct amount *to, const struct amount *amount)
{
	to->bytes += amount->bytes;
	to->count += amount->count;
}

static void add_part(struct top *top, uint32_t row, uint32_t stack, const struct amount *amount)
{
	if (top->part_count == top->part_room) {
		top->part_room = top->part_room * 2 + 1024;
		top->parts = need_resize(top->parts, top->part_room * sizeof(*top->parts));
	}
	top->parts[top->part_count++] =
		(struct top_part){.row = row, .stack = stack, .amount = *amount};
}

static bool is_wanted(struct top *top, const struct site *site, uint32_t stack)
{
	const struct filter *filter = &top->options.filter;

	return filter_has_thread(filter, site->thread) &&
	       (!filter_has_patterns(filter) ||
		filter_passes(filter, frames_look(&top->frames, filter, stack)));
}

/* The frame that a stack's blocks are put down to. */
static struct frame innermost_frame(const struct top *top, uint32_t stack)
{
	if (stack == 0)
		return (struct frame){.file = top->no_frame, .function = top->no_frame};
	return top->frames.frames[stack];
}

static uint32_t type_text(struct top *top, const struct census *census, uint32_t type)
{
	char buffer[32];

	return frames_text(&top->frames, census_name(census, type, buffer));
}

static struct top_key make_key(struct top *top, const struct site *site, uint32_t stack,
			       const struct census *census)
{
	const struct frame frame = innermost_frame(top, stack);
	const uint32_t process = (uint32_t)top->process_count;
	struct top_key key = {.process = top->options.per_process ? process : 0};

	switch ((enum top_by)top->options.by) {
	case TOP_BY_LINE:
		key.line = frame.line;
		/* fallthrough */
	case TOP_BY_FUNCTION:
		key.function = frame.function;
		/* fallthrough */
	case TOP_BY_FILE:
		key.file = frame.file;
		break;
	case TOP_BY_STACK:
		key.stack = stack;
		break;
	case TOP_BY_THREAD:
		key.process = process;
		key.thread = site->thread;
		break;
	case TOP_BY_ALLOCATOR:
		key.kind = site->kind + 1;
		break;
	case TOP_BY_PROCESS:
		key.process = process;
		break;
	case TOP_BY_TYPE:
		key.type = type_text(top, census, site->kind);
		break;
	}
	return key;
}

static struct amount site_amount(const struct top *top, const struct sites *sites,
				 const struct site *site)
{
	if (top->options.what == TOP_TEMPORARY)
		return site->temporary;
	if (top->options.what == TOP_AT_MOMENT && top->moments->single_pass)
		return sites_at_peak(sites, site);
	return site->live;
}

/* Whether a report on memory has the site: reserved ranges of which nothing counts are none. */
static bool is_shown(const struct top *top, const struct site *site, const struct amount *amount)
{
	if (site->kind < REPLAY_KIND_MAPPING || top->options.what == TOP_AT_CENSUS)
		return amount->count != 0 || amount->bytes != 0;
	return amount->bytes != 0 &&
	       (top->options.mappings || site->kind != REPLAY_KIND_MAPPING + MAPPING_FILE);
}

static void add_sites(struct top *top, struct reader *reader, const struct sites *sites,
		      const struct census *census)
{
	struct top_process *process = &top->processes[top->process_count - 1];
	const struct sites *census_sites = census == NULL ? NULL : &census->sites;
	struct idmap known = {0};

	for (uint32_t i = 1; i <= sites->count; i++) {
		const struct site *site = &sites->sites[i];
		const struct amount amount = site_amount(top, sites, site);

		if (!is_shown(top, site, &amount))
			continue;
		const uint32_t stack = frames_stack(&top->frames, reader, &known, site->stack);

		add_amount(&process->amount, &amount);
		add_amount(&top->all, &amount);
		const bool is_mapping = sites != census_sites && site->kind >= REPLAY_KIND_MAPPING;

		if (is_mapping)
			add_amount(&top->mapped, &amount);
		if (!is_wanted(top, site, stack))
			continue;
		const struct top_key key = make_key(top, site, stack, census);
		const uint32_t row = find_row(top, &key);

		add_amount(&top->rows[row - 1].amount, &amount);
		add_amount(&top->shown, &amount);
		if (is_mapping)
			add_amount(&top->shown_mapped, &amount);
		add_part(top, row, stack, &amount);
	}
	idmap_fini(&known);
}

static struct top_process *new_process(struct top *top, const struct reader *reader)
{
	const size_t count = top->process_count + 1;
	const char *path = reader_path(reader);
	char stopped[REPORT_STATE];
	struct top_process *process;

	top->processes = need_resize(top->processes, count * sizeof(*top->processes));
	process = &top->processes[top->process_count++];
	memset(process, 0, sizeof(*process));
	process->path = strcpy(need_memory(strlen(path) + 1), path);
	process->pid = reader_header(reader)->pid;
	if (log_end_stopped(reader, stopped) != NULL)
		process->stopped = strcpy(need_memory(strlen(stopped) + 1), stopped);
	return process;
}

/* A log with folding has only counted how soon blocks were freed. */
static int check_threshold(const struct top *top, const struct reader *reader)
{
	if (top->options.what != TOP_TEMPORARY || top->options.threshold <= 1 ||
	    !reader_folded(reader))
		return 0;
	return error(
		"%s: short-lived blocks were counted only for --threshold 0 and 1; trace with PYMEMTRACE_FOLD=off for others",
		reader_path(reader));
}

/* Open a log that has what is asked for. */
static int open_log(const struct top *top, const struct moments_log *log, struct reader **reader)
{
	if (reader_open(log->path, reader) != 0)
		return -1;
	if (check_threshold(top, *reader) == 0)
		return 0;
	reader_close(*reader);
	return -1;
}

/* Which census it is, as a text of its own. */
static char *name_census(const struct census *census)
{
	const size_t size = strlen(census->label) + 48;
	char *name = need_memory(size);

	switch (census->moment) {
	case PMT_MOMENT_END:
		return strcpy(name, "the end");
	case PMT_MOMENT_INTERVAL:
		return strcpy(name, "the last interval");
	case PMT_MOMENT_SIGNAL:
		return strcpy(name, "a signal that ends the process");
	case PMT_MOMENT_EXEC:
		return strcpy(name, "an exec");
	default:
		snprintf(name, size, "snapshot %" PRIu64 " '%s'", census->number, census->label);
		return name;
	}
}

static void note_no_census(struct top *top, const struct reader *reader)
{
	char what[160];

	top->lacking++;
	if (top->options.census == NULL) {
		log_end_lacks(
			reader, 0, "Python objects by type",
			"pymem --types on; of a program that is killed with --census SECONDS, too");
		return;
	}
	snprintf(what, sizeof(what), "snapshots with the label or number '%.100s'",
		 top->options.census);
	lacking_note(reader_path(reader), what, NULL);
}

/* After the replay: what the census says of it. Returns the exit status. */
static int take_census(struct top *top, const struct reader *reader, struct census *census,
		       uint64_t last_ns)
{
	struct top_process *process = &top->processes[top->process_count - 1];

	census_finish(census);
	if (!census->found) {
		note_no_census(top, reader);
		return EXIT_DATA;
	}
	process->census = name_census(census);
	process->moment_ns = census->time_ns;
	if (census->moment != PMT_MOMENT_END)
		process->after_ns = last_ns - census->time_ns;
	if (!census_complete(census))
		error("warning: %s: the types of some blocks are missing", reader_path(reader));
	return EXIT_OK;
}

/* Whether the log has nothing of what the report adds up because it was traced without it. */
static bool lacks_blocks(const struct top *top, const struct reader *reader,
			 const struct replay *replay)
{
	const uint32_t heap = 1U << PMT_TRACED_MALLOC | 1U << PMT_TRACED_PYMEM;
	const uint32_t mmap = 1U << PMT_TRACED_MMAP;

	if (top->options.by == TOP_BY_TYPE)
		return false;
	if (top->options.mappings)
		return replay->mapped.count == 0 && log_end_lacks(reader, mmap, "mappings", "mmap");
	if (top->options.heap || top->options.what == TOP_TEMPORARY)
		return replay->blocks.count == 0 && log_end_lacks(reader, heap, "blocks", "malloc");
	return replay->blocks.count == 0 && replay->mapped.count == 0 &&
	       log_end_lacks(reader, heap | mmap, "blocks and mappings", "malloc,mmap");
}

/* Add what the report is about. */
static void add_all(struct top *top, struct reader *reader, const struct replay *replay)
{
	if (top->options.by == TOP_BY_TYPE) {
		add_sites(top, reader, &replay->census->sites, replay->census);
		return;
	}
	if (!top->options.mappings)
		add_sites(top, reader, &replay->blocks, NULL);
	if (!top->options.heap && top->options.what == TOP_AT_MOMENT)
		add_sites(top, reader, &replay->mapped, NULL);
}

static void begin_replay(const struct top *top, struct replay *replay,
			 const struct moments_log *log)
{
	replay->by_stack = true;
	if (top->options.what == TOP_TEMPORARY)
		replay_find_temporary(replay, top->options.threshold < UINT32_MAX
						      ? (uint32_t)top->options.threshold
						      : UINT32_MAX);
	replay->until_ns = log->until_ns;
	replay->until_number = log->until_number;
	replay->late_order = replay->folded_log ? log->late_order : 0;
}

/* What is to be said of the moment in this log. */
static void note_moment(struct top *top, const struct replay *replay)
{
	struct top_process *process = &top->processes[top->process_count - 1];

	process->moment_ns = replay->last_ns;
	process->told_ns = replay->told_ns;
	process->untold_bytes = replay->mappings.untold_bytes;
	process->grown_bytes = replay->mappings.grown_bytes;
	if (!top->moments->single_pass)
		return;
	process->moment_ns = replay->memory.at_ns;
	process->told_ns = replay->memory.told_ns;
	process->untold_bytes = replay->memory.untold_bytes;
	process->grown_bytes = replay->memory.grown_bytes;
	top->rss = (struct top_rss){replay->rss.peak_bytes, replay->rss_peak_ns,
				    replay->memory.rss_bytes};
}

/*
 * Whether the moment lacks blocks that threads held back. At the very end of a log none do, and of a
 * mark, and of the end of the program's code, the log tells which ones were held back.
 */
static bool lacks_late(const struct top *top, const struct moments_log *log)
{
	const bool to_the_end = !top->moments->single_pass && log->until_ns == UINT64_MAX &&
				log->until_number == UINT64_MAX;

	return top->options.what == TOP_AT_MOMENT && !to_the_end && log->late_order == 0;
}

static void note_log(struct top *top, const struct reader *reader, const struct moments_log *log)
{
	top->hides_blocks |= report_hides_blocks(reader);
	top->dropped |= reader_dropped(reader) != NULL;
	if (reader_dropped(reader) != NULL) {
		top->dropped_unknown |= !reader_dropped(reader)->held.known;
		top->dropped_missing += reader_dropped(reader)->held.missing;
	}
	if (report_dropped_seconds(reader) > top->dropped_seconds)
		top->dropped_seconds = report_dropped_seconds(reader);
	if (lacks_late(top, log))
		top->held_bytes += reader_held_bytes(reader);
}

int top_add(struct top *top, const struct moments *moments, size_t number)
{
	const struct moments_log *log = &moments->logs[number];
	const bool alive = log->alive || top->options.what != TOP_AT_MOMENT;
	struct reader *reader;
	struct replay replay;
	struct census census;
	int status = EXIT_OK;
	int result = 0;

	if (open_log(top, log, &reader) != 0)
		return EXIT_DATA;
	top->moments = moments;
	replay_init(&replay, reader_header(reader));
	census_init(&census, top->options.census);
	begin_replay(top, &replay, log);
	if (top->options.by == TOP_BY_TYPE)
		replay.census = &census;
	if (alive)
		result = replay_run(&replay, reader);
	new_process(top, reader)->alive = alive;
	if (alive)
		note_moment(top, &replay);
	if (top->options.by == TOP_BY_TYPE)
		status = take_census(top, reader, &census, replay.last_ns);
	if (alive) {
		note_log(top, reader, log);
		add_all(top, reader, &replay);
		if (result == 0 && lacks_blocks(top, reader, &replay)) {
			top->lacking++;
			status = EXIT_DATA;
		}
	}
	/* When the program's own code had ended is a moment that the log has, or not. */
	if (alive && log->until_number == UINT64_MAX)
		top_note_unfinished(top, reader, replay.python_ended);
	top->processes[top->process_count - 1].threads = replay.threads;
	threads_init(&replay.threads);
	replay_fini(&replay);
	census_fini(&census);
	damage_warn(reader);
	if (result != 0)
		status = EXIT_DATA;
	reader_close(reader);
	return status;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_row_and_stack(const void *left, const void *right)
{
	const struct top_part *a = left;
	const struct top_part *b = right;

	return a->row != b->row ? compare_numbers(a->row, b->row)
				: compare_numbers(a->stack, b->stack);
}

/* For each row the stack with most bytes, or blocks if these are equal; of equals the first. */
static void find_stacks(struct top *top)
{
	struct amount best = {0};

	if (top->part_count != 0)
		qsort(top->parts, top->part_count, sizeof(*top->parts), by_row_and_stack);
	for (size_t i = 0; i < top->part_count;) {
		const struct top_part *part = &top->parts[i];
		struct amount sum = {0};

		if (i == 0 || part->row != part[-1].row)
			best = sum;
		for (; i < top->part_count && by_row_and_stack(part, &top->parts[i]) == 0; i++)
			add_amount(&sum, &top->parts[i].amount);
		if (sum.bytes > best.bytes || (sum.bytes == best.bytes && sum.count > best.count)) {
			best = sum;
			top->rows[part->row - 1].stack = part->stack;
		}
	}
}

static int compare_texts(const struct top *top, uint32_t a, uint32_t b)
{
	if (a == b || a == 0 || b == 0)
		return compare_numbers(a, b);
	return strcmp(top->frames.texts[a], top->frames.texts[b]);
}

static int compare_stacks(const struct top *top, uint32_t a, uint32_t b)
{
	while (a != b && a != 0 && b != 0) {
		const struct frame *x = &top->frames.frames[a];
		const struct frame *y = &top->frames.frames[b];
		int order = compare_texts(top, x->file, y->file);

		if (order == 0)
			order = compare_numbers(x->line, y->line);
		if (order == 0)
			order = compare_texts(top, x->function, y->function);
		if (order != 0)
			return order;
		a = x->caller;
		b = y->caller;
	}
	return compare_numbers(a, b);
}

static int by_size(const void *left, const void *right, void *context)
{
	const struct top *top = context;
	const struct top_row *a = left;
	const struct top_row *b = right;
	const int orders[] = {
		compare_numbers(b->amount.bytes, a->amount.bytes),
		compare_numbers(b->amount.count, a->amount.count),
		compare_texts(top, a->key.type, b->key.type),
		compare_texts(top, a->key.file, b->key.file),
		compare_numbers(a->key.line, b->key.line),
		compare_texts(top, a->key.function, b->key.function),
		compare_numbers(a->key.process, b->key.process),
		compare_numbers(a->key.thread, b->key.thread),
		compare_numbers(a->key.kind, b->key.kind),
	};

	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++)
		if (orders[i] != 0)
			return orders[i];
	return compare_stacks(top, a->key.stack, b->key.stack);
}

void top_finish(struct top *top)
{
	find_stacks(top);
	if (top->count != 0)
		qsort_r(top->rows, top->count, sizeof(*top->rows), by_size, top);
}

/* --- for those who print --- */

const struct top_process *top_row_process(const struct top *top, const struct top_row *row)
{
	return row->key.process == 0 ? NULL : &top->processes[row->key.process - 1];
}

const struct thread *top_row_thread(const struct top *top, const struct top_row *row)
{
	return threads_lookup(&top_row_process(top, row)->threads, row->key.thread);
}

bool top_row_frame(const struct top *top, const struct top_row *row, struct frame *frame)
{
	*frame = (struct frame){
		.file = row->key.file, .function = row->key.function, .line = row->key.line};
	if (top->options.by == TOP_BY_STACK && row->key.stack != 0)
		*frame = top->frames.frames[row->key.stack];
	else if (top->options.by == TOP_BY_STACK)
		*frame = (struct frame){.file = top->no_frame, .function = top->no_frame};
	return frame->file != 0;
}
