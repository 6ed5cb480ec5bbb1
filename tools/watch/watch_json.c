/* SPDX-License-Identifier: MIT */
/* What `pymemtrace watch --json` writes. */
#include "watch_json.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "error.h"
#include "report.h"
#include "watch_columns.h"
#include "watch_table.h"

static void stop_writing(struct watch_json *json)
{
	error("%s: cannot write: %s", json->path, strerror(errno));
	fclose(json->out);
	json->out = NULL;
	json->failed = true;
}

static void put_line(struct watch_json *json, json_t *object)
{
	const size_t flags = JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15);

	if (json->out != NULL &&
	    (json_dumpf(object, json->out, flags) != 0 || fputc('\n', json->out) == EOF))
		stop_writing(json);
	json_decref(object);
}

static void flush_file(struct watch_json *json)
{
	if (json->out != NULL && (fflush(json->out) != 0 || ferror(json->out)))
		stop_writing(json);
}

static json_t *make_text(const char *bytes)
{
	return report_json_text(bytes, strlen(bytes));
}

/* Seconds to the microsecond, so that a number does not end in digits of no meaning. */
static json_t *make_seconds(uint64_t time_ns)
{
	return json_real(round((double)time_ns / 1e3) / 1e6);
}

static json_t *begin_line(const char *kind, const struct proctree *tree)
{
	json_t *object = json_object();

	json_object_set_new(object, "kind", json_string(kind));
	json_object_set_new(object, "tick", report_json_number(tree->ticks - 1));
	json_object_set_new(object, "time_s", make_seconds(tree->now.time_ns));
	return object;
}

static json_t *make_value(const struct watch_column *column, uint64_t number)
{
	if (!procfs_known(number))
		return json_null();
	if (watch_is_whole(column))
		return report_json_number(number);
	return json_real(watch_number(column, number));
}

/* All values; those that are levels from LEVELS, the others from COUNTERS. */
static void put_values(json_t *object, const uint64_t *levels, const uint64_t *counters)
{
	for (const struct watch_column *c = watch_columns; c->name != NULL; c++)
		if (c->unit != WATCH_STATE)
			json_object_set_new(
				object, c->key,
				make_value(c, (c->level ? levels : counters)[c->value]));
}

/* The keys of the values that are partial, or with PARTIAL NULL denied; no member without any. */
static void put_keys(json_t *object, const char *name, const uint64_t *values, const bool *partial)
{
	json_t *keys = json_array();

	for (const struct watch_column *c = watch_columns; c->name != NULL; c++)
		if (c->unit != WATCH_STATE &&
		    (partial != NULL ? partial[c->value] : values[c->value] == PROCFS_DENIED))
			json_array_append_new(keys, json_string(c->key));
	if (json_array_size(keys) != 0)
		json_object_set(object, name, keys);
	json_decref(keys);
}

static json_t *make_words(const char *command, size_t size)
{
	json_t *list = json_array();

	for (size_t at = 0; at < size; at += strlen(command + at) + 1)
		json_array_append_new(list, make_text(command + at));
	return list;
}

/* --- the lines --- */

void watch_json_header(struct watch_json *json, const struct proctree *tree, bool launched,
		       double interval_s)
{
	const time_t now = time(NULL);
	struct tm utc;
	char date[32] = "";
	json_t *object = json_object();

	if (gmtime_r(&now, &utc) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &utc);
	json_object_set_new(object, "format", json_string(WATCH_JSON_FORMAT));
	json_object_set_new(object, "version", json_integer(WATCH_JSON_VERSION));
	json_object_set_new(object, "kind", json_string("header"));
	json_object_set_new(object, "program", json_string("pymemtrace " PMT_VERSION));
	json_object_set_new(object, "date", json_string(date));
	json_object_set_new(object, "interval_s", json_real(interval_s));
	json_object_set_new(object, "pid", json_integer(tree->root->pid));
	json_object_set_new(object, "launched", json_boolean(launched));
	put_line(json, object);
	flush_file(json);
}

struct context {
	struct watch_json *json;
	const struct proctree *tree;
};

static void put_process(void *context, const struct proctree_process *process)
{
	const struct context *c = context;
	json_t *object = begin_line("sample", c->tree);
	const char state[2] = {process->state, '\0'};

	json_object_set_new(object, "pid", json_integer(process->pid));
	json_object_set_new(object, "parent",
			    process->parent == NULL ? json_null()
						    : json_integer(process->parent->pid));
	json_object_set_new(object, "start_ticks", report_json_number(process->start_ticks));
	json_object_set_new(object, "name", make_text(process->name));
	if (process->command_new)
		json_object_set_new(object, "command",
				    make_words(process->command, process->command_size));
	json_object_set_new(object, "state", json_string(state));
	put_values(object, process->now.values, process->now.values);
	put_keys(object, "denied", process->now.values, NULL);
	put_line(c->json, object);
}

/* [{"name": ..., "count": ...}, ...] */
static json_t *make_briefs(const struct proctree *tree, bool whole)
{
	json_t *list = json_array();

	for (size_t i = 0; i < tree->brief_count; i++) {
		const struct proctree_brief *brief = &tree->briefs[i];
		const uint64_t count = whole ? brief->count : brief->fresh;
		json_t *entry;

		if (count == 0)
			continue;
		entry = json_object();
		json_object_set_new(entry, "name", make_text(brief->name));
		report_put_number(entry, "count", count);
		json_array_append_new(list, entry);
	}
	return list;
}

void watch_json_sample(struct watch_json *json, const struct proctree *tree)
{
	struct context context = {json, tree};
	json_t *object;

	if (json->out == NULL)
		return;
	watch_each(tree, put_process, &context);
	object = begin_line("total", tree);
	report_put_number(object, "processes", tree->live.count);
	put_values(object, tree->now.values, tree->now.values);
	put_keys(object, "partial", tree->now.values, tree->partial);
	json_object_set_new(object, "between_samples", make_briefs(tree, false));
	put_line(json, object);
	flush_file(json);
}

/* --- the summary --- */

static json_t *json_peaks(const uint64_t *peaks, const uint64_t *last)
{
	json_t *object = json_object();

	put_values(object, peaks, last);
	return object;
}

static json_t *json_processes(const struct proctree *tree)
{
	json_t *list = json_array();
	size_t count;
	const struct proctree_process **all = watch_by_peak(tree, &count);

	for (size_t i = 0; i < count; i++) {
		const struct proctree_process *process = all[i];
		json_t *object = json_object();

		json_object_set_new(object, "pid", json_integer(process->pid));
		report_put_number(object, "start_ticks", process->start_ticks);
		json_object_set_new(object, "name", make_text(process->name));
		report_put_number(object, "samples", process->samples);
		json_object_set_new(object, "found_s", make_seconds(process->first_ns));
		json_object_set_new(object, "last_s", make_seconds(process->now.time_ns));
		json_object_set_new(object, "peaks",
				    json_peaks(process->peaks, process->now.values));
		json_array_append_new(list, object);
	}
	free(all);
	return list;
}

static void put_exit(json_t *object, const struct watch_end *end)
{
	const bool by_signal = end->waited && WIFSIGNALED(end->status);
	const bool by_exit = end->waited && WIFEXITED(end->status);

	json_object_set_new(object, "exit_status",
			    by_exit ? json_integer(WEXITSTATUS(end->status)) : json_null());
	json_object_set_new(object, "signal",
			    by_signal ? json_integer(WTERMSIG(end->status)) : json_null());
}

static json_t *timeval_seconds(const struct timeval *time)
{
	return json_real((double)time->tv_sec + (double)time->tv_usec / 1e6);
}

/* What the kernel counted: nothing of it was missed between two samples. */
static json_t *json_usage(const struct watch_end *end)
{
	const struct rusage *usage = &end->usage;
	json_t *object;

	if (!end->waited)
		return json_null();
	object = json_object();
	json_object_set_new(object, "user_s", timeval_seconds(&usage->ru_utime));
	json_object_set_new(object, "system_s", timeval_seconds(&usage->ru_stime));
	report_put_number(object, "minor_faults", (uint64_t)usage->ru_minflt);
	report_put_number(object, "major_faults", (uint64_t)usage->ru_majflt);
	report_put_number(object, "largest_rss_bytes", (uint64_t)usage->ru_maxrss * 1024);
	return object;
}

void watch_json_summary(struct watch_json *json, const struct proctree *tree,
			const struct watch_end *end)
{
	json_t *object;

	if (json->out == NULL)
		return;
	object = json_object();
	json_object_set_new(object, "kind", json_string("summary"));
	json_object_set_new(object, "reason", json_string(end->reason));
	json_object_set_new(object, "time_s", make_seconds(proctree_clock(tree)));
	report_put_number(object, "ticks", tree->ticks);
	put_exit(object, end);
	json_object_set_new(object, "usage", json_usage(end));
	report_put_number(object, "most_processes", tree->most);
	json_object_set_new(object, "peaks", json_peaks(tree->peaks, tree->now.values));
	json_object_set_new(object, "processes", json_processes(tree));
	json_object_set_new(object, "between_samples", make_briefs(tree, true));
	put_line(json, object);
	flush_file(json);
}

int watch_json_fini(struct watch_json *json)
{
	if (json->out != NULL && fclose(json->out) != 0) {
		error("%s: cannot write: %s", json->path, strerror(errno));
		json->failed = true;
	}
	json->out = NULL;
	return json->failed ? -1 : 0;
}
