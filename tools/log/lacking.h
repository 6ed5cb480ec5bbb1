/* SPDX-License-Identifier: MIT */
/* Logs that do not have what a report is about: one message for all of them. */
#ifndef PMT_TOOLS_LACKING_H
#define PMT_TOOLS_LACKING_H

#include <stddef.h>

/* Names of logs for a message. All zero: none. */
struct log_names {
	char *text; /* the first few, with commas */
	size_t count;
};

void log_names_add(struct log_names *names, const char *path);
void log_names_fini(struct log_names *names);

/*
 * The log at PATH has no WHAT ("Python objects"); those who want it should "trace with --trace
 * WORDS", if that is not NULL; WORDS stay until lacking_say().
 */
void lacking_note(const char *path, const char *what, const char *words);
/* Say on stderr what was noted of COUNT logs in all, each thing once, and forget it. */
void lacking_say(size_t count);

#endif
