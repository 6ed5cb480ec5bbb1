/* SPDX-License-Identifier: MIT */
/* The moment of a log that a report is about, as --at says it. */
#ifndef PMT_TOOLS_MOMENT_H
#define PMT_TOOLS_MOMENT_H

#include <stdint.h>

enum moment_kind { MOMENT_PEAK, MOMENT_END, MOMENT_TIME };

struct moment {
	enum moment_kind kind;
	uint64_t at_ns; /* MOMENT_TIME: since the start of the log */
};

/* "peak", "end", or seconds, with a fraction if wanted. Returns 0, or -1 after a message. */
int moment_parse(const char *text, struct moment *moment);

#endif
