/* SPDX-License-Identifier: MIT */
/* Which functions' events are recorded: by file, by name, by the depth of the calls. */
#ifndef PMT_TRACER_FILTER_H
#define PMT_TRACER_FILTER_H

#include <stdint.h>

#include "options.h"

/* At the start of a log; OPTIONS stay where they are. */
void filter_start(const struct pmt_options *options);
/* Does every function pass? */
int filter_is_open(void);
/* Do file and names of the code object CODE pass? Not quick: once a code object. */
int filter_code(const void *code);
/* Does the name of a thread pass? The first thread's is "main". */
int filter_thread(const char *name);

#endif
