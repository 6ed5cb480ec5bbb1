/* SPDX-License-Identifier: MIT */
/* A log that ended before its process did: tracing had to stop. And one that lacks events. */
#ifndef PMT_TOOLS_LOG_END_H
#define PMT_TOOLS_LOG_END_H

#include "reader.h"

#define LOG_END_TEXT 240

/* When and why tracing stopped: "tracing stopped after 1.234 s: ..."; NULL if it did not. */
const char *log_end_stopped(const struct reader *reader, char buffer[LOG_END_TEXT]);
/* The same as a warning on stderr: for reports that do not say it in their first line. */
void log_end_warn(const struct reader *reader);

/*
 * For a report that found none of the events that it is about: whether the log was not traced with
 * any of the words in the bit set TRACED (1 << PMT_TRACED_*). Then notes that it has no WHAT, and how
 * to trace with WORDS (lacking.h).
 */
bool log_end_lacks(const struct reader *reader, uint32_t traced, const char *what,
		   const char *words);

#endif
