/* SPDX-License-Identifier: MIT */
/* pymemtrace text: every record of a log as a line. */
#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "damage.h"
#include "error.h"
#include "escape.h"
#include "inputs.h"
#include "names.h"
#include "progress.h"
#include "report.h"
#include "show.h"

static struct {
	bool stacks;
	bool definitions;
} opts;

static int visit(void *context, const struct reader_event *event)
{
	progress_step(event->number);
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

static void print_totals(const struct show *show)
{
	const struct dropped *dropped = reader_dropped(show->reader);

	if (dropped == NULL)
		return;
	printf("# dropped: %" PRIu64 " events up to %.3f s; of these, allocations:\n",
	       dropped->events, report_dropped_seconds(show->reader));
	for (size_t i = 0; i < dropped->count; i++)
		show_totals_text(show, &dropped->sites[i]);
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
	print_text(reader, PMT_TEXT_OPTIONS, "options");
	print_text(reader, PMT_TEXT_PARENT_LOG, "parent log");
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
	char state[160];

	damage_describe(reader_damage(reader), text);
	printf("# end: %s\n", report_state(reader, state));
	if (text[0] != '\0')
		printf("# damage: %s\n", text);
	if (reader_damage(reader)->unknown_records != 0)
		printf("# %llu records of a later version were skipped\n",
		       (unsigned long long)reader_damage(reader)->unknown_records);
	if (reader_header(reader)->live.lost != 0)
		printf("# %llu events were lost\n",
		       (unsigned long long)reader_header(reader)->live.lost);
}

static int print_log(const char *path)
{
	struct reader *reader;
	int rc = 0;

	if (reader_open(path, &reader) != 0)
		return EXIT_DATA;
	struct show show = {stdout, reader, opts.stacks};

	progress_begin_output(path);
	print_header(reader);
	print_totals(&show);
	printf("# columns: seconds, thread, event, fields\n");
	if (opts.definitions)
		rc = reader_definitions(reader, visit, &show);
	if (rc == 0)
		rc = reader_run(reader, visit, &show);
	print_end(reader);
	progress_end();
	rc = rc == 0 ? damage_status(reader) : EXIT_DATA;
	reader_close(reader);
	return rc;
}

static int run(int count, char **operands)
{
	return inputs_each(count, operands, print_log);
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
	{0},
};

const struct command cmd_text = {
	.name = "text",
	.summary = "print every record as a line of text",
	.operands = "LOG...",
	.doc = "Prints every record of the logs, one line each: seconds since the start, thread, "
	       "event, fields. Lines that begin with # tell about the log. A folder stands for the "
	       "*.pmt and *.pmt.zst files in it.",
	.options = options,
	.run = run,
};
