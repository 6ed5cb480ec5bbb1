/* SPDX-License-Identifier: MIT */
/* What `top` says on stderr, of all logs together. */
#ifndef PMT_TOOLS_TOP_MESSAGES_H
#define PMT_TOOLS_TOP_MESSAGES_H

#include <stdbool.h>

#include "reader.h"
#include "top.h"

/* If the report is about the end of the log of READER, note whether that is the process's. */
void top_note_unfinished(struct top *top, const struct reader *reader, bool python_ended);
#endif
