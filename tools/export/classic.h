/* SPDX-License-Identifier: MIT */
/*
 * The interpreter's events of one log as lines of fixed width, in the layouts of the text logs that
 * pymemtrace.cPyMemTrace writes.
 *
 * Events of calls and lines have numbers, from 0, in the order of the log, over those of the kind
 * and the threads that were asked for; events that a filter by resident set passed over have
 * numbers, too. The lines of such a log are, in this order:
 *	SOF
 *	HDR:	names of the columns
 *	FRST:	the first event; its dRSS is the whole resident set
 *	PREV:	the event right before the NEXT that follows, where that one would have had no line
 *	NEXT:	any other event; dEvent and dRSS, of PREV too, are since the last FRST or NEXT
 *	MSG:	a mark; its number is that of the next event
 *	LAST:	no event: where the process was at the end, the last event once more, under the
 *		number that the next one would have had
 *	EOF
 * Without any event there are neither FRST nor LAST. The lines of objects are HDR, NEW, DEL, MSG.
 *
 * A context is a part of the log between marks; see span.h. Its events are numbered from 0, and
 * calls of C functions that enter or leave a context are none of them. Marks of other contexts have
 * no lines.
 *
 * The counts are lines "NEW: n", "DEL: n", and "LIVE: n name" for each type, by names.
 */
#ifndef PMT_TOOLS_CLASSIC_H
#define PMT_TOOLS_CLASSIC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "filter.h"
#include "reader.h"
#include "text_list.h"

enum classic_kind {
	CLASSIC_AUTO = -1, /* by what the log says that it has */
	CLASSIC_PROFILE,   /* CALL RETURN C_CALL C_RETURN C_EXCEPT */
	CLASSIC_TRACE,	   /* CALL LINE RETURN EXCEPT OPCODE */
	CLASSIC_OBJECTS,   /* NEW DEL */
};

#define CLASSIC_KIND_WORDS "profile|trace|objects"

enum classic_clock { CLASSIC_CPU, CLASSIC_WALL };

#define CLASSIC_CLOCK_WORDS "cpu|wall"

struct classic_options {
	int kind;	   /* enum classic_kind */
	int clock;	   /* enum classic_clock; CPU becomes WALL in logs without such times */
	bool trigger_page; /* the trigger is a page of the traced system */
	uint64_t trigger;  /* bytes; print an event if the resident set has moved so far; 0: all */
	struct filter filter; /* only such events, but all marks */
	/* Only what a context of cPyMemTrace saw, that with this number; NULL: all of the log. */
	const char *context;
	bool context_thread;	      /* of the thread only that entered it */
	struct text_list types;	      /* globs: objects of these types only; none: all */
	struct text_list other_types; /* not of these */
	bool builtin; /* also of those in classic_types.h that TYPES does not name */
	bool counts;  /* no lines: how many objects were made and destroyed, and live */
};

/*
 * Print a log to OUT. Returns 0; EXIT_DATA after a message when the log was traced without events of
 * this kind; or what reader_run() did.
 */
int classic_print(FILE *out, struct reader *reader, const struct classic_options *options);

#endif
