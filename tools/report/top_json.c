/* SPDX-License-Identifier: MIT */
/* The rows of top as JSON, with what they are about. */
#include <string.h>

#include "error.h"
#include "replay.h"
#include "report.h"
#include "top.h"

/* A text of the table, null for none. */
static void put_text(json_t *object, const char *key, const struct top *top, uint32_t text)
{
	const char *chars = text == 0 ? NULL : top->frames.texts[text];

	json_object_set_new(object, key,
			    chars == NULL ? json_null() : report_json_text(chars, strlen(chars)));
}

/* A line that is not known is null, as in `pymemtrace json`. */
static void put_frame(json_t *object, const struct top *top, const struct frame *frame)
{
	put_text(object, "file", top, frame->file);
	if (frame->line != 0)
		report_put_number(object, "line", frame->line);
	else
		json_object_set_new(object, "line", json_null());
	put_text(object, "function", top, frame->function);
}

static json_t *json_stack(const struct top *top, uint32_t stack)
{
	json_t *list = json_array();

	for (; stack != 0; stack = top->frames.frames[stack].caller) {
		json_t *object = json_object();

		put_frame(object, top, &top->frames.frames[stack]);
		json_array_append_new(list, object);
	}
	return list;
}

static void put_thread(json_t *object, const struct top *top, const struct top_row *row)
{
	const struct thread *thread = top_row_thread(top, row);
	const bool named = thread != NULL && thread->name != NULL;

	report_put_number(object, "thread", row->key.thread);
	report_put_number(object, "tid", thread != NULL ? thread->tid : 0);
	json_object_set_new(object, "thread_name",
			    named ? report_json_text(thread->name, thread->name_size)
				  : json_null());
}

static json_t *json_row(const struct top *top, const struct top_row *row)
{
	const struct top_process *process = top_row_process(top, row);
	json_t *object = json_object();
	struct frame frame;
	char buffer[32];

	top_row_frame(top, row, &frame);
	put_frame(object, top, &frame);
	if (top->options.by != TOP_BY_LINE && top->options.by != TOP_BY_STACK)
		json_object_set_new(object, "line", json_null());
	report_put_number(object, "bytes", row->amount.bytes);
	report_put_number(object, "count", row->amount.count);
	if (process != NULL) {
		report_put_number(object, "pid", process->pid);
		json_object_set_new(object, "log",
				    report_json_text(process->path, strlen(process->path)));
	}
	if (top->options.by == TOP_BY_THREAD)
		put_thread(object, top, row);
	if (top->options.by == TOP_BY_ALLOCATOR)
		json_object_set_new(object, "allocator",
				    json_string(replay_kind_name(row->key.kind - 1, buffer)));
	if (top->options.by == TOP_BY_TYPE)
		put_text(object, "type", top, row->key.type);
	json_object_set_new(object, "stack", json_stack(top, row->stack));
	return object;
}

/* --- around the rows --- */

static void put_known(json_t *object, const char *key, bool known, uint64_t time_ns)
{
	json_object_set_new(object, key, known ? json_real(report_seconds(time_ns)) : json_null());
}

static void put_string(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key,
			    text != NULL ? report_json_text(text, strlen(text)) : json_null());
}

static json_t *json_amount(const struct amount *amount)
{
	json_t *object = json_object();

	report_put_number(object, "bytes", amount->bytes);
	report_put_number(object, "count", amount->count);
	return object;
}

static json_t *json_process(const struct top *top, const struct top_process *process)
{
	json_t *object = json_amount(&process->amount);
	const bool at_moment = top->options.what != TOP_TEMPORARY && process->alive;

	report_put_number(object, "pid", process->pid);
	put_string(object, "log", process->path);
	json_object_set_new(object, "alive", json_boolean(process->alive));
	put_known(object, "time_s", at_moment, process->moment_ns);
	put_string(object, "census", process->census);
	put_string(object, "stopped", process->stopped);
	return object;
}

/* Where each process is looked at in its own end, there is no one time. */
static void put_time(json_t *object, const struct top *top)
{
	const enum moment_kind kind = top->options.moment.kind;
	const bool own = kind == MOMENT_END || kind == MOMENT_EXIT;

	if (top->process_count == 1)
		put_known(object, "time_s", top->options.what != TOP_TEMPORARY,
			  top->processes[0].moment_ns);
	else
		put_known(object, "time_s", top->options.what == TOP_AT_MOMENT && !own,
			  top->moments->at_ns);
}

static json_t *json_moment(const struct top *top)
{
	const enum top_what what = top->options.what;
	json_t *object = json_object();

	put_string(object, "at", what == TOP_AT_MOMENT ? top->options.at : NULL);
	put_string(object, "census",
		   what != TOP_AT_CENSUS	 ? NULL
		   : top->options.census != NULL ? top->options.census
						 : "last");
	put_time(object, top);
	return object;
}

static json_t *json_total(const struct top *top)
{
	json_t *object = json_amount(&top->all);

	json_object_set_new(object, "mappings", json_amount(&top->mapped));
	report_put_number(object, "held_bytes", top->options.mappings ? 0 : top->held_bytes);
	return object;
}

void top_print_json(const struct top *top, uint64_t limit)
{
	static const char *const kinds[] = {"live", "short-lived", "live Python objects"};
	json_t *object = json_object(), *processes = json_array(), *rows = json_array();

	for (size_t i = 0; i < top->process_count; i++) {
		const struct top_process *process = &top->processes[i];

		if (process->stopped != NULL)
			error("warning: %s: %s; what happened later is not in the log",
			      process->path, process->stopped);
		json_array_append_new(processes, json_process(top, process));
	}
	for (uint32_t i = 0; i < top->count && i < limit; i++)
		json_array_append_new(rows, json_row(top, &top->rows[i]));
	put_string(object, "what", kinds[top->options.what]);
	json_object_set_new(object, "moment", json_moment(top));
	json_object_set_new(object, "total", json_total(top));
	json_object_set_new(object, "matching", json_amount(&top->shown));
	json_object_set_new(object, "processes", processes);
	report_put_number(object, "left_out", top->count > limit ? top->count - limit : 0);
	json_object_set_new(object, "rows", rows);
	report_json_print(object);
}
