/* SPDX-License-Identifier: MIT */
/* The moment that a report is about, as --at says it; moments.h finds it in logs. */
#ifndef PMT_TOOLS_MOMENT_H
#define PMT_TOOLS_MOMENT_H

#include <stdint.h>

enum moment_kind {
	MOMENT_PEAK,
	MOMENT_END,  /* the program's own code has ended */
	MOMENT_EXIT, /* the very end */
	MOMENT_MARK,
	MOMENT_RSS_PEAK,
	MOMENT_TIME,
};

struct moment {
	enum moment_kind kind;
	uint64_t at_ns;	   /* MOMENT_TIME: since the start of the first process */
	const char *label; /* MOMENT_MARK: part of the text that was parsed */
};

/* For --help: which words there are. */
#define MOMENT_DOC                                                                                 \
	"'end' (the program's own code has ended, and Python has not begun to take itself apart; " \
	"of a process that was killed, its last record), 'exit' (the very end), 'mark:LABEL' (where the program put this mark first), 'rss-peak' (the largest sample of the resident set), or so many seconds after the start of the first process"

/* One of these words, or seconds, with a fraction if wanted. Returns 0, or -1 after a message. */
int moment_parse(const char *text, struct moment *moment);

#endif
