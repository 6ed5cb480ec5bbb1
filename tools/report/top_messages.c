/* SPDX-License-Identifier: MIT */
/* What `top` says on stderr, of all logs together. */
#include "top_messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "names.h"
#include "report.h"

void top_note_unfinished(struct top *top, const struct reader *reader, bool python_ended)
{
	const struct moment *moment = &top->options.moment;
	char state[REPORT_STATE];

	if (top->options.what != TOP_AT_MOMENT ||
	    (moment->kind != MOMENT_END && moment->kind != MOMENT_EXIT) ||
	    reader_header(reader)->live.state == PMT_STATE_STOPPED || report_complete(reader))
		return;
	if (top->unfinished.count == 0)
		strcpy(top->unfinished_state, report_state(reader, python_ended, state));
	log_names_add(&top->unfinished, reader_path(reader));
}

static void warn_of_unfinished(struct top *top)
{
	const struct log_names *unfinished = &top->unfinished;

	if (unfinished->count == 1)
		error("warning: %s: %s; this is what was live at its last record", unfinished->text,
		      top->unfinished_state);
	else if (unfinished->count != 0)
		error("warning: %zu of the %zu logs are not complete (%s); of these this is what was live at the last record",
		      unfinished->count, top->moments->count, unfinished->text);
	log_names_fini(&top->unfinished);
}

/* Where nothing is printed that could say it first. */
static void warn_of_stopped(const struct top *top)
{
	for (size_t i = 0; i < top->process_count; i++)
		if (top->processes[i].stopped != NULL)
			error("warning: %s: %s; what happened later is not in the log",
			      top->processes[i].path, top->processes[i].stopped);
}

void top_say(struct top *top)
{
	warn_of_unfinished(top);
	if (top->process_count == top->lacking)
		warn_of_stopped(top);
}
