/* SPDX-License-Identifier: MIT */
/* pymemtrace stats: the figures of each log, for people or as JSON. */
#include <stdio.h>

#include "command.h"
#include "error.h"
#include "inputs.h"
#include "report.h"
#include "report_options.h"
#include "stats.h"

static bool as_json;
static bool one_log;

/* Print one log, or add it to JSON when that is wanted. Returns the exit status. */
static int run_log(const char *path, bool first, json_t *json)
{
	struct stats stats;
	const int status = stats_init(&stats, path);

	if (stats.reader != NULL && json != NULL) {
		json_array_append_new(json, stats_json(&stats));
	} else if (stats.reader != NULL) {
		if (!first)
			puts("\n");
		stats_print(&stats);
	}
	stats_fini(&stats);
	return status;
}

/* One log is one object, several are an array of them. */
static void print_json(json_t *json, size_t logs)
{
	json_t *only = json_array_get(json, 0);

	if (logs == 1 && only != NULL)
		report_json_print(json_incref(only));
	else if (logs != 1)
		report_json_print(json_incref(json));
	json_decref(json);
}

static int run_stats(int count, char **operands)
{
	struct inputs inputs;
	json_t *json = as_json ? json_array() : NULL;
	int status = inputs_init_run(&inputs, one_log, count, operands);

	if (status != EXIT_OK)
		return status;
	status = EXIT_DATA;
	for (size_t i = 0; i < inputs.count; i++)
		if (run_log(inputs.paths[i], i == 0, json) == EXIT_OK)
			status = EXIT_OK;
	if (as_json)
		print_json(json, inputs.count);
	inputs_fini(&inputs);
	return status;
}

static const struct command_option options[] = {
	BYTES_OPTION,
	{.name = "json",
	 .kind = COMMAND_SWITCH,
	 .target = &as_json,
	 .doc = "print JSON: an object for one log, an array of objects for several"},
	FAMILY_OPTION(&one_log),
	{.name = NULL},
};

const struct command cmd_stats = {
	.name = "stats",
	.summary = "the figures of logs: allocations, peak, mappings, resident set, threads",
	.operands = "[LOG...]",
	.doc = "Prints, for each log: the process, how many blocks were allocated and freed and by which function, the heap's peak, what was live at the end, memory mappings by class, the resident set, and the threads. A folder stands for the logs in it. "
	       "Mappings are not part of the heap. "
	       "Frees include those of unknown blocks; a realloc counts as an allocation and as a free. "
	       "RSS by part tells what the resident set is made of, at its peak and at the end, as far as the tracer looked: it looks when the resident set has grown by an eighth. "
	       "The virtual size of a part is its address space. "
	       "What the parts leave over is not explained; it is negative where memory changed while the tracer looked.",
	.options = options,
	.run = run_stats,
};
