/* SPDX-License-Identifier: MIT */
/*
 * The contexts of cPyMemTrace in a log: a context is a part of the log that begins, pauses, goes on
 * and ends with marks. Their text is
 *	pymemtrace:ID:VERB
 *	pymemtrace:ID:VERB:TEXT
 * where ID says which context, in digits, and VERB is one of those below. A text that is too long
 * for a mark comes in several, all but the last as `more`.
 */
#ifndef PMT_TOOLS_SPAN_H
#define PMT_TOOLS_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

enum span_verb {
	SPAN_NONE,    /* no mark of a context */
	SPAN_OTHER,   /* of another context, or no verb that is known */
	SPAN_BEGIN,   /* begin: TEXT is the process's processor time, nanoseconds */
	SPAN_END,     /* end: the same */
	SPAN_PAUSE,   /* pause: nothing is its own for now */
	SPAN_GO_ON,   /* go_on */
	SPAN_MESSAGE, /* message: TEXT */
	SPAN_LINE,    /* line: TEXT, as it is */
	SPAN_MORE,    /* more: the beginning of the TEXT of the next mark of this context */
};

struct span {
	const char *id;
	bool inside; /* between begin and end */
	bool paused;
	uint32_t thread; /* that put the mark of the beginning */
	/* The text of the last message or line. */
	uint8_t *text;
	size_t size;
	size_t room;
	bool more; /* it is not complete */
};

void span_init(struct span *span, const char *id);
void span_fini(struct span *span);

/* The next mark of the log, of THREAD. Any bytes. */
enum span_verb span_mark(struct span *span, const struct pmt_bytes *mark, uint32_t thread);

/* The processor time that a mark of any context says, 0: none. */
uint64_t span_cpu_ns(const struct pmt_bytes *mark);

#endif
