/* SPDX-License-Identifier: MIT */
/* pymemtrace calls: which functions the resident set grew in, as a table, a tree or JSON. */
#include "calls_print.h"
#include "command.h"
#include "error.h"
#include "inputs.h"
#include "report_options.h"

#define NOT_GIVEN UINT64_MAX

enum { TABLE_ROWS = 20, TREE_LINES = 100 };

static struct calls_options settings = {
	.filter = {.thread = FILTER_ALL_THREADS}, .limit = NOT_GIVEN, .depth = NOT_GIVEN};
static bool only;
static bool as_json;

static int check_options(void)
{
	if (!settings.tree && (settings.depth != NOT_GIVEN || settings.least != 0))
		return error("--depth and --min go with --tree");
	if (settings.limit == NOT_GIVEN)
		settings.limit = settings.tree ? TREE_LINES : TABLE_ROWS;
	return 0;
}

static int run_calls(int count, char **operands)
{
	struct inputs inputs;
	struct calls calls;

	if (check_options() != 0)
		return EXIT_USAGE;
	int status = inputs_init_run(&inputs, only, count, operands);

	if (status != EXIT_OK)
		return status;
	calls_init(&calls, &settings);
	status = EXIT_DATA;
	for (size_t i = 0; i < inputs.count; i++)
		if (calls_add(&calls, inputs.paths[i]) == EXIT_OK)
			status = EXIT_OK;
	if (as_json && calls.process_count != 0)
		calls_print_json(&calls);
	else if (calls.process_count != 0)
		calls_print(&calls);
	calls_fini(&calls);
	inputs_fini(&inputs);
	return status;
}

static const struct command_option options[] = {
	{.name = "by",
	 .value = CALLS_BY_WORDS,
	 .kind = COMMAND_CHOICE,
	 .target = &settings.by,
	 .doc = "sort by what the resident set grew in a function and in all that it called (the default), in the function itself, by the number of calls, or by inclusive time"},
	{.name = "number",
	 .letter = 'n',
	 .value = "N",
	 .kind = COMMAND_COUNT,
	 .target = &settings.limit,
	 .doc = "print at most N functions (default 20), or lines of the tree (default 100)"},
	{.name = "tree",
	 .kind = COMMAND_SWITCH,
	 .target = &settings.tree,
	 .doc = "tell chains of calls apart: callers above, what they called below them"},
	{.name = "depth",
	 .value = "N",
	 .kind = COMMAND_COUNT,
	 .target = &settings.depth,
	 .doc = "with --tree: no chains of more than N functions"},
	{.name = "min",
	 .value = "BYTES",
	 .kind = COMMAND_COUNT,
	 .target = &settings.least,
	 .doc = "with --tree: only where the resident set grew by at least so many bytes, inclusive"},
	FILTER_OPTIONS(settings.filter),
	BYTES_OPTION,
	{.name = "json",
	 .kind = COMMAND_SWITCH,
	 .target = &as_json,
	 .doc = "print a JSON object with processes, total, and functions or tree; lines of the tree come in the order of the text, with their depth"},
	FAMILY_OPTION(&only),
	{.name = NULL},
};

const struct command cmd_calls = {
	.name = "calls",
	.summary = "in which functions the resident set grew: inclusive, exclusive, by call tree",
	.operands = "[LOG...]",
	.doc = "Adds up how the resident set grew and shrank between the events of logs that were traced with the words calls, c-calls or lines, and the time. "
	       "Exclusive is what happened while a function itself was running, inclusive also what happened in the functions it called. "
	       "The resident set is that of the process: what another thread did is charged to the function whose event shows it first. "
	       "Time is wall-clock time, as exact as the clock of the log. "
	       "Several logs, or the logs of a folder, make one report.",
	.options = options,
	.run = run_calls,
};
