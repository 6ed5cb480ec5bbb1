/* SPDX-License-Identifier: MIT */
/* pymemtrace top: who holds the memory, as a table or as JSON. */
#include "command.h"
#include "error.h"
#include "inputs.h"
#include "moment.h"
#include "top.h"

static struct top_options settings = {.threshold = 1};
static const char *at;
static bool temporary;
static bool as_json;
static uint64_t limit = 20;

/* What --at says. */
static int parse_moment(void)
{
	struct moment moment = {.kind = MOMENT_PEAK};

	if (at != NULL && moment_parse(at, &moment) != 0)
		return -1;
	settings.what = moment.kind == MOMENT_PEAK  ? TOP_AT_PEAK
			: moment.kind == MOMENT_END ? TOP_AT_END
						    : TOP_AT_TIME;
	settings.at_ns = moment.at_ns;
	return 0;
}

static int choose_moment(void)
{
	if (settings.by != TOP_BY_TYPE && settings.census != NULL)
		return error("--census goes with --by type");
	if (settings.by == TOP_BY_TYPE) {
		settings.what = TOP_AT_CENSUS;
		if (temporary || at != NULL || settings.mappings)
			return error("--by type looks at the objects of one moment, see --census: "
				     "it goes neither with --at nor --temporary nor --mappings");
		return 0;
	}
	if (temporary && (at != NULL || settings.mappings))
		return error("--temporary looks at blocks of the whole log: it goes neither with "
			     "--at nor with --mappings");
	if (!temporary)
		return parse_moment();
	settings.what = TOP_TEMPORARY;
	return 0;
}

static int run(int count, char **operands)
{
	struct inputs inputs;
	struct top top;

	if (choose_moment() != 0)
		return EXIT_USAGE;
	int status = inputs_init(&inputs, count, operands);

	if (status != EXIT_OK)
		return status;
	top_init(&top, &settings);
	for (size_t i = 0; i < inputs.count; i++)
		if (top_add(&top, inputs.paths[i]) != EXIT_OK)
			status = EXIT_DATA;
	top_finish(&top);
	if (as_json && top.process_count != 0)
		top_print_json(&top, limit);
	else if (top.process_count != 0)
		top_print(&top, limit);
	top_fini(&top);
	inputs_fini(&inputs);
	return status;
}

static const struct command_option options[] = {
	{.name = "by",
	 .value = TOP_BY_WORDS,
	 .kind = COMMAND_CHOICE,
	 .target = &settings.by,
	 .doc = "add up blocks by the line, function or file of their innermost Python frame (line "
		"is "
		"the default), by whole stack, thread, allocator or process; or Python's live "
		"objects by their type"},
	{.name = "at",
	 .value = "WHEN",
	 .kind = COMMAND_TEXT,
	 .target = &at,
	 .doc = "what was live at the peak of the heap ('peak', the default), at the end ('end', "
		"what "
		"was never freed), or so many seconds after the start"},
	{.name = "census",
	 .value = "WHICH",
	 .kind = COMMAND_TEXT,
	 .target = &settings.census,
	 .doc = "with --by type: what was live at the snapshot with this label or number, or at "
		"the end ('end'); default is the last one that the log has"},
	{.name = "temporary",
	 .kind = COMMAND_SWITCH,
	 .target = &temporary,
	 .doc = "instead of what was live, what was short-lived: freed by the thread that "
		"allocated it, "
		"after at most --threshold further allocations of that thread"},
	{.name = "threshold",
	 .value = "N",
	 .kind = COMMAND_COUNT,
	 .target = &settings.threshold,
	 .doc = "with --temporary: 0 is freed before the next allocation, 1 (the default) before "
		"the "
		"next but one, as the old block of a realloc is"},
	{.name = "number",
	 .letter = 'n',
	 .value = "N",
	 .kind = COMMAND_COUNT,
	 .target = &limit,
	 .doc = "print at most N rows (default 20)"},
	{.name = "include",
	 .value = "GLOB",
	 .kind = COMMAND_LIST,
	 .target = &settings.include,
	 .doc = "only blocks whose innermost Python frame is in a file that matches; may be given "
		"several times"},
	{.name = "exclude",
	 .value = "GLOB",
	 .kind = COMMAND_LIST,
	 .target = &settings.exclude,
	 .doc = "leave out blocks whose innermost Python frame is in a file that matches; may be "
		"given "
		"several times"},
	{.name = "hide-imports",
	 .kind = COMMAND_SWITCH,
	 .target = &settings.hide_imports,
	 .doc = "leave the frames of the import system ('<frozen importlib...') out of stacks, so "
		"that "
		"the import statement is the innermost"},
	{.name = "mappings",
	 .kind = COMMAND_SWITCH,
	 .target = &settings.mappings,
	 .doc = "memory mappings in place of the heap's blocks; without reserved address space"},
	{.name = "per-process",
	 .kind = COMMAND_SWITCH,
	 .target = &settings.per_process,
	 .doc = "tell the processes apart in any table"},
	{.name = "json",
	 .kind = COMMAND_SWITCH,
	 .target = &as_json,
	 .doc = "print an array of objects with file, line, function, bytes, count and stack; "
		"where rows "
		"add up several stacks, stack is the one with most bytes; with --by type also with "
		"type"},
	{.name = NULL},
};

const struct command cmd_top = {
	.name = "top",
	.summary = "who holds the memory: lines, functions, stacks, threads",
	.operands = "LOG...",
	.doc = "Adds up the blocks of the heap by where they were allocated, largest "
	       "first. "
	       "Blocks without a Python frame are shown as '<no Python frame>'. Several logs, or "
	       "the "
	       "logs of a folder, make one report: at the peak means each process at its own peak, "
	       "added up. By type are counted the blocks of PyObject_Malloc and its relatives, "
	       "with "
	       "the bytes that were asked for: an object with the words that Python keeps before "
	       "it, without what it holds in blocks of its own. '<no object>' are such blocks, "
	       "'<free list>' are dead objects that Python keeps for later.",
	.options = options,
	.run = run,
};
