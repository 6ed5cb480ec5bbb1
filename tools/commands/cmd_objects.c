/* SPDX-License-Identifier: MIT */
/* pymemtrace objects: Python objects by type and by where they were made, or one by one. */
#include "command.h"
#include "error.h"
#include "inputs.h"
#include "names.h"
#include "objects_print.h"
#include "report_options.h"

enum { LIMIT_ROWS = 20 };

static struct objects_options settings = {.moment = {.kind = MOMENT_EXIT},
					  .filter = {.thread = FILTER_ALL_THREADS}};
static bool only;
static const char *at;
static bool live;
static bool previous;
static bool as_json;
static uint64_t limit = UINT64_MAX;

/* Read a log into the report or the list. Returns the exit status. */
static int add_log(const struct moments_log *moment, struct objects *objects,
		   struct objects_list *list)
{
	struct objects_log log;
	const int status =
		objects_log_init(&log, moment, &settings, previous ? objects_list_add : NULL, list);

	if (log.reader != NULL && live)
		objects_log_live(&log, objects_list_add, list);
	else if (log.reader != NULL && !previous)
		objects_add(objects, &log);
	objects_log_fini(&log);
	return status;
}

/* A log that ended before the moment. */
static void warn_if_stopped(const struct moments_log *log)
{
	if (log->state == PMT_STATE_STOPPED && !log->alive)
		error("warning: %s: tracing had stopped before; what happened later is not in the log",
		      log->path);
}

/* Read all logs whose process lives at the moment. Returns whether there is something to report. */
static bool add_logs(const struct moments *moments, struct objects *objects,
		     struct objects_list *list)
{
	bool reported = false;

	for (size_t i = 0; i < moments->count; i++) {
		const struct moments_log *log = &moments->logs[i];

		if (log->readable && !log->alive) {
			warn_if_stopped(log);
			reported = true;
		} else if (log->readable && add_log(log, objects, list) == EXIT_OK)
			reported = true;
	}
	return reported;
}

static int run_list(const struct moments *moments)
{
	struct objects_list list = {.json = as_json,
				    .previous = previous,
				    .processes = moments->count > 1,
				    .limit = limit};

	objects_list_begin(&list);
	const bool reported = add_logs(moments, NULL, &list);

	objects_list_end(&list);
	return reported ? EXIT_OK : EXIT_DATA;
}

static int run_report(const struct moments *moments)
{
	struct objects objects;

	objects_init(&objects, &settings);
	const bool reported = add_logs(moments, &objects, NULL);

	objects_finish(&objects);
	if (as_json && objects.process_count != 0)
		objects_print_json(&objects, limit == UINT64_MAX ? LIMIT_ROWS : limit);
	else if (objects.process_count != 0)
		objects_print(&objects, limit == UINT64_MAX ? LIMIT_ROWS : limit);
	objects_fini(&objects);
	return reported ? EXIT_OK : EXIT_DATA;
}

/* Where most objects were live each log says for itself. */
static const struct moment *moment_of_all(void)
{
	static const struct moment whole = {.kind = MOMENT_EXIT};

	return settings.moment.kind == MOMENT_PEAK ? &whole : &settings.moment;
}

static int run_objects(int count, char **operands)
{
	struct inputs inputs;
	struct moments moments;

	if (live && previous) {
		error("--live and --previous do not go together");
		return EXIT_USAGE;
	}
	if (at != NULL && moment_parse(at, &settings.moment) != 0)
		return EXIT_USAGE;
	int status = inputs_init_run(&inputs, only, count, operands);

	if (status != EXIT_OK)
		return status;
	if (moments_init(&moments, moment_of_all(), inputs.paths, inputs.count) != 0)
		status = EXIT_DATA;
	else
		status = live || previous ? run_list(&moments) : run_report(&moments);
	moments_fini(&moments);
	inputs_fini(&inputs);
	return status;
}

static const struct command_option options[] = {
	{.name = "by",
	 .value = OBJECTS_BY_WORDS,
	 .kind = COMMAND_CHOICE,
	 .target = &settings.by,
	 .doc = "add objects up by their type (the default), by type and line that made them, or by the function or file that made them"},
	{.name = "at",
	 .value = "WHEN",
	 .kind = COMMAND_TEXT,
	 .target = &at,
	 .doc = "what had happened at the very end ('exit', the default), when most objects of each process were live ('peak'), or at another moment, as in pymemtrace-top(1): "
		"'end', 'mark:LABEL', 'rss-peak', seconds"},
	{.name = "live",
	 .kind = COMMAND_SWITCH,
	 .target = &live,
	 .doc = "list the objects that are live then, oldest first, with their age in seconds, when they were created, size, address, type and where they were created"},
	{.name = "previous",
	 .kind = COMMAND_SWITCH,
	 .target = &previous,
	 .doc = "list the objects that have been destroyed until then, as they end, with their lifetime in seconds, and also where they were destroyed"},
	{.name = "type",
	 .value = "GLOB",
	 .kind = COMMAND_LIST,
	 .target = &settings.types,
	 .doc = "only objects whose type's name matches; may be given several times"},
	{.name = "other-type",
	 .value = "GLOB",
	 .kind = COMMAND_LIST,
	 .target = &settings.other_types,
	 .doc = "not objects whose type's name matches; may be given several times"},
	FILTER_OPTIONS(settings.filter),
	{.name = "number",
	 .letter = 'n',
	 .value = "N",
	 .kind = COMMAND_COUNT,
	 .target = &limit,
	 .doc = "print at most N rows (default 20) or objects (default all)"},
	BYTES_OPTION,
	{.name = "json",
	 .kind = COMMAND_SWITCH,
	 .target = &as_json,
	 .doc = "print an object with the counts and a member 'rows'; with --live and --previous an array of objects"},
	FAMILY_OPTION(&only),
	{.name = NULL},
};

const struct command cmd_objects = {
	.name = "objects",
	.summary = "Python objects: live, created, destroyed; by type or site, or one by one",
	.operands = "[LOG...]",
	.doc = "Adds up the Python objects of the logs, most live ones first. "
	       "Destroyed includes inferred: these were not reported by Python, but their memory was given back or used again. "
	       "Before counts those that were destroyed, but whose creation is not in the log. "
	       "The size is that of the objects themselves, without what they hold. "
	       "Several logs make one report.",
	.options = options,
	.run = run_objects,
};
