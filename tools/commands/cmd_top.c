/* SPDX-License-Identifier: MIT */
/* pymemtrace top: who holds the memory, as a table or as JSON. */
#include <string.h>

#include "command.h"
#include "error.h"
#include "inputs.h"
#include "moment.h"
#include "report_options.h"
#include "top.h"

static struct top_options settings = {
	.threshold = 1, .hide_imports = true, .filter = {.thread = FILTER_ALL_THREADS}};
static bool only;
static const char *at;
static bool temporary;
static bool as_json;
static uint64_t limit = 20;

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
		return error(
			"--temporary looks at blocks of the whole log: it goes neither with --at nor with --mappings");
	if (settings.heap && settings.mappings)
		return error("--heap and --mappings do not go together");
	settings.at = at != NULL ? at : "peak";
	settings.what = temporary ? TOP_TEMPORARY : TOP_AT_MOMENT;
	return at != NULL ? moment_parse(at, &settings.moment) : 0;
}

/* What is about whole logs looks at each in its very end. */
static const struct moment *whole_moment(void)
{
	static const struct moment whole = {.kind = MOMENT_EXIT};

	return settings.what == TOP_AT_MOMENT ? &settings.moment : &whole;
}

static int add_logs(struct top *top, const struct moments *moments)
{
	int status = EXIT_DATA;

	for (size_t i = 0; i < moments->count; i++)
		if (moments->logs[i].readable && top_add(top, moments, i) == EXIT_OK)
			status = EXIT_OK;
	return status;
}

static int run_top(int count, char **operands)
{
	struct inputs inputs;
	struct moments moments;
	struct top top;

	if (choose_moment() != 0)
		return EXIT_USAGE;
	int status = inputs_init_run(&inputs, only, count, operands);

	if (status != EXIT_OK)
		return status;
	top_init(&top, &settings);
	if (moments_init(&moments, whole_moment(), inputs.paths, inputs.count) == 0)
		status = add_logs(&top, &moments);
	else
		status = EXIT_DATA;
	top_finish(&top);
	if (as_json && top.process_count != top.lacking)
		top_print_json(&top, limit);
	else if (top.process_count != top.lacking)
		top_print(&top, limit);
	top_say(&top);
	top_fini(&top);
	moments_fini(&moments);
	inputs_fini(&inputs);
	return status;
}

static int show_imports(const struct command_option *option, const char *value, bool negated)
{
	if (value != NULL && strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return error("--%s %s: not allowed, wants on or off", option->name, value);
	settings.hide_imports = negated || (value != NULL && strcmp(value, "off") == 0);
	return 0;
}

static const struct command_option options[] = {
	{.name = "by",
	 .value = TOP_BY_WORDS,
	 .kind = COMMAND_CHOICE,
	 .target = &settings.by,
	 .doc = "add up blocks by the line, function or file of their innermost Python frame (line is the default), by whole stack, thread, allocator or process; or Python's live objects by their type"},
	{.name = "at",
	 .value = "WHEN",
	 .kind = COMMAND_TEXT,
	 .target = &at,
	 .doc = "what was live at the peak of the heap and the program's own mappings together, of all processes together ('peak', the default), " MOMENT_DOC},
	{.name = "census",
	 .value = "WHICH",
	 .kind = COMMAND_TEXT,
	 .target = &settings.census,
	 .doc = "with --by type: what was live at the snapshot with this label or number, or at the end ('end'); default is the last one that the log has"},
	{.name = "temporary",
	 .kind = COMMAND_SWITCH,
	 .target = &temporary,
	 .doc = "instead of what was live, what was short-lived: freed by the thread that allocated it, after at most --threshold further allocations of that thread"},
	{.name = "threshold",
	 .value = "N",
	 .kind = COMMAND_COUNT,
	 .target = &settings.threshold,
	 .doc = "with --temporary: 0 is freed before the next allocation, 1 (the default) before the next but one, as the old block of a realloc is"},
	{.name = "number",
	 .letter = 'n',
	 .value = "N",
	 .kind = COMMAND_COUNT,
	 .target = &limit,
	 .doc = "print at most N rows (default 20)"},
	FILTER_OPTIONS(settings.filter),
	{.name = "hide-imports",
	 .kind = COMMAND_SWITCH,
	 .target = &settings.hide_imports,
	 .negatable = true,
	 .doc = "leave the frames of the import system ('<frozen importlib...') out of stacks, so that what an import takes is in one row, that of the import statement (the default)"},
	{.name = "show-imports",
	 .value = "on|off",
	 .kind = COMMAND_CALL,
	 .set = show_imports,
	 .optional = true,
	 .doc = "the opposite of --hide-imports"},
	{.name = "mappings",
	 .kind = COMMAND_SWITCH,
	 .target = &settings.mappings,
	 .doc = "memory mappings only; those of files, too, which else are left out"},
	{.name = "heap",
	 .kind = COMMAND_SWITCH,
	 .target = &settings.heap,
	 .doc = "blocks of the heap only"},
	{.name = "per-process",
	 .kind = COMMAND_SWITCH,
	 .target = &settings.per_process,
	 .doc = "tell the processes apart in any table"},
	BYTES_OPTION,
	{.name = "json",
	 .kind = COMMAND_SWITCH,
	 .target = &as_json,
	 .doc = "print a JSON object: the moment, the total, the processes, and the rows"},
	FAMILY_OPTION(&only),
	{.name = NULL},
};

const struct command cmd_top = {
	.name = "top",
	.summary = "who holds the memory: lines, functions, stacks, threads",
	.operands = "[LOG...]",
	.doc = "Adds up the blocks of the heap and the memory that the program mapped, by where they were allocated, largest first. "
	       "Of mappings count anonymous ones: of reserved address space (PROT_NONE, MAP_NORESERVE) what was resident, of others what was resident as far as the log tells it, else all. "
	       "Blocks without a Python frame are shown as '<no Python frame>'. "
	       "Several logs, or the logs of a folder, make one report of one moment: a process counts while it lives. "
	       "Only at 'end' and 'exit' each process is looked at in its own. "
	       "By type are counted the blocks of PyObject_Malloc and its relatives, with the bytes that were asked for: an object with the words that Python keeps before it, without what it holds in blocks of its own. "
	       "'<no object>' are such blocks, '<free list>' are dead objects that Python keeps for later.",
	.options = options,
	.run = run_top,
};
