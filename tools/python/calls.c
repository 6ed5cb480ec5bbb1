/* SPDX-License-Identifier: MIT */
/*
 * Stacks from events. What a function's callees did is known when it leaves the stack: its thread's
 * sum then, less the one when it came; so an event costs the same however deep its stack is.
 */
#include "calls.h"

#include <stdlib.h>
#include <string.h>

#include "damage.h"
#include "error.h"
#include "log_end.h"
#include "idmap.h"
#include "log.h"
#include "names.h"
#include "progress.h"

/* A log may have many `events_begin` with long stacks; no more frames than this are taken. */
#define BEGIN_FRAMES_MAX 50000000
#define BEGIN_DEPTH_MAX 16384
/* The words of which some are needed. */
#define CALLS_TRACED (1U << PMT_TRACED_CALLS | 1U << PMT_TRACED_C_CALLS | 1U << PMT_TRACED_LINES)

/* A function in one thread. */
struct row {
	uint32_t function;
	uint32_t active; /* so often on the stack */
	unsigned found;	 /* by the filter */
	uint64_t calls;
	struct call_amount own;
	struct call_amount all;
	struct call_amount since; /* the thread's sum when it came onto the stack */
};

struct entry {
	uint32_t row;
	uint32_t node;
	unsigned found; /* by the filter, in this function and in all that called it */
};

struct caller {
	uint32_t number;
	struct idmap row_ids; /* by function */
	struct row *rows;     /* 0: outside */
	uint32_t row_count;
	uint32_t row_room;
	struct entry *stack; /* 0: outside */
	uint32_t depth;	     /* of the entry on top */
	uint32_t room;
	uint64_t over; /* so many calls are not on the stack, which is too deep */
	uint64_t last_ns;
	struct call_amount sum;	  /* of what passes the filter */
	struct call_amount whole; /* of all */
};

/* One log while it is read. */
struct state {
	struct calls *calls;
	struct reader *reader;
	struct calls_process *process;
	struct idmap codes; /* functions by code id, and by C function id */
	struct idmap c_functions;
	struct idmap thread_ids; /* by number plus one */
	struct caller *threads;
	uint32_t thread_count;
	uint32_t thread_room;
	uint64_t rss_bytes; /* the last one known, 0: none yet */
	uint64_t first_ns, last_ns;
	uint64_t begin_frames;
};

/* --- functions and threads --- */

static uint32_t intern_row(struct calls *calls, const char *file, const char *name, uint32_t line)
{
	const struct frame frame = {
		.file = frames_text(&calls->names, file),
		.function = frames_text(&calls->names, name),
		.line = line,
	};
	const uint32_t number = frames_push(&calls->names, &frame);

	if (number >= calls->function_room) {
		const uint32_t room = number * 2 + 64;

		calls->functions = need_resize(calls->functions, room * sizeof(*calls->functions));
		memset(calls->functions + calls->function_room, 0,
		       (room - calls->function_room) * sizeof(*calls->functions));
		calls->function_room = room;
	}
	return number;
}

/* Lines of hostile logs do not make a Python function one in C. */
static uint32_t new_function(struct state *s, uint64_t id, bool is_c)
{
	struct reader_c_function function;
	struct reader_code code;

	if (is_c) {
		reader_c_function(s->reader, id, &function);
		return intern_row(s->calls, function.owner, function.name, CALLS_IS_C);
	}
	reader_code(s->reader, id, &code);
	return intern_row(s->calls, code.file, code.qualname,
			  code.first_line == CALLS_IS_C ? 0 : code.first_line);
}

static uint32_t function_of(struct state *s, uint64_t id, bool is_c)
{
	struct idmap *map = is_c ? &s->c_functions : &s->codes;
	const int64_t found = idmap_get(map, id);

	if (__builtin_expect(found >= 0, 1))
		return (uint32_t)found;
	const uint32_t function = new_function(s, id, is_c);

	idmap_put(map, id, function); /* refuses 0, which then is asked for each time */
	return function;
}

static void new_caller(struct caller *t, uint32_t number)
{
	*t = (struct caller){.number = number, .row_count = 1, .row_room = 16, .room = 16};
	t->rows = need_memory(t->row_room * sizeof(*t->rows));
	t->stack = need_memory(t->room * sizeof(*t->stack));
	t->rows[0] = (struct row){.active = 1};
	t->stack[0] = (struct entry){0};
}

static struct caller *caller_of(struct state *s, uint32_t number, uint64_t time_ns)
{
	const int64_t found = idmap_get(&s->thread_ids, (uint64_t)number + 1);

	if (__builtin_expect(found >= 0, 1))
		return &s->threads[found];
	if (s->thread_count == s->thread_room) {
		s->thread_room = s->thread_room * 2 + 4;
		s->threads = need_resize(s->threads, s->thread_room * sizeof(*s->threads));
	}
	struct caller *t = &s->threads[s->thread_count];

	new_caller(t, number);
	t->last_ns = time_ns;
	idmap_put(&s->thread_ids, (uint64_t)number + 1, s->thread_count++);
	return t;
}

static uint32_t row_of(struct state *s, struct caller *t, uint32_t function)
{
	const int64_t found = idmap_get(&t->row_ids, function);

	if (__builtin_expect(found >= 0, 1))
		return (uint32_t)found;
	const unsigned looked = frames_look(&s->calls->names, &s->calls->options.filter, function);

	if (t->row_count == t->row_room) {
		t->row_room *= 2;
		t->rows = need_resize(t->rows, t->row_room * sizeof(*t->rows));
	}
	t->rows[t->row_count] = (struct row){.function = function, .found = looked};
	idmap_put(&t->row_ids, function, t->row_count);
	return t->row_count++;
}

/* --- the stack of a thread --- */

static void push_row(struct state *s, struct caller *t, uint32_t row)
{
	struct calls *calls = s->calls;
	struct row *r = &t->rows[row];
	const unsigned found = t->stack[t->depth].found | r->found;
	uint32_t node = t->stack[t->depth].node;

	if (t->depth == CALLS_DEPTH_MAX || t->over != 0) {
		t->over++;
		calls->cut = true;
		return;
	}
	if (++t->depth == t->room) {
		t->room *= 2;
		t->stack = need_resize(t->stack, t->room * sizeof(*t->stack));
	}
	if (calls->options.tree) {
		const uint32_t child = calltree_child(&calls->tree, node, r->function);

		calls->cut |= child == node;
		node = child;
	}
	if (r->active++ == 0)
		r->since = t->sum;
	t->stack[t->depth] = (struct entry){row, node, found};
}

static void pop_row(struct caller *t)
{
	struct row *r = &t->rows[t->stack[t->depth].row];

	if (t->over != 0) {
		t->over--;
		return;
	}
	if (t->depth == 0)
		return;
	t->depth--;
	if (--r->active != 0)
		return;
	r->all.grown += t->sum.grown - r->since.grown;
	r->all.shrunk += t->sum.shrunk - r->since.shrunk;
	r->all.time_ns += t->sum.time_ns - r->since.time_ns;
}

static void pop_all(struct caller *t)
{
	t->over = 0;
	while (t->depth != 0)
		pop_row(t);
}

/* ROW runs: what is above it on the stack has ended, and it is on it if it was not. */
static void locate_row(struct state *s, struct caller *t, uint32_t row)
{
	if (__builtin_expect(t->stack[t->depth].row == row, 1) || t->over != 0)
		return;
	if (t->rows[row].active == 0)
		push_row(s, t, row);
	else
		while (t->stack[t->depth].row != row)
			pop_row(t);
}

/* Whether a filter that looks at any frame passes what happens here. */
static bool passes(const struct state *s, const struct caller *t)
{
	const struct filter *filter = &s->calls->options.filter;

	return filter->frame != FILTER_ANY || filter_passes(filter, t->stack[t->depth].found);
}

/* What moved since the last event is that of the function on top. */
static void charge_running(struct state *s, struct caller *t, const struct reader_event *event)
{
	const struct entry *top = &t->stack[t->depth];
	struct call_amount amount = {.time_ns = event->time_ns - t->last_ns};

	t->last_ns = event->time_ns;
	if (event->rss_bytes != 0 && s->rss_bytes != 0) {
		if (event->rss_bytes > s->rss_bytes)
			amount.grown = event->rss_bytes - s->rss_bytes;
		else
			amount.shrunk = s->rss_bytes - event->rss_bytes;
	}
	if ((amount.grown | amount.shrunk | amount.time_ns) == 0)
		return;
	call_amount_add(&t->whole, &amount);
	if (!passes(s, t))
		return;
	call_amount_add(&t->sum, &amount);
	call_amount_add(&t->rows[top->row].own, &amount);
	if (s->calls->options.tree)
		call_amount_add(&s->calls->tree.nodes[top->node].own, &amount);
}

/* --- events --- */

static void enter_function(struct state *s, struct caller *t, uint32_t row, bool counts)
{
	const struct entry *top;

	push_row(s, t, row);
	counts = counts && passes(s, t);
	t->rows[row].calls += counts;
	if (!s->calls->options.tree || t->over != 0)
		return;
	top = &t->stack[t->depth];
	if (top->node != top[-1].node)
		s->calls->tree.nodes[top->node].calls += counts;
}

static void on_pyevent(struct state *s, struct caller *t, const struct reader_event *event)
{
	const struct pmt_pyevent *record = &event->record.pyevent;
	const uint32_t row = row_of(s, t, function_of(s, record->code, false));

	switch (record->what) {
	case PMT_PYEVENT_CALL:
	case PMT_PYEVENT_RESUME:
	case PMT_PYEVENT_THROW:
		charge_running(s, t, event);
		enter_function(s, t, row, record->what == PMT_PYEVENT_CALL);
		break;
	case PMT_PYEVENT_RETURN:
	case PMT_PYEVENT_YIELD:
	case PMT_PYEVENT_UNWIND:
		locate_row(s, t, row);
		charge_running(s, t, event);
		pop_row(t);
		break;
	default:
		locate_row(s, t, row);
		charge_running(s, t, event);
		break;
	}
}

static void on_c_event(struct state *s, struct caller *t, const struct reader_event *event)
{
	const struct pmt_c_event *record = &event->record.c_event;
	const uint32_t caller = row_of(s, t, function_of(s, record->code, false));
	const uint32_t row = row_of(s, t, function_of(s, record->function, true));

	if (record->what == PMT_CEVENT_CALL) {
		locate_row(s, t, caller);
		charge_running(s, t, event);
		enter_function(s, t, row, true);
	} else if (record->what == PMT_CEVENT_RETURN || record->what == PMT_CEVENT_EXCEPTION) {
		if (t->rows[row].active == 0)
			locate_row(s, t, caller);
		locate_row(s, t, row);
		charge_running(s, t, event);
		pop_row(t);
	} else {
		charge_running(s, t, event);
	}
}

static void on_begin(struct state *s, struct caller *t, uint64_t stack)
{
	uint64_t codes[BEGIN_DEPTH_MAX];
	size_t count = 0;

	pop_all(t);
	for (; stack != 0 && count < BEGIN_DEPTH_MAX && s->begin_frames < BEGIN_FRAMES_MAX;
	     stack = reader_stack_parent(s->reader, stack), s->begin_frames++)
		if (reader_stack_code(s->reader, stack) != 0)
			codes[count++] = reader_stack_code(s->reader, stack);
	while (count-- > 0)
		push_row(s, t, row_of(s, t, function_of(s, codes[count], false)));
}

static void on_event(struct state *s, const struct reader_event *event)
{
	struct caller *t = caller_of(s, event->thread, event->time_ns);

	switch (event->record.type) {
	case PMT_REC_pyevent:
		on_pyevent(s, t, event);
		break;
	case PMT_REC_c_event:
		on_c_event(s, t, event);
		break;
	case PMT_REC_line:
		locate_row(s, t, row_of(s, t, function_of(s, event->record.line.code, false)));
		charge_running(s, t, event);
		break;
	default: /* an object: its stack says nothing new */
		charge_running(s, t, event);
		break;
	}
}

static void count_event(struct state *s, const struct reader_event *event)
{
	struct calls_process *process = s->process;

	if (process->events == 0)
		s->first_ns = event->time_ns;
	s->last_ns = event->time_ns;
	process->events += 1 + event->skipped;
	process->skipped += event->skipped;
}

/* Of all threads, so that what one did is not charged to another one later. */
static void note_resident(struct state *s, uint64_t rss_bytes)
{
	if (rss_bytes == 0)
		return;
	if (s->rss_bytes == 0)
		s->process->first_bytes = rss_bytes;
	s->rss_bytes = rss_bytes;
}

static bool is_wanted(const struct state *s, uint32_t thread)
{
	return filter_has_thread(&s->calls->options.filter, thread);
}

static int visit_event(void *context, const struct reader_event *event)
{
	struct state *s = context;

	progress_step(event->number);
	if (event->record.type == PMT_REC_lost) {
		s->process->lost += event->record.lost.count;
	} else if (event->record.type == PMT_REC_events_begin && is_wanted(s, event->thread)) {
		struct caller *t = caller_of(s, event->thread, event->time_ns);

		t->last_ns = event->time_ns;
		on_begin(s, t, event->record.events_begin.stack);
	} else if (reader_is_python_event(event->record.type)) {
		s->process->seen++;
		if (is_wanted(s, event->thread)) {
			on_event(s, event);
			count_event(s, event);
		}
		note_resident(s, event->rss_bytes);
	}
	return 0;
}

static int pass_over(void *context, const struct reader_blocks *blocks)
{
	(void)context;
	progress_steps(blocks->number, blocks->count);
	return 0;
}

/* --- a log --- */

static char *copy_text(const char *text, size_t size)
{
	char *to = need_memory(size + 1);

	memcpy(to, text, size);
	to[size] = '\0';
	return to;
}

static struct calls_process *new_process(struct calls *calls, const struct reader *reader)
{
	const char *path = reader_path(reader);
	const char *mode = "";
	long size = reader_text(reader, PMT_TEXT_RSS, &mode);

	calls->processes = need_resize(calls->processes,
				       (calls->process_count + 1) * sizeof(*calls->processes));
	struct calls_process *process = &calls->processes[calls->process_count++];

	*process = (struct calls_process){
		.path = copy_text(path, strlen(path)),
		.rss_at_events = copy_text(size < 0 ? "" : mode, size < 0 ? 0 : (size_t)size),
		.pid = reader_header(reader)->pid,
		.lost = reader_header(reader)->live.lost,
	};
	return process;
}

bool calls_passes(struct calls *calls, uint32_t function)
{
	const struct filter *filter = &calls->options.filter;

	return filter->frame == FILTER_ANY ||
	       filter_passes(filter, frames_look(&calls->names, filter, function));
}

static void free_process(struct calls_process *process)
{
	free(process->path);
	free(process->rss_at_events);
}

/* The last one that was added. */
static void forget_process(struct calls *calls)
{
	free_process(&calls->processes[--calls->process_count]);
}

/* All has ended: what the threads know goes to the functions. */
static void finish_thread(struct calls *calls, struct caller *t)
{
	pop_all(t);
	t->rows[0].all = t->rows[0].own;
	for (uint32_t i = 0; i < t->row_count; i++) {
		struct calls_function *f = &calls->functions[t->rows[i].function];

		f->calls += t->rows[i].calls;
		call_amount_add(&f->own, &t->rows[i].own);
		if (calls_passes(calls, t->rows[i].function))
			call_amount_add(&calls->shown, &t->rows[i].own);
		call_amount_add(&f->all, &t->rows[i].all);
	}
	call_amount_add(&calls->total, &t->whole);
	idmap_fini(&t->row_ids);
	free(t->rows);
	free(t->stack);
}

int calls_read(struct calls *calls, struct reader *reader)
{
	struct state s = {.calls = calls, .reader = reader};
	const double dropped_seconds = (double)reader_dropped_ns(reader) / 1e9;

	if (dropped_seconds > calls->dropped_seconds)
		calls->dropped_seconds = dropped_seconds;
	s.process = new_process(calls, reader);
	const int rc = reader_run_blocks(reader, visit_event, pass_over, &s);
	s.process->last_bytes = s.rss_bytes;
	s.process->threads = s.thread_count;
	s.process->duration_ns = s.last_ns - s.first_ns;
	for (uint32_t i = 0; i < s.thread_count; i++)
		finish_thread(calls, &s.threads[i]);
	idmap_fini(&s.codes);
	idmap_fini(&s.c_functions);
	idmap_fini(&s.thread_ids);
	free(s.threads);
	return rc;
}

int calls_add(struct calls *calls, const char *path)
{
	struct reader *reader;
	int rc;

	if (reader_open(path, &reader) != 0)
		return EXIT_DATA;
	log_end_warn(reader);
	progress_begin(path);
	rc = calls_read(calls, reader);
	progress_end();
	damage_warn(reader);
	if (calls->processes[calls->process_count - 1].seen == 0 &&
	    log_end_lacks(reader, CALLS_TRACED, "calls", "calls")) {
		forget_process(calls);
		rc = -1;
	}
	reader_close(reader);
	return rc == 0 ? EXIT_OK : EXIT_DATA;
}

void calls_init(struct calls *calls, const struct calls_options *options)
{
	*calls = (struct calls){.options = *options};
	frames_init(&calls->names);
	calltree_init(&calls->tree);
	calls->function_room = 64;
	calls->functions = need_memory(calls->function_room * sizeof(*calls->functions));
	memset(calls->functions, 0, calls->function_room * sizeof(*calls->functions));
}

void calls_fini(struct calls *calls)
{
	for (size_t i = 0; i < calls->process_count; i++)
		free_process(&calls->processes[i]);
	free(calls->processes);
	free(calls->functions);
	calltree_fini(&calls->tree);
	frames_fini(&calls->names);
}
