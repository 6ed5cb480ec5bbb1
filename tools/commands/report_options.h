/* SPDX-License-Identifier: MIT */
/* The options that reports share, as those that choose frames and threads: entries of a command's
 * table. */
#ifndef PMT_TOOLS_REPORT_OPTIONS_H
#define PMT_TOOLS_REPORT_OPTIONS_H

#include "command_line.h"
#include "filter.h"
#include "report.h"

/* TO is a `struct filter` whose `thread` is FILTER_ALL_THREADS at first. */
#define FILTER_OPTIONS(to)                                                                                                                                                                        \
	{.name = "include",                                                                                                                                                                       \
	 .value = "GLOB",                                                                                                                                                                         \
	 .kind = COMMAND_LIST,                                                                                                                                                                    \
	 .target = &(to).include,                                                                                                                                                                 \
	 .doc = "only where a frame matches: its file, its function, or the package it is installed in; file:GLOB, function:GLOB, package:GLOB look at one of them; may be given several times"}, \
		{.name = "exclude",                                                                                                                                                               \
		 .value = "GLOB",                                                                                                                                                                 \
		 .kind = COMMAND_LIST,                                                                                                                                                            \
		 .target = &(to).exclude,                                                                                                                                                         \
		 .doc = "not where a frame matches, as with --include; may be given several times"},                                                                                              \
		{.name = "frame",                                                                                                                                                                 \
		 .value = FILTER_FRAME_WORDS,                                                                                                                                                     \
		 .kind = COMMAND_CHOICE,                                                                                                                                                          \
		 .target = &(to).frame,                                                                                                                                                           \
		 .doc = "which frame --include and --exclude look at: the innermost Python frame (the default), or any frame of the stack"},                                                      \
	{                                                                                                                                                                                         \
		.name = "thread", .value = "N", .kind = COMMAND_COUNT, .target = &(to).thread,                                                                                                    \
		.doc = "only what thread N did, by the number that text and stats give it"                                                                                                        \
	}

/* Of reports that print sizes for people. */
#define BYTES_OPTION                                                                               \
	{                                                                                          \
		.name = "bytes", .kind = COMMAND_SWITCH, .target = &report_exact,                  \
		.doc = "print sizes in bytes, not rounded"                                         \
	}

/* Of reports that look at a whole run; TO is a bool for inputs_init_run(). */
#define FAMILY_OPTION(to)                                                                                                                                        \
	{                                                                                                                                                        \
		.name = "only", .kind = COMMAND_SWITCH, .target = (to),                                                                                          \
		.doc = "where one log is named: this one only, not those of the other processes of its run, which have its name with a number in it (app.1.pmt)" \
	}

#endif
