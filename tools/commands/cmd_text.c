/* SPDX-License-Identifier: MIT */
/* pymemtrace text: every record of a log as a line, or the interpreter's events as classic logs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classic.h"
#include "command.h"
#include "damage.h"
#include "error.h"
#include "escape.h"
#include "inputs.h"
#include "log_end.h"
#include "names.h"
#include "progress.h"
#include "report.h"
#include "report_options.h"
#include "show.h"
#include "stack_filter.h"

enum { STYLE_RECORDS, STYLE_CLASSIC };

static struct {
	bool stacks;
	bool definitions;
	int style;
	struct filter filter;
	struct classic_options classic;
	bool python_ended; /* in the log that is being read */
	bool triggered;	   /* --d-rss-trigger was given */
} opts = {.filter = {.thread = FILTER_ALL_THREADS},
	  .classic = {.kind = CLASSIC_AUTO, .clock = -1, .builtin = true}};

/* What prints the records of a log. */
struct printer {
	struct show show;
	struct stack_filter filter;
};

static int visit_event(void *context, const struct reader_event *event)
{
	struct printer *printer = context;

	progress_step(event->number);
	opts.python_ended |= event->record.type == PMT_REC_process &&
			     event->record.process.what == PMT_LIFE_PYTHON_END;
	if (stack_filter_passes_event(&printer->filter, &event->record, event->thread))
		show_text(&printer->show, event);
	return ferror_unlocked(stdout) ? EXIT_DATA : 0;
}

static int visit_definition(void *context, const struct reader_event *event)
{
	show_text(context, event);
	return ferror_unlocked(stdout) ? EXIT_DATA : 0;
}

static void print_word(void *context, const char *word, size_t size)
{
	(void)context;
	putchar(' ');
	escape_terminal_sized(stdout, word, size, ESCAPE_LENGTH);
}

static void print_text(const struct reader *reader, unsigned key, const char *name)
{
	const char *text;
	long size = reader_text(reader, key, &text);

	if (size < 0)
		return;
	printf("# %s: ", name);
	escape_terminal_sized(stdout, text, (size_t)size, ESCAPE_LENGTH);
	putchar('\n');
}

/* The names in SET whose bits are set. */
static void print_bits(const char *set, uint64_t bits)
{
	for (unsigned i = 0; i < 64; i++)
		if (bits >> i & 1 && pmt_name(set, i) != NULL)
			printf(" %s", pmt_name(set, i));
	putchar('\n');
}

static void print_totals(struct printer *printer)
{
	const struct show *show = &printer->show;
	const struct dropped *dropped = reader_dropped(show->reader);

	if (dropped == NULL)
		return;
	printf("# dropped: %" PRIu64 " events up to %.3f s; of these, allocations:\n",
	       dropped->events, report_dropped_seconds(show->reader));
	for (size_t i = 0; i < dropped->count; i++)
		if (stack_filter_passes(&printer->filter, dropped->sites[i].stack))
			show_totals_text(show, &dropped->sites[i]);
	for (size_t i = 0; i < dropped->held.count; i++) {
		struct reader_event event;

		if (dropped_event(dropped, i, &event))
			(void)visit_event(printer, &event);
	}
}

static void print_header(const struct reader *reader)
{
	const struct pmt_header *h = reader_header(reader);

	printf("# log: ");
	escape_terminal(stdout, reader_path(reader), ESCAPE_LENGTH);
	printf("\n# command:");
	report_command(reader, print_word, NULL);
	putchar('\n');
	print_text(reader, PMT_TEXT_EXECUTABLE, "executable");
	print_text(reader, PMT_TEXT_PYTHON, "python");
	print_text(reader, PMT_TEXT_SYSTEM, "system");
	print_text(reader, PMT_TEXT_TRACER, "tracer");
	print_text(reader, PMT_TEXT_WHERE, "where");
	print_text(reader, PMT_TEXT_OPTIONS, "options");
	print_text(reader, PMT_TEXT_PARENT_LOG, "parent log");
	print_text(reader, PMT_TEXT_RUN, "run");
	print_text(reader, PMT_TEXT_RSS, "rss at events");
	printf("# pid: %u\n# parent pid: %u\n# start: ", h->pid, h->parent_pid);
	show_seconds(stdout, h->start_realtime_ns, 6);
	printf("\n# traced:");
	print_bits("TRACED", h->traced);
	printf("# flags:");
	print_bits("FLAG", h->live.flags);
}

static void print_end(const struct reader *reader)
{
	char text[DAMAGE_TEXT];
	char state[REPORT_STATE];

	damage_describe(reader_damage(reader), text);
	printf("# end: %s\n", report_state(reader, opts.python_ended, state));
	if (text[0] != '\0')
		printf("# damage: %s\n", text);
	if (reader_damage(reader)->unknown_records != 0)
		printf("# %llu records of a later version were skipped\n",
		       (unsigned long long)reader_damage(reader)->unknown_records);
	if (reader_header(reader)->live.lost != 0)
		printf("# %llu events were lost\n",
		       (unsigned long long)reader_header(reader)->live.lost);
}

static int print_records(struct reader *reader)
{
	int rc = 0;
	struct printer printer = {.show = {stdout, reader, opts.stacks}};
	char stopped[LOG_END_TEXT];

	opts.python_ended = false;
	if (log_end_stopped(reader, stopped) != NULL)
		printf("# %s\n", stopped);
	print_header(reader);
	stack_filter_init(&printer.filter, &opts.filter, reader);
	print_totals(&printer);
	printf("# columns: seconds, thread, event, fields\n");
	if (opts.definitions)
		rc = reader_definitions(reader, visit_definition, &printer.show);
	if (rc == 0)
		rc = reader_run(reader, visit_event, &printer);
	print_end(reader);
	stack_filter_fini(&printer.filter);
	return rc;
}

static int print_log(const char *path)
{
	struct reader *reader;
	int rc;

	if (reader_open(path, &reader) != 0)
		return EXIT_DATA;
	progress_begin_output(path);
	if (opts.style == STYLE_CLASSIC)
		log_end_warn(reader);
	rc = opts.style == STYLE_CLASSIC ? classic_print(stdout, reader, &opts.classic)
					 : print_records(reader);
	progress_end();
	damage_warn(reader);
	reader_close(reader);
	return rc == 0 ? EXIT_OK : EXIT_DATA;
}

/* Whether something was asked for that only one of the styles has. Returns 0, or -1 after a
 * message. */
static int check_style(void)
{
	const struct classic_options *classic = &opts.classic;
	const bool for_classic = classic->kind != CLASSIC_AUTO || classic->clock >= 0 ||
				 opts.triggered || classic->context != NULL ||
				 classic->context_thread || !classic->builtin || classic->counts ||
				 classic->types.count != 0 || classic->other_types.count != 0;

	if (opts.style == STYLE_CLASSIC && (opts.stacks || opts.definitions))
		return error("--stacks and --definitions do not go with --style=classic");
	if (opts.style != STYLE_CLASSIC && for_classic)
		return error(
			"--kind, --clock, --d-rss-trigger, --context, --type and the like go with --style=classic");
	if (classic->context_thread && classic->context == NULL)
		return error("--context-thread goes with --context");
	return 0;
}

static int run_text(int count, char **operands)
{
	if (check_style() != 0)
		return EXIT_USAGE;
	if (opts.classic.clock < 0)
		opts.classic.clock = CLASSIC_CPU;
	opts.classic.filter = opts.filter;
	return inputs_each(count, operands, print_log);
}

/* Bytes, or -1. */
static int set_trigger(const struct command_option *option, const char *value, bool negated)
{
	char *end;

	(void)negated;
	opts.triggered = true;
	opts.classic.trigger_page = strcmp(value, "-1") == 0;
	if (opts.classic.trigger_page)
		return 0;
	errno = 0;
	opts.classic.trigger = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || *end != '\0' || errno != 0)
		return error("--%s %s: not allowed, wants a whole number or -1", option->name,
			     value);
	return 0;
}

static const struct command_option options[] = {
	{.name = "stacks",
	 .letter = 's',
	 .kind = COMMAND_SWITCH,
	 .target = &opts.stacks,
	 .doc = "print whole stacks, innermost frame first, not only the innermost frame"},
	{.name = "definitions",
	 .letter = 'd',
	 .kind = COMMAND_SWITCH,
	 .target = &opts.definitions,
	 .doc = "print the definitions of strings, code objects and stacks too, before the events"},
	FILTER_OPTIONS(opts.filter),
	{.name = "style",
	 .value = "records|classic",
	 .kind = COMMAND_CHOICE,
	 .target = &opts.style,
	 .doc = "every record of the log (the default), or the interpreter's events in the layout of the text logs that cPyMemTrace writes"},
	{.name = "kind",
	 .value = CLASSIC_KIND_WORDS,
	 .kind = COMMAND_CHOICE,
	 .target = &opts.classic.kind,
	 .doc = "with --style=classic: which events: CALL, RETURN, C_CALL, C_RETURN and C_EXCEPT; "
		"CALL, LINE, RETURN, EXCEPT and OPCODE; or objects made and destroyed; default is what the log has"},
	{.name = "d-rss-trigger",
	 .value = "BYTES",
	 .kind = COMMAND_CALL,
	 .set = set_trigger,
	 .doc = "with --style=classic: only events at which the resident set is at least so many bytes away from that at the last one printed, each with the event before it; -1: "
		"a page; 0 (the default): all that the log has"},
	{.name = "clock",
	 .value = CLASSIC_CLOCK_WORDS,
	 .kind = COMMAND_CHOICE,
	 .target = &opts.classic.clock,
	 .doc = "with --style=classic: the process's processor time (the default), or seconds since the start of the log"},
	{.name = "context",
	 .value = "ID",
	 .kind = COMMAND_TEXT,
	 .target = &opts.classic.context,
	 .doc = "with --style=classic: only what the context of cPyMemTrace with this number saw; "
		"its marks have the number in them"},
	{.name = "context-thread",
	 .kind = COMMAND_SWITCH,
	 .target = &opts.classic.context_thread,
	 .doc = "with --context: only events of the thread that entered it"},
	{.name = "type",
	 .value = "GLOB",
	 .kind = COMMAND_LIST,
	 .target = &opts.classic.types,
	 .doc = "with --style=classic: only objects whose type's name matches; may be given several times"},
	{.name = "other-type",
	 .value = "GLOB",
	 .kind = COMMAND_LIST,
	 .target = &opts.classic.other_types,
	 .doc = "with --style=classic: not objects whose type's name matches; may be given several times"},
	{.name = "builtin",
	 .kind = COMMAND_SWITCH,
	 .target = &opts.classic.builtin,
	 .negatable = true,
	 .doc = "with --style=classic: objects of the interpreter's own values, functions and exceptions, too (the default); without it only those whose type a --type names"},
	{.name = "counts",
	 .kind = COMMAND_SWITCH,
	 .target = &opts.classic.counts,
	 .doc = "with --style=classic --kind=objects: only how many objects were made and destroyed, and how many live, by type"},
	{0},
};

const struct command cmd_text = {
	.name = "text",
	.summary = "print every record as a line of text",
	.operands = "[LOG...]",
	.doc = "Prints every record of the logs, one line each: seconds since the start, thread, event, fields. "
	       "Lines that begin with # tell about the log. "
	       "A filter looks at the stack of an event, and of calls and lines at their function; what has neither, as the end of a block, is left out by --include. "
	       "A folder stands for the *.pmt and *.pmt.zst files in it.",
	.options = options,
	.run = run_text,
};
