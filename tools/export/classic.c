/* SPDX-License-Identifier: MIT */
/* Which events of a log get which lines of the classic layouts. */
#include "classic.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "classic_line.h"
#include "classic_types.h"
#include "cpuclock.h"
#include "error.h"
#include "frames.h"
#include "heap.h"
#include "idmap.h"
#include "log_end.h"
#include "names.h"
#include "progress.h"
#include "span.h"
#include "stack_filter.h"

/* What an event's line is made of. */
struct seen {
	const char *what;
	uint64_t number;
	uint64_t time_ns;
	uint64_t code;
	uint64_t position; /* of what is not a line */
	uint64_t line;	   /* of a line */
	uint64_t c_function;
	uint64_t rss_bytes;
	uint64_t skipped;
	bool is_line;
	bool is_c;
	bool previous;
	bool printed;
};

/* An event marked `previous` waits here for the next one of its thread. */
struct held {
	struct seen event;
	bool there;
};

struct classic {
	FILE *out;
	struct reader *reader;
	struct classic_options options;
	struct stack_filter filter;
	struct cpuclock clock;
	uint64_t trigger;
	uint64_t events_seen; /* of the kind, whether wanted or not */
	/* Calls and lines. */
	uint64_t count;	   /* number of the next event */
	uint64_t reported; /* number of the last FRST or NEXT */
	uint64_t reported_rss;
	bool began;
	struct seen last;      /* the last one that has a number; `what` NULL: none */
	struct idmap held_ids; /* by thread, plus one */
	struct held *held;
	/* Objects. */
	struct frames names; /* of types; only the texts */
	struct heap objects; /* the type's name of each live one */
	int64_t *live;	     /* by name */
	uint32_t live_room;
	uint64_t last_rss;
	uint64_t made;
	uint64_t destroyed;
	struct span span; /* of a context */
};

static double clock_of(struct classic *c, uint64_t time_ns)
{
	const uint64_t start_ns = reader_header(c->reader)->start_ns;

	if (c->options.clock == CLASSIC_CPU)
		return (double)cpuclock_at(&c->clock, time_ns) / 1e9;
	return time_ns > start_ns ? (double)(time_ns - start_ns) / 1e9 : 0;
}

/* A resident set that is not known has not changed. */
static int64_t compute_growth(uint64_t now, uint64_t before)
{
	return now == 0 ? 0 : (int64_t)(now - before);
}

/* --- calls and lines --- */

/* The words of CPython's own profile and trace functions. A generator that goes on is called. */
static const char *word_of(enum classic_kind kind, const struct pmt_record *record)
{
	static const char *const profile[] = {
		[PMT_PYEVENT_CALL] = "CALL",	[PMT_PYEVENT_RESUME] = "CALL",
		[PMT_PYEVENT_THROW] = "CALL",	[PMT_PYEVENT_RETURN] = "RETURN",
		[PMT_PYEVENT_YIELD] = "RETURN", [PMT_PYEVENT_UNWIND] = "RETURN",
		[PMT_PYEVENT_EXCEPTION] = NULL, [PMT_PYEVENT_OPCODE] = NULL,
	};
	static const char *const c_calls[] = {"C_CALL", "C_RETURN", "C_EXCEPT", NULL};

	if (record->type == PMT_REC_line)
		return kind == CLASSIC_TRACE ? "LINE" : NULL;
	if (record->type == PMT_REC_c_event)
		return kind == CLASSIC_PROFILE ? c_calls[record->c_event.what & 3] : NULL;
	const uint64_t what = record->pyevent.what & 7;

	if (profile[what] != NULL || kind == CLASSIC_PROFILE)
		return profile[what];
	return what == PMT_PYEVENT_EXCEPTION ? "EXCEPT" : "OPCODE";
}

static struct seen see_event(const struct classic *c, const struct reader_event *event)
{
	const struct pmt_record *record = &event->record;
	struct seen seen = {
		.what = word_of(c->options.kind, record),
		.time_ns = event->time_ns,
		.rss_bytes = event->rss_bytes,
		.skipped = event->skipped,
		.previous = event->previous,
		.is_line = record->type == PMT_REC_line,
		.is_c = record->type == PMT_REC_c_event,
	};

	if (seen.is_line) {
		seen.code = record->line.code;
		seen.line = record->line.line;
	} else if (seen.is_c) {
		seen.code = record->c_event.code;
		seen.position = record->c_event.position;
		seen.c_function = record->c_event.function;
	} else {
		seen.code = record->pyevent.code;
		seen.position = record->pyevent.position;
	}
	return seen;
}

static uint32_t line_of(struct classic *c, const struct seen *seen)
{
	if (!seen->is_line)
		return reader_position_line(c->reader, seen->code, seen->position);
	return seen->line <= UINT32_MAX ? (uint32_t)seen->line : 0;
}

static void print_line(struct classic *c, const char *label, struct seen *seen)
{
	struct reader_code code;
	struct reader_c_function function = {.name = NULL};

	reader_code(c->reader, seen->code, &code);
	if (seen->is_c)
		reader_c_function(c->reader, seen->c_function, &function);
	seen->printed = true;
	classic_put_line(c->out,
			 &(struct classic_line){
				 .label = label,
				 .number = seen->number,
				 .since = seen->number - c->reported,
				 .clock_s = clock_of(c, seen->time_ns),
				 .what = seen->what,
				 .file = code.file,
				 .line = line_of(c, seen),
				 .function = seen->is_c ? function.name : code.name,
				 .rss_bytes = seen->rss_bytes,
				 .growth_bytes = compute_growth(seen->rss_bytes, c->reported_rss),
			 });
}

/* The event of CLASSIC's trigger itself. */
static void report_seen(struct classic *c, struct seen *seen)
{
	if (!c->began)
		print_line(c, "FRST", seen);
	else if (c->trigger != 0 && !c->last.printed && c->last.number + 1 == seen->number)
		print_line(c, "PREV", &c->last);
	if (c->began)
		print_line(c, "NEXT", seen);
	c->began = true;
	c->reported = seen->number;
	if (seen->rss_bytes != 0)
		c->reported_rss = seen->rss_bytes;
}

static bool seen_triggers(const struct classic *c, const struct seen *seen)
{
	const int64_t moved = compute_growth(seen->rss_bytes, c->reported_rss);

	return !c->began || (uint64_t)(moved < 0 ? -moved : moved) >= c->trigger;
}

/* The next event in order. One that is of another kind only takes a number. */
static void take_seen(struct classic *c, struct seen *seen)
{
	seen->number = c->count++;
	if (c->trigger == 0 && seen->previous && c->began)
		print_line(c, "PREV", seen);
	else if (seen_triggers(c, seen))
		report_seen(c, seen);
	c->last = *seen;
}

static struct held *held_of(struct classic *c, uint32_t thread, bool make)
{
	const uint64_t id = (uint64_t)thread + 1;
	const int64_t found = idmap_get(&c->held_ids, id);
	const uint32_t count = (uint32_t)c->held_ids.count;

	if (found >= 0)
		return &c->held[found];
	if (!make)
		return NULL;
	if ((count & (count - 1)) == 0)
		c->held = need_resize(c->held, (count == 0 ? 1 : 2UL * count) * sizeof(*c->held));
	c->held[count].there = false;
	idmap_put(&c->held_ids, id, count);
	return &c->held[count];
}

/*
 * Prints or drops the event of a thread that waits, now that the next one of the thread is known.
 */
static void release_held(struct classic *c, struct held *held, bool next_is_shown)
{
	held->there = false;
	held->event.previous = next_is_shown;
	c->count += held->event.skipped;
	if (next_is_shown)
		take_seen(c, &held->event);
	else
		c->count++;
}

static void on_event(struct classic *c, const struct reader_event *event)
{
	struct seen seen = see_event(c, event);
	struct held *held = held_of(c, event->thread, seen.previous && seen.what != NULL);

	if (held != NULL && held->there)
		release_held(c, held, seen.what != NULL);
	if (held != NULL && seen.previous && seen.what != NULL) {
		*held = (struct held){seen, true};
		return;
	}
	c->count += seen.skipped;
	if (seen.what != NULL)
		take_seen(c, &seen);
}

static void put_message(struct classic *c, uint64_t time_ns, const struct pmt_bytes *text)
{
	const double clock_s = clock_of(c, time_ns);

	if (c->options.kind == CLASSIC_OBJECTS) {
		classic_put_object_message(c->out, clock_s, text->data, text->size);
		return;
	}
	const struct classic_line line = {
		.number = c->count, .since = c->count - c->reported, .clock_s = clock_s};

	classic_put_message(c->out, &line, text->data, text->size);
}

/* A mark of this context, or of no context at all: that is a message of the program. */
static void on_context_mark(struct classic *c, const struct reader_event *event)
{
	const enum span_verb verb = span_mark(&c->span, &event->record.mark.text, event->thread);
	const struct pmt_bytes text = {c->span.text, (uint32_t)c->span.size};

	if (verb == SPAN_LINE)
		classic_put_raw(c->out, text.data, text.size);
	else if (verb == SPAN_MESSAGE)
		put_message(c, event->time_ns, &text);
	else if (verb == SPAN_NONE && c->span.inside)
		put_message(c, event->time_ns, &event->record.mark.text);
}

static void on_mark(struct classic *c, const struct reader_event *event)
{
	if (c->options.context != NULL)
		on_context_mark(c, event);
	else
		put_message(c, event->time_ns, &event->record.mark.text);
}

static void print_last(struct classic *c)
{
	for (uint64_t i = 0; i < c->held_ids.count; i++)
		if (c->held[i].there)
			release_held(c, &c->held[i], false);
	if (!c->began)
		return;
	c->last.number = c->count;
	print_line(c, "LAST", &c->last);
}

/* --- objects --- */

static uint32_t name_of(struct classic *c, uint64_t type)
{
	const uint32_t name = frames_text(&c->names, reader_object_type(c->reader, type));

	if (name >= c->live_room) {
		const uint32_t room = name * 2 + 64;

		c->live = need_resize(c->live, room * sizeof(*c->live));
		for (; c->live_room < room; c->live_room++)
			c->live[c->live_room] = 0;
	}
	return name;
}

/*
 * Objects that were made before the log began are not counted, so their destruction changes no
 * count.
 */
static void count_object(struct classic *c, const struct pmt_record *record, uint32_t name)
{
	const bool made = record->type == PMT_REC_create;
	const struct heap_block block = {.site = name};
	struct heap_block old;
	const bool was_there = made ? heap_put(&c->objects, record->create.addr, &block, &old)
				    : heap_take(&c->objects, record->destroy.addr, &old);

	if (was_there)
		c->live[old.site]--;
	c->live[name] += made;
}

/* An object that the context saw made may be destroyed while the context does not look. */
static void count_end(struct classic *c, const struct pmt_record *record)
{
	struct heap_block old;

	if (c->options.context != NULL && c->span.inside && record->type == PMT_REC_destroy &&
	    heap_take(&c->objects, record->destroy.addr, &old))
		c->live[old.site]--;
}

static bool is_type_wanted(const struct classic *c, uint64_t type)
{
	const struct classic_options *o = &c->options;
	const char *name = reader_object_type(c->reader, type);

	if (o->context != NULL && strncmp(name, "cPyMemTrace.", 12) == 0)
		return false; /* the contexts themselves */
	if (text_list_matches(&o->other_types, name))
		return false;
	/* A type that is named is wanted whatever it is. */
	if (o->types.count != 0)
		return text_list_matches(&o->types, name);
	return o->builtin || !reader_object_type_builtin(c->reader, type) ||
	       !classic_is_common_type(name);
}

static void on_object(struct classic *c, const struct reader_event *event)
{
	const struct pmt_record *record = &event->record;
	const bool made = record->type == PMT_REC_create;
	const uint64_t stack = made ? record->create.stack : record->destroy.stack;
	const uint64_t type = made ? record->create.type : record->destroy.type;
	struct reader_code code;

	if (!is_type_wanted(c, type))
		return;

	const uint32_t name = name_of(c, type);

	count_object(c, record, name);
	c->made += made;
	c->destroyed += !made;
	if (c->options.counts)
		return;
	reader_code(c->reader, reader_stack_code(c->reader, stack), &code);
	if (c->last_rss == 0)
		c->last_rss = event->rss_bytes;
	classic_put_object(c->out,
			   &(struct classic_object){
				   .label = made ? "NEW" : "DEL",
				   .clock_s = clock_of(c, event->time_ns),
				   .addr = made ? record->create.addr : record->destroy.addr,
				   .live = c->live[name],
				   .type = c->names.texts[name],
				   .file = code.file,
				   .line = reader_stack_line(c->reader, stack),
				   .function = code.name,
				   .rss_bytes = event->rss_bytes,
				   .growth_bytes = compute_growth(event->rss_bytes, c->last_rss),
			   });
	if (event->rss_bytes != 0)
		c->last_rss = event->rss_bytes;
}

/* --- all --- */

/* How many objects there were; a type that has none left has no line. */
static void print_counts(struct classic *c)
{
	fprintf(c->out, "NEW: %" PRIu64 "\nDEL: %" PRIu64 "\n", c->made, c->destroyed);
	for (uint32_t i = 0; i < c->live_room; i++) {
		if (c->live[i] == 0)
			continue;
		fprintf(c->out, "LIVE: %" PRId64 " ", c->live[i]);
		classic_put_raw(c->out, c->names.texts[i], strlen(c->names.texts[i]));
	}
}

static bool is_wanted(struct classic *c, const struct reader_event *event)
{
	if (c->options.context != NULL && (!c->span.inside || c->span.paused))
		return false;
	if (c->options.context_thread && event->thread != c->span.thread)
		return false;
	return stack_filter_passes_event(&c->filter, &event->record, event->thread);
}

/* Does a C function enter or leave a context? */
static bool is_door(const struct classic *c, const struct pmt_record *record)
{
	struct reader_c_function function;

	if (c->options.context == NULL || record->type != PMT_REC_c_event)
		return false;
	reader_c_function(c->reader, record->c_event.function, &function);
	return strncmp(function.owner, "cPyMemTrace.", 12) == 0 &&
	       (strcmp(function.name, "__enter__") == 0 || strcmp(function.name, "__exit__") == 0);
}

static int visit_event(void *context, const struct reader_event *event)
{
	struct classic *c = context;
	const enum pmt_type type = event->record.type;
	const bool is_object = type == PMT_REC_create || type == PMT_REC_destroy;

	progress_step(event->number);
	if (type == PMT_REC_mark) {
		on_mark(c, event);
		return ferror_unlocked(c->out) ? EXIT_DATA : 0;
	}
	if (!reader_is_python_event(type) || is_object != (c->options.kind == CLASSIC_OBJECTS))
		return 0;
	c->events_seen++;
	if (!is_wanted(c, event) || is_door(c, &event->record))
		count_end(c, &event->record);
	else if (is_object)
		on_object(c, event);
	else
		on_event(c, event);
	return ferror_unlocked(c->out) ? EXIT_DATA : 0;
}

static int pass_over(void *context, const struct reader_blocks *blocks)
{
	(void)context;
	progress_steps(blocks->number, blocks->count);
	return 0;
}

/* What the log has most to tell about. */
static int kind_of(const struct reader *reader)
{
	const uint64_t traced = reader_header(reader)->traced;
	const uint64_t lines =
		1U << PMT_TRACED_LINES | 1U << PMT_TRACED_OPCODES | 1U << PMT_TRACED_EXCEPTIONS;

	if (traced >> PMT_TRACED_C_CALLS & 1)
		return CLASSIC_PROFILE;
	if (traced & lines)
		return CLASSIC_TRACE;
	if (traced >> PMT_TRACED_CALLS & 1)
		return CLASSIC_PROFILE;
	return traced >> PMT_TRACED_OBJECTS & 1 ? CLASSIC_OBJECTS : CLASSIC_PROFILE;
}

static int begin_output(struct classic *c)
{
	const struct pmt_header *header = reader_header(c->reader);

	c->trigger = c->options.trigger_page ? header->page_bytes : c->options.trigger;
	if (c->options.kind == CLASSIC_AUTO)
		c->options.kind = kind_of(c->reader);
	if (c->options.clock == CLASSIC_CPU && cpuclock_init(&c->clock, c->reader) != 0)
		return -1;
	if (c->options.clock == CLASSIC_CPU && c->clock.count == 0) {
		if (c->options.context == NULL)
			error("%s: no processor times in this log: the clock is that of the wall",
			      reader_path(c->reader));
		c->options.clock = CLASSIC_WALL;
	}
	/* Marks of before a size limit are gone: what is there may be the context's. */
	span_init(&c->span, c->options.context);
	c->span.inside = reader_dropped(c->reader) != NULL;
	if (c->options.counts)
		return 0;
	fputs("SOF\n", c->out);
	if (c->options.kind == CLASSIC_OBJECTS)
		classic_put_object_header(c->out);
	else
		classic_put_header(c->out);
	return 0;
}

/* Whether the log has no events of the kind because it was traced without them. */
static bool lacks_events(const struct classic *c)
{
	static const struct {
		uint32_t traced;
		const char *what;
		const char *words;
	} kinds[] = {
		[CLASSIC_PROFILE] = {1U << PMT_TRACED_CALLS | 1U << PMT_TRACED_C_CALLS, "calls",
				     "profile"},
		[CLASSIC_TRACE] = {1U << PMT_TRACED_CALLS | 1U << PMT_TRACED_LINES |
					   1U << PMT_TRACED_OPCODES | 1U << PMT_TRACED_EXCEPTIONS,
				   "lines of Python", "trace"},
		[CLASSIC_OBJECTS] = {1U << PMT_TRACED_OBJECTS, "Python objects", "objects"},
	};
	const int kind = c->options.kind;

	return c->events_seen == 0 && c->options.context == NULL &&
	       log_end_lacks(c->reader, kinds[kind].traced, kinds[kind].what, kinds[kind].words);
}

int classic_print(FILE *out, struct reader *reader, const struct classic_options *options)
{
	struct classic c = {.out = out, .reader = reader, .options = *options};
	int rc;

	frames_init(&c.names);
	heap_init(&c.objects);
	stack_filter_init(&c.filter, &c.options.filter, reader);
	rc = begin_output(&c);
	if (rc == 0)
		rc = reader_run_blocks(reader, visit_event, pass_over, &c);
	if (rc == 0 && options->counts) {
		print_counts(&c);
	} else if (rc == 0) {
		print_last(&c);
		fputs("EOF\n", out);
	}
	if (rc == 0 && lacks_events(&c))
		rc = EXIT_DATA;
	stack_filter_fini(&c.filter);
	span_fini(&c.span);
	cpuclock_fini(&c.clock);
	frames_fini(&c.names);
	heap_fini(&c.objects);
	idmap_fini(&c.held_ids);
	free(c.held);
	free(c.live);
	return rc;
}
