/* SPDX-License-Identifier: MIT */
/* pymemtrace lines: memory line by line, as a table or as JSON. */
#include "command.h"
#include "error.h"
#include "inputs.h"
#include "lines_print.h"
#include "report_options.h"

static struct lines_options settings = {.depth = LINES_ALL_DEPTHS,
					.filter = {.thread = FILTER_ALL_THREADS}};
static bool only;
static struct lines_print how = {.limit = UINT64_MAX};
static int style;
static bool as_json;

enum { STYLE_TABLE, STYLE_CLASSIC };

static void print_table(struct lines *lines)
{
	if (as_json)
		lines_print_json(lines, &how);
	else if (style == STYLE_CLASSIC)
		lines_print_classic(lines, &how);
	else
		lines_print_table(lines, &how);
}

static int run_lines(int count, char **operands)
{
	struct inputs inputs;
	struct lines lines;

	if (style == STYLE_CLASSIC && (as_json || how.source)) {
		error("--style=classic goes neither with --json nor with --source");
		return EXIT_USAGE;
	}
	int status = inputs_init_run(&inputs, only, count, operands);

	if (status != EXIT_OK)
		return status;
	lines_init(&lines, &settings);
	status = EXIT_DATA;
	for (size_t i = 0; i < inputs.count; i++)
		if (lines_add(&lines, inputs.paths[i]) == EXIT_OK)
			status = EXIT_OK;
	lines_finish(&lines);
	if (status == EXIT_OK || lines.count != 0)
		print_table(&lines);
	lines_fini(&lines);
	inputs_fini(&inputs);
	return status;
}

static const struct command_option options[] = {
	{.name = "sort",
	 .value = LINES_SORT_WORDS,
	 .kind = COMMAND_CHOICE,
	 .target = &settings.sort,
	 .doc = "order of the lines: of their first executions (the default), or largest first, by executions, by the change of RSS, or by its largest change in one execution"},
	{.name = "depth",
	 .value = "N",
	 .kind = COMMAND_COUNT,
	 .target = &settings.depth,
	 .doc = "only lines of functions that are at most N calls below the one in which the events of their thread begin; 1: that one and what it calls"},
	FILTER_OPTIONS(settings.filter),
	{.name = "number",
	 .letter = 'n',
	 .value = "N",
	 .kind = COMMAND_COUNT,
	 .target = &how.limit,
	 .doc = "print at most N lines (default all)"},
	{.name = "source",
	 .kind = COMMAND_SWITCH,
	 .target = &how.source,
	 .doc = "read the source files that the log names, where they are there, and print each line"},
	{.name = "style",
	 .value = "table|classic",
	 .kind = COMMAND_CHOICE,
	 .target = &style,
	 .doc = "classic: the table of mempulse, with USS, swap and the peak of RSS before the first execution of each line; RSS alone if the log has no USS"},
	BYTES_OPTION,
	{.name = "json",
	 .kind = COMMAND_SWITCH,
	 .target = &as_json,
	 .doc = "print an object whose member 'lines' has one object a line, in bytes"},
	FAMILY_OPTION(&only),
	{.name = NULL},
};

const struct command cmd_lines = {
	.name = "lines",
	.summary = "memory line by line: executions, RSS and what it changed by",
	.operands = "[LOG...]",
	.doc = "Prints, for each line of Python that was executed: how often, RSS before its first and its last execution, what RSS changed by while it ran, in all and at most in one execution; the same of USS if the log has it (traced with --lines uss). "
	       "What a function changed is put down to its own lines and not to the line that called it, if calls are in the log. "
	       "RSS is that of the process: what other threads did meanwhile is in it. "
	       "Several logs make one table.",
	.options = options,
	.run = run_lines,
};
