/* SPDX-License-Identifier: MIT */
/*
 * Reads what `pymemtrace watch --json` wrote: the values over time that have a picture, of each
 * process and of the tree. The file is hostile, as any.
 */
#ifndef PMT_TOOLS_WATCH_LOG_H
#define PMT_TOOLS_WATCH_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "idmap.h"
#include "watch_columns.h"

#define WATCH_LOG_AXES_MAX 8

struct watch_log_point {
	double time_s;			   /* never goes back */
	double values[WATCH_LOG_AXES_MAX]; /* in the unit of JSON; NAN: not known */
};

struct watch_log_curve {
	char *name;
	uint64_t pid; /* 0: the tree */
	struct watch_log_point *points;
	size_t count;
	double most[WATCH_LOG_AXES_MAX]; /* the greatest values; -1: none is known */
};

struct watch_log {
	const struct watch_column *axes[WATCH_LOG_AXES_MAX]; /* columns that have a picture */
	size_t axis_count;
	struct watch_log_curve *curves; /* the first is the tree's */
	size_t count;
	struct idmap map; /* of processes to curves */
	char *command;	  /* of the first process, words with blanks between; NULL: not there */
	uint64_t pid;	  /* of the first process */
	uint64_t damaged; /* lines that were not understood */
	bool complete;	  /* it ends with a summary */
};

/*
 * Read a file. Returns the exit status, after a message when it is not 0; what could be read is
 * there, and `count` is 0 when that is nothing. watch_log_fini() in any case.
 */
int watch_log_init(struct watch_log *log, const char *path);
void watch_log_fini(struct watch_log *log);

#endif
