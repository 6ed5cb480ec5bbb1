/* SPDX-License-Identifier: MIT */
/* What a context saw: the program `pymemtrace` reads it from the log. */
#ifndef PMT_EXT_CPM_READ_H
#define PMT_EXT_CPM_READ_H

#include "cpm_context.h"

/*
 * The text log of C, or its COUNTS, into the descriptor OUT. LOG is its log, which the caller
 * holds. Other threads run meanwhile. Returns 0, or -1 with an exception set.
 */
int cpm_read(const struct cpm_context *c, struct cpm_log *log, int counts, int out);

/* What `text --counts` says of C, which is entered; to be freed. NULL with an exception set. */
char *cpm_counts(struct cpm_context *c);

#endif
