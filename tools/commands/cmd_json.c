/* SPDX-License-Identifier: MIT */
/*
 * pymemtrace json: every record of a log as a JSON object. The header and the end go through
 * jansson; events, of which there are millions, are printed by hand.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "damage.h"
#include "error.h"
#include "inputs.h"
#include "log_end.h"
#include "names.h"
#include "progress.h"
#include "report.h"
#include "report_options.h"
#include "show.h"
#include "stack_filter.h"

static struct {
	bool stacks;
	bool definitions;
	bool array;
	struct filter filter;
} opts = {.filter = {.thread = FILTER_ALL_THREADS}};

/* One output, of any number of logs. */
static struct {
	uint64_t objects; /* printed so far, of all logs */
	uint64_t events;  /* of this log */
	uint64_t lost;	  /* of this log, by its records */
} state;

/* What stands between two objects. */
static void begin_object(void)
{
	if (opts.array)
		fputs(state.objects == 0 ? "[\n" : ",\n", stdout);
	state.objects++;
}

static void end_object(void)
{
	if (!opts.array)
		putchar('\n');
}

static void print_object(json_t *object)
{
	begin_object();
	json_dumpf(object, stdout, JSON_COMPACT);
	end_object();
	json_decref(object);
}

static int visit_definition(void *context, const struct reader_event *event)
{
	begin_object();
	show_json(context, event);
	end_object();
	return ferror_unlocked(stdout) ? EXIT_DATA : 0;
}

/* What prints the records of a log. */
struct printer {
	struct show show;
	struct stack_filter filter;
};

static int visit_event(void *context, const struct reader_event *event)
{
	struct printer *printer = context;

	progress_step(event->number);
	state.events++;
	if (event->record.type == PMT_REC_lost)
		state.lost += event->record.lost.count;
	if (!stack_filter_passes_event(&printer->filter, &event->record, event->thread))
		return 0;
	return visit_definition(&printer->show, event);
}

static void set_text(json_t *object, const char *key, const struct reader *reader, unsigned text)
{
	const char *data;
	long size = reader_text(reader, text, &data);

	if (size >= 0)
		json_object_set_new(object, key, report_json_text(data, (size_t)size));
}

static void add_word(void *array, const char *word, size_t size)
{
	json_array_append_new(array, report_json_text(word, size));
}

/* A list of the names in SET whose bits are set. */
static json_t *make_bits(const char *set, uint64_t value)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < 64; i++)
		if (value >> i & 1 && pmt_name(set, i) != NULL)
			json_array_append_new(list, json_string(pmt_name(set, i)));
	return list;
}

static void set_texts(json_t *object, const struct reader *reader)
{
	json_t *command = json_array();

	report_command(reader, add_word, command);
	json_object_set_new(object, "command", command);
	set_text(object, "executable", reader, PMT_TEXT_EXECUTABLE);
	set_text(object, "python", reader, PMT_TEXT_PYTHON);
	set_text(object, "parent_log", reader, PMT_TEXT_PARENT_LOG);
	set_text(object, "tracer", reader, PMT_TEXT_TRACER);
	set_text(object, "system", reader, PMT_TEXT_SYSTEM);
	set_text(object, "where", reader, PMT_TEXT_WHERE);
	set_text(object, "options", reader, PMT_TEXT_OPTIONS);
	set_text(object, "run", reader, PMT_TEXT_RUN);
	set_text(object, "rss_at_events", reader, PMT_TEXT_RSS);
}

static void print_totals(struct printer *printer)
{
	const struct show *show = &printer->show;
	const struct dropped *dropped = reader_dropped(show->reader);

	for (size_t i = 0; dropped != NULL && i < dropped->count; i++) {
		if (!stack_filter_passes(&printer->filter, dropped->sites[i].stack))
			continue;
		begin_object();
		show_totals_json(show, &dropped->sites[i]);
		end_object();
	}
	for (size_t i = 0; dropped != NULL && i < dropped->held.count; i++) {
		struct reader_event event;

		if (dropped_event(dropped, i, &event) &&
		    stack_filter_passes_event(&printer->filter, &event.record, event.thread))
			(void)visit_definition(&printer->show, &event);
	}
}

/* Events that are only in the totals. */
static json_t *json_dropped(const struct reader *reader)
{
	const struct dropped *dropped = reader_dropped(reader);
	json_t *object = json_object();

	report_put_number(object, "events", dropped->events);
	json_object_set_new(object, "until_s", json_real(report_dropped_seconds(reader)));
	report_put_number(object, "frees", dropped->numbers.frees);
	return object;
}

static void print_header(const struct reader *reader)
{
	const struct pmt_header *h = reader_header(reader);
	const char *path = reader_path(reader);
	json_t *object = json_object();
	report_buffer version;

	json_object_set_new(object, "event", json_string("header"));
	json_object_set_new(object, "log", report_json_text(path, strlen(path)));
	report_put_number(object, "format_version", h->version_major);
	report_put_number(object, "pid", h->pid);
	report_put_number(object, "parent_pid", h->parent_pid);
	set_texts(object, reader);
	json_object_set_new(object, "python_version",
			    report_python(h->python_version, version) != NULL ? json_string(version)
									      : json_null());
	json_object_set_new(object, "start_s", json_real(report_seconds(h->start_realtime_ns)));
	json_object_set_new(object, "start_clock_s", json_real(report_seconds(h->start_ns)));
	json_object_set_new(object, "traced", make_bits("TRACED", h->traced));
	json_object_set_new(object, "flags", make_bits("FLAG", h->live.flags));
	json_object_set_new(object, "rss_interval_s",
			    json_real(report_seconds(h->rss_interval_ns)));
	report_put_number(object, "max_stack_depth", h->max_stack_depth);
	report_put_number(object, "page_bytes", h->page_bytes);
	report_put_number(object, "pointer_bytes", h->pointer_bytes);
	if (reader_dropped(reader) != NULL)
		json_object_set_new(object, "dropped", json_dropped(reader));
	print_object(object);
}

static json_t *json_damage(const struct reader_damage *damage)
{
	json_t *object = json_object();

	report_put_number(object, "chunks_damaged", damage->chunks_damaged);
	report_put_number(object, "records_damaged", damage->records_damaged);
	report_put_number(object, "definitions_refused", damage->definitions_refused);
	report_put_number(object, "unknown_records", damage->unknown_records);
	report_put_number(object, "bytes_lost", damage->bytes_lost);
	json_object_set_new(object, "truncated", json_boolean(damage->truncated));
	return object;
}

/* Seconds since the start, null when the log was not closed. */
static json_t *json_end(const struct pmt_header *header)
{
	if (header->live.end_ns < header->start_ns)
		return json_null();
	return json_real(report_seconds(header->live.end_ns - header->start_ns));
}

static void print_end(const struct reader *reader)
{
	const struct pmt_header_live *live = &reader_header(reader)->live;
	const char *name = pmt_name("STATE", live->state);
	const char *reason = pmt_name("STOP", live->stop_reason);
	json_t *object = json_object();

	json_object_set_new(object, "event", json_string("end"));
	json_object_set_new(object, "state", json_string(name != NULL ? name : "unknown"));
	json_object_set_new(object, "stop_reason",
			    json_string(reason != NULL ? reason : "unknown"));
	json_object_set_new(object, "complete", json_boolean(report_complete(reader)));
	json_object_set_new(object, "end_s", json_end(reader_header(reader)));
	report_put_number(object, "events", state.events);
	report_put_number(object, "lost_records", live->lost + state.lost);
	json_object_set_new(object, "damage", json_damage(reader_damage(reader)));
	print_object(object);
}

static int print_log(const char *path)
{
	struct reader *reader;
	int rc = 0;

	if (reader_open(path, &reader) != 0)
		return EXIT_DATA;
	struct printer printer = {.show = {stdout, reader, opts.stacks}};

	stack_filter_init(&printer.filter, &opts.filter, reader);
	state.events = 0;
	state.lost = 0;
	progress_begin_output(path);
	log_end_warn(reader);
	print_header(reader);
	print_totals(&printer);
	if (opts.definitions)
		rc = reader_definitions(reader, visit_definition, &printer.show);
	if (rc == 0)
		rc = reader_run(reader, visit_event, &printer);
	print_end(reader);
	progress_end();
	stack_filter_fini(&printer.filter);
	damage_warn(reader);
	reader_close(reader);
	return rc == 0 ? EXIT_OK : EXIT_DATA;
}

static int run_json(int count, char **operands)
{
	const int status = inputs_each(count, operands, print_log);

	if (opts.array && status != EXIT_USAGE)
		puts(state.objects == 0 ? "[]" : "\n]");
	return status;
}

static const struct command_option options[] = {
	{.name = "array",
	 .letter = 'a',
	 .kind = COMMAND_SWITCH,
	 .target = &opts.array,
	 .doc = "print one JSON array instead of one object a line"},
	{.name = "stacks",
	 .letter = 's',
	 .kind = COMMAND_SWITCH,
	 .target = &opts.stacks,
	 .doc = "give each event its whole stack, innermost frame first"},
	{.name = "definitions",
	 .letter = 'd',
	 .kind = COMMAND_SWITCH,
	 .target = &opts.definitions,
	 .doc = "print the definitions of strings, code objects and stacks too, before the events"},
	FILTER_OPTIONS(opts.filter),
	{0},
};

const struct command cmd_json = {
	.name = "json",
	.summary = "print every record as a JSON object",
	.operands = "[LOG...]",
	.doc = "Prints every record of the logs as a JSON object on a line of its own (JSON Lines), between a header and an end for each log. \"event\" says what an object is, \"time_s\" are seconds since the start, \"start_clock_s\" is when that was on the clock that all processes share (CLOCK_MONOTONIC), \"end_s\" when the log was closed. A filter looks at the stack of an event, and of calls and lines at their function; what has neither, as the end of a block, is left out by --include. A folder stands for the *.pmt and *.pmt.zst files in it.",
	.options = options,
	.run = run_json,
};
