/* SPDX-License-Identifier: MIT */
/* The rows of a report on objects as a table and as JSON. */
#include "objects_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "moment_print.h"
#include "report.h"

static const char *text_of(const struct objects *objects, uint32_t text)
{
	return text == 0 ? NULL : objects->frames.texts[text];
}

/* --- text --- */

static void put_escaped(const char *text)
{
	escape_terminal(stdout, text, ESCAPE_LENGTH);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void put_moment(const struct objects *objects)
{
	const struct moment *moment = &objects->options.moment;

	fputs("Python objects ", stdout);
	if (moment->kind == MOMENT_PEAK && objects->process_count > 1)
		fputs("when most objects of each process were live", stdout);
	else if (moment->kind == MOMENT_PEAK)
		fputs("when most objects were live", stdout);
	else
		moment_print(moment, objects->process_count > 1);
	if (moment->kind != MOMENT_TIME && objects->process_count == 1)
		printf(", %.3f s after the start", report_seconds(objects->processes[0].moment_ns));
	puts(":");
}

static void put_totals(const struct objects *objects)
{
	const struct objects_counts *counts = &objects->counts;
	const uint64_t destroyed = objects_destroyed(counts);
	report_buffer a, b, c, d, e;

	printf("%s live (%s), %s created, %s destroyed (%s inferred)\n",
	       report_count(counts->live, a), report_size(counts->live_bytes, b),
	       report_count(counts->created, c), report_count(destroyed, d),
	       report_count(counts->inferred, e));
	if (counts->before != 0)
		printf("%s more destroyed that had been created before the log\n",
		       report_count(counts->before, a));
}

static void put_peak(const struct objects *objects, const struct objects_process *process)
{
	report_buffer live, bytes, rss;

	if (objects->process_count > 1)
		printf("process %" PRIu32 ": ", process->pid);
	printf("most at one moment: %s object%s (%s), %.3f s after the start",
	       report_count(process->peak_live, live), plural(process->peak_live),
	       report_size(process->peak_bytes, bytes), report_seconds(process->peak_ns));
	if (process->peak_rss != 0)
		printf(", RSS %s", report_size(process->peak_rss, rss));
	putchar('\n');
}

static void put_columns(const struct objects_counts *counts)
{
	report_buffer buffers[6];

	printf("%12s %11s %12s %12s %12s %12s  ", report_count(counts->live, buffers[0]),
	       report_cell(counts->live_bytes, buffers[1]),
	       report_count(counts->created, buffers[2]),
	       report_count(objects_destroyed(counts), buffers[3]),
	       report_count(counts->inferred, buffers[4]),
	       report_count(counts->before, buffers[5]));
}

static void put_key(const struct objects *objects, const struct objects_key *key)
{
	if (key->type != 0) {
		put_escaped(text_of(objects, key->type));
		if (objects->options.by != OBJECTS_BY_TYPE)
			fputs("  ", stdout);
	}
	if (key->unknown)
		fputs(OBJECTS_BEFORE, stdout);
	if (key->file != 0)
		put_escaped(text_of(objects, key->file));
	if (key->line != 0)
		printf(":%" PRIu32, key->line);
	if (key->function != 0) {
		putchar(' ');
		put_escaped(text_of(objects, key->function));
	}
	putchar('\n');
}

static void take_from(struct objects_counts *rest, const struct objects_counts *counts)
{
	rest->created -= counts->created;
	rest->live -= counts->live;
	rest->live_bytes -= counts->live_bytes;
	rest->inferred -= counts->inferred;
	rest->before -= counts->before;
}

static void put_rows(const struct objects *objects, uint64_t limit)
{
	static const char *const titles[] = {"type", "type  site", "function", "file"};
	struct objects_counts rest = objects->counts;
	report_buffer more;

	printf("\n%12s %11s %12s %12s %12s %12s  %s\n", "live", "size", "created", "destroyed",
	       "inferred", "before", titles[objects->options.by]);
	for (uint32_t i = 0; i < objects->count && i < limit; i++) {
		put_columns(&objects->rows[i].counts);
		put_key(objects, &objects->rows[i].key);
		take_from(&rest, &objects->rows[i].counts);
	}
	if (objects->count > limit) {
		put_columns(&rest);
		printf("%s more\n", report_count(objects->count - limit, more));
	}
}

void objects_print(const struct objects *objects, uint64_t limit)
{
	put_moment(objects);
	put_totals(objects);
	for (size_t i = 0; i < objects->process_count; i++)
		put_peak(objects, &objects->processes[i]);
	if (objects->count != 0)
		put_rows(objects, limit);
}

/* --- JSON --- */

static void put_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key,
			    text == NULL ? json_null() : report_json_text(text, strlen(text)));
}

static void put_counts(json_t *object, const struct objects_counts *counts)
{
	report_put_number(object, "live", counts->live);
	report_put_number(object, "live_bytes", counts->live_bytes);
	report_put_number(object, "created", counts->created);
	report_put_number(object, "created_bytes", counts->created_bytes);
	report_put_number(object, "destroyed", objects_destroyed(counts));
	report_put_number(object, "inferred", counts->inferred);
	report_put_number(object, "before", counts->before);
}

static json_t *json_row(const struct objects *objects, const struct objects_row *row)
{
	const struct objects_key *key = &row->key;
	json_t *object = json_object();

	put_text(object, "type", text_of(objects, key->type));
	put_text(object, "file", key->unknown ? OBJECTS_BEFORE : text_of(objects, key->file));
	json_object_set_new(object, "line",
			    key->line != 0 ? report_json_number(key->line) : json_null());
	put_text(object, "function", text_of(objects, key->function));
	put_counts(object, &row->counts);
	return object;
}

static json_t *json_process(const struct objects_process *process)
{
	json_t *object = json_object();

	put_text(object, "log", process->path);
	report_put_number(object, "pid", process->pid);
	json_object_set_new(object, "time_s", json_real(report_seconds(process->moment_ns)));
	put_counts(object, &process->counts);
	report_put_number(object, "most_live", process->peak_live);
	report_put_number(object, "most_live_bytes", process->peak_bytes);
	json_object_set_new(object, "most_live_time_s",
			    json_real(report_seconds(process->peak_ns)));
	json_object_set_new(object, "most_live_rss",
			    process->peak_rss != 0 ? report_json_number(process->peak_rss)
						   : json_null());
	return object;
}

void objects_print_json(const struct objects *objects, uint64_t limit)
{
	json_t *object = json_object();
	json_t *processes = json_array();
	json_t *rows = json_array();

	for (size_t i = 0; i < objects->process_count; i++)
		json_array_append_new(processes, json_process(&objects->processes[i]));
	for (uint32_t i = 0; i < objects->count && i < limit; i++)
		json_array_append_new(rows, json_row(objects, &objects->rows[i]));
	put_counts(object, &objects->counts);
	json_object_set_new(object, "processes", processes);
	json_object_set_new(object, "rows", rows);
	report_json_print(object);
}
