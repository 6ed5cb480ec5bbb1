/* SPDX-License-Identifier: MIT */
/* The report of `pymemtrace lines`, as mempulse's table, as our own, and as JSON. */
#ifndef PMT_TOOLS_LINES_PRINT_H
#define PMT_TOOLS_LINES_PRINT_H

#include "lines.h"

struct lines_print {
	uint64_t limit; /* rows at most */
	bool source;	/* read the source files and print the lines */
};

/* Print to stdout: the table of mempulse, our own table, JSON. */
void lines_print_classic(const struct lines *lines, const struct lines_print *how);
void lines_print_table(struct lines *lines, const struct lines_print *how);
void lines_print_json(struct lines *lines, const struct lines_print *how);

#endif
