/* SPDX-License-Identifier: MIT */
/*
 * From the events of a log to rows of lines. Each thread has a stack of what its functions are
 * executing, one entry a level of depth.h:
 *
 *	level   -1         0             1
 *	entry   (nothing)  a.py:3 main   a.py:9 work
 *
 * An entry collects what the resident set changes by; it goes to the row when the function's next
 * line begins or the function ends. So a line's execution includes the C functions that it calls,
 * and not the Python functions, if these and their lines are in the log.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "damage.h"
#include "depth.h"
#include "error.h"
#include "log_end.h"
#include "hashindex.h"
#include "lines.h"
#include "progress.h"
#include "stack_filter.h"

enum {
	/* Deeper functions share the last entry: that many calls without a return are no program's.
	 */
	ENTRIES_MAX = 1 << 20,
};

struct running {
	int64_t change;
	uint32_t row;	/* 0: no line yet */
	bool counts;	/* the execution belongs to the table */
	unsigned found; /* by the filter, in the function and in its callers */
};

struct line_thread {
	struct depth depth;
	uint64_t rss; /* at the last event where it was known; 0: none yet */
	struct running *entries;
	uint32_t room;
	uint32_t at;	  /* entry of the running function */
	uint32_t uss_row; /* of the last line, if it had a `memory` record and counts; else 0 */
	uint64_t uss;
	struct pmt_memory memory; /* of the next line */
	bool has_memory;
	bool wanted;
};

/* A line of a code object of this log, and its row. */
struct place {
	uint64_t code;
	uint64_t line;
	uint32_t row;
};

struct run {
	struct lines *lines;
	struct reader *reader;
	struct stack_filter filter;
	struct idmap known; /* thread number plus one -> position in `threads` */
	struct line_thread *threads;
	uint32_t thread_count;
	uint32_t last;	      /* number of the thread that was asked for last */
	uint32_t last_thread; /* its position */
	struct place *places; /* [1, place_count] */
	uint32_t place_count;
	uint32_t place_room;
	struct hashindex index; /* of places */
	uint64_t seen;		/* line events */
	uint64_t unplaced;	/* of these, such whose depth is not known */
	uint64_t peak;		/* largest resident set that the kernel has told so far */
};

/* --- rows --- */

struct key {
	const struct place *places;
	uint64_t code;
	uint64_t line;
};

static bool is_same(const void *context, uint32_t number)
{
	const struct key *key = context;
	const struct place *place = &key->places[number];

	return place->code == key->code && place->line == key->line;
}

static uint32_t add_place(struct run *run, uint64_t hash, const struct pmt_line *record)
{
	const uint32_t line = record->line <= UINT32_MAX ? (uint32_t)record->line : 0;
	const uint32_t number = ++run->place_count;
	struct reader_code code;

	reader_code(run->reader, record->code, &code);
	const uint32_t row = lines_row(run->lines, &code, line);

	run->places = need_room(run->places, number, &run->place_room, sizeof(*run->places));
	run->places[number] = (struct place){record->code, record->line, row};
	hashindex_add(&run->index, hash, number);
	return row;
}

static uint32_t find_row(struct run *run, const struct pmt_line *record)
{
	const struct key key = {run->places, record->code, record->line};
	const uint64_t hash = hashindex_mix(&run->index, record->code, record->line);
	const uint32_t found = hashindex_find(&run->index, hash, is_same, &key);

	return found != 0 ? run->places[found].row : add_place(run, hash, record);
}

/* --- what is running --- */

static int64_t add_capped(int64_t sum, int64_t change)
{
	return (int64_t)((uint64_t)sum + (uint64_t)change);
}

static void charge_figure(struct lines_change *figure, int64_t change)
{
	figure->total = add_capped(figure->total, change);
	if (figure->count++ == 0 || change > figure->largest)
		figure->largest = change;
}

/* An execution ends: what it changed goes to its row. */
static void finish_line(struct run *run, struct running *entry)
{
	if (entry->row != 0 && entry->counts)
		charge_figure(&run->lines->rows[entry->row].rss, entry->change);
	else
		run->lines->elsewhere = add_capped(run->lines->elsewhere, entry->change);
	*entry = (struct running){.found = entry->found};
}

static struct running *entry_of(struct line_thread *thread)
{
	const uint64_t wanted = (uint64_t)(thread->depth.level + 1);
	const uint32_t at = wanted < ENTRIES_MAX ? (uint32_t)wanted : ENTRIES_MAX - 1;

	if (at >= thread->room) {
		const uint32_t room = at * 2 + 16;

		thread->entries = need_resize(thread->entries, room * sizeof(*thread->entries));
		memset(thread->entries + thread->room, 0,
		       (room - thread->room) * sizeof(*thread->entries));
		thread->room = room;
	}
	thread->at = at;
	return &thread->entries[at];
}

static bool is_any(const struct run *run)
{
	return run->lines->options.filter.frame == FILTER_ANY;
}

static void move_depth(struct run *run, struct line_thread *thread,
		       const struct pmt_pyevent *record)
{
	const enum depth_move step = depth_move(record);

	if (step == DEPTH_LEAVES)
		finish_line(run, &thread->entries[thread->at]);
	depth_step(&thread->depth, step);
	struct running *entry = entry_of(thread);

	if (step == DEPTH_ENTERS) {
		finish_line(run, entry);
		entry->found = stack_filter_code(&run->filter, record->code);
		if (is_any(run) && thread->at > 0)
			entry->found |= entry[-1].found;
	}
}

/* Entries above the running function's are empty. */
static void finish_all(struct run *run, struct line_thread *thread)
{
	for (uint32_t i = 0; i <= thread->at; i++)
		finish_line(run, &thread->entries[i]);
}

/* Events begin, perhaps again: what ran before is over. */
static void begin_line(struct run *run, struct line_thread *thread,
		       const struct pmt_events_begin *record)
{
	finish_all(run, thread);
	depth_begin(&thread->depth, record);
	entry_of(thread)->found =
		record->stack == 0 ? 0 : stack_filter_stack(&run->filter, record->stack);
	thread->rss = 0;
	thread->uss_row = 0;
	thread->has_memory = false;
}

/* The change of the resident set up to this event. */
static inline void measure_thread(struct line_thread *thread, uint64_t rss)
{
	if (rss == thread->rss || rss == 0)
		return;
	if (thread->rss != 0) {
		struct running *entry = &thread->entries[thread->at];

		/* Before its first line a function's work is that of the line that called it. */
		if (entry->row == 0 && thread->at > 0 && entry[-1].row != 0)
			entry--;
		entry->change = add_capped(entry->change, (int64_t)(rss - thread->rss));
	}
	thread->rss = rss;
}

/* --- lines --- */

static void note_value(struct lines_change *figure, uint64_t value)
{
	if (!figure->known)
		figure->first = value;
	figure->last = value;
	figure->known = true;
}

/* USS at a line; ROW 0: the line does not count. */
static void take_memory(struct run *run, struct line_thread *thread, uint32_t row)
{
	const uint64_t uss = thread->memory.uss;

	if (thread->uss_row != 0 && thread->has_memory)
		charge_figure(&run->lines->rows[thread->uss_row].uss, (int64_t)(uss - thread->uss));
	thread->uss_row = thread->has_memory ? row : 0;
	thread->uss = uss;
	if (thread->uss_row != 0) {
		struct lines_row *to = &run->lines->rows[row];

		if (!to->uss.known) {
			to->swap = thread->memory.swap;
			to->peak = thread->memory.peak;
		}
		note_value(&to->uss, uss);
	}
	thread->has_memory = false;
}

/* FOUND: what the filter found where the line is executed. */
static bool row_counts(struct run *run, const struct line_thread *thread, unsigned found)
{
	const struct lines_options *options = &run->lines->options;

	if (!thread->wanted || !filter_passes(&options->filter, found))
		return false;
	if (options->depth == LINES_ALL_DEPTHS && !is_any(run))
		return true;
	if (!thread->depth.known) {
		run->unplaced++;
		return false;
	}
	return thread->depth.level < 0 || (uint64_t)thread->depth.level <= options->depth;
}

static void on_line(struct run *run, struct line_thread *thread, const struct reader_event *event)
{
	const uint32_t number = find_row(run, &event->record.line);
	struct lines_row *row = &run->lines->rows[number];
	struct running *entry = &thread->entries[thread->at];
	const unsigned found = row->found | (is_any(run) ? entry->found : 0);
	const bool counted = row_counts(run, thread, found);

	run->seen++;
	if (entry->row != 0 || entry->change != 0)
		finish_line(run, entry);
	*entry = (struct running){.row = number, .counts = counted, .found = entry->found};
	if (counted) {
		if (row->hits++ == 0)
			row->order = run->lines->hits + 1;
		run->lines->hits++;
		if (event->rss_bytes != 0)
			note_value(&row->rss, event->rss_bytes);
	}
	if (thread->has_memory || thread->uss_row != 0)
		take_memory(run, thread, counted ? number : 0);
}

/* --- events --- */

static struct line_thread *slow_thread(struct run *run, uint32_t number)
{
	int64_t at = idmap_get(&run->known, number + 1ULL);

	if (at < 0) {
		const struct filter *filter = &run->lines->options.filter;

		at = run->thread_count++;
		idmap_put(&run->known, number + 1ULL, (uint32_t)at);
		if ((at & (at - 1)) == 0)
			run->threads = need_resize(run->threads, (size_t)(at == 0 ? 1 : at * 2) *
									 sizeof(*run->threads));
		run->threads[at] =
			(struct line_thread){.wanted = filter_has_thread(filter, number)};
		depth_init(&run->threads[at].depth);
		entry_of(&run->threads[at]);
	}
	run->last = number;
	run->last_thread = (uint32_t)at;
	return &run->threads[at];
}

static inline struct line_thread *thread_of(struct run *run, uint32_t number)
{
	if (run->last == number && run->thread_count != 0)
		return &run->threads[run->last_thread];
	return slow_thread(run, number);
}

static int visit_event(void *context, const struct reader_event *event)
{
	struct run *run = context;
	const enum pmt_type type = event->record.type;

	progress_step(event->number);
	if (type == PMT_REC_events_begin) {
		begin_line(run, thread_of(run, event->thread), &event->record.events_begin);
	} else if (type == PMT_REC_memory) {
		struct line_thread *thread = thread_of(run, event->thread);

		thread->memory = event->record.memory;
		/* The kernel's counters are not exact: what it calls the largest may fall. */
		if (run->peak < thread->memory.peak)
			run->peak = thread->memory.peak;
		thread->memory.peak = run->peak;
		thread->has_memory = true;
	} else if (reader_is_python_event(type)) {
		struct line_thread *thread = thread_of(run, event->thread);

		measure_thread(thread, event->rss_bytes);
		depth_skip(&thread->depth, event);
		run->lines->skipped += event->skipped;
		if (type == PMT_REC_line)
			on_line(run, thread, event);
		else if (type == PMT_REC_pyevent &&
			 depth_move(&event->record.pyevent) != DEPTH_STAYS)
			move_depth(run, thread, &event->record.pyevent);
	}
	return 0;
}

static void free_run(struct run *run)
{
	for (uint32_t i = 0; i < run->thread_count; i++) {
		finish_all(run, &run->threads[i]);
		free(run->threads[i].entries);
	}
	free(run->threads);
	free(run->places);
	stack_filter_fini(&run->filter);
	hashindex_fini(&run->index);
	idmap_fini(&run->known);
}

/* Whether there is nothing to report, after a message. */
static bool is_empty(const struct run *run)
{
	if (run->seen == 0)
		return log_end_lacks(run->reader, 1U << PMT_TRACED_LINES, "lines of Python",
				     "lines");
	if (run->unplaced != 0)
		error("%s%s: %" PRIu64
		      " executions of lines are left out: what called them is not known without calls and returns; trace with --trace calls,lines and without --rss-trigger",
		      run->unplaced == run->seen ? "" : "warning: ", reader_path(run->reader),
		      run->unplaced);
	return run->unplaced == run->seen;
}

int lines_add(struct lines *lines, const char *path)
{
	struct run run = {.lines = lines};

	if (reader_open(path, &run.reader) != 0)
		return EXIT_DATA;
	log_end_warn(run.reader);
	stack_filter_init(&run.filter, &lines->options.filter, run.reader);
	hashindex_init(&run.index, "lines");
	progress_begin(path);
	const int result = reader_run(run.reader, visit_event, &run);

	progress_end();
	damage_warn(run.reader);
	const bool empty = is_empty(&run);

	free_run(&run);
	reader_close(run.reader);
	return result != 0 || empty ? EXIT_DATA : EXIT_OK;
}
