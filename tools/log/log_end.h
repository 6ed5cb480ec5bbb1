/* SPDX-License-Identifier: MIT */
/* A log that ended before its process did: tracing had to stop. */
#ifndef PMT_TOOLS_LOG_END_H
#define PMT_TOOLS_LOG_END_H

#include "reader.h"

#define LOG_END_TEXT 240

/* When and why tracing stopped: "tracing stopped after 1.234 s: ..."; NULL if it did not. */
const char *log_end_stopped(const struct reader *reader, char buffer[LOG_END_TEXT]);
/* The same as a warning on stderr: for reports that do not say it in their first line. */
void log_end_warn(const struct reader *reader);

#endif
