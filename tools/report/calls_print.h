/* SPDX-License-Identifier: MIT */
/* The report of `pymemtrace calls`, as text and as JSON. */
#ifndef PMT_TOOLS_CALLS_PRINT_H
#define PMT_TOOLS_CALLS_PRINT_H

#include "calls.h"

/* After the last log: print to stdout. */
void calls_print(struct calls *calls);
void calls_print_json(struct calls *calls);

#endif
