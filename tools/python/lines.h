/* SPDX-License-Identifier: MIT */
/*
 * Memory by line of Python: how often each line was executed, and how the resident set changed
 * meanwhile, over any number of logs.
 *
 * What the resident set changed by between two events of a thread is put down to the line that the
 * thread was executing: the last `line` of the innermost running function, of its caller before
 * the first one. It is the process's resident set, so what other threads did meanwhile is in it.
 * USS is known only at lines that have a `memory` record; what it changed by between one such line
 * and the thread's next line, if that has one, too, is put down to the first of the two.
 */
#ifndef PMT_TOOLS_LINES_H
#define PMT_TOOLS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filter.h"
#include "frames.h"
#include "hashindex.h"
#include "idmap.h"

enum lines_sort { LINES_BY_ORDER, LINES_BY_HITS, LINES_BY_TOTAL, LINES_BY_LARGEST };

#define LINES_SORT_WORDS "order|hits|total|largest"

#define LINES_ALL_DEPTHS UINT64_MAX

struct lines_options {
	int sort;	/* enum lines_sort */
	uint64_t depth; /* only up to this level, see depth.h; LINES_ALL_DEPTHS */
	struct filter filter;
};

/* A memory figure over the executions of a line, in bytes; numbers wrap as unsigned ones do. */
struct lines_change {
	uint64_t first; /* at the first execution */
	uint64_t last;
	int64_t total;	 /* what it changed by in all executions */
	int64_t largest; /* what it grew by most in one execution */
	uint64_t count;	 /* executions whose change is known */
	bool known;	 /* first and last are */
};

struct lines_row {
	uint64_t hits;
	struct lines_change rss;
	uint64_t order; /* of its first execution, from 1; 0: no execution counts */
	struct lines_change uss;
	uint64_t swap;	/* at the first execution that has `uss` */
	uint64_t peak;	/* the largest resident set so far, then */
	unsigned found; /* by the filter, in this function alone */
	uint32_t file;	/* text numbers */
	uint32_t function;
	uint32_t name; /* the function's, without what it is in */
	uint32_t line; /* 0: not known */
	char *source;  /* the line itself, not to be trusted; NULL: not asked for, or not there */
};

struct lines {
	struct lines_options options;
	struct frames frames;
	struct lines_row *rows; /* [1, count] */
	uint32_t count;
	uint32_t room;
	struct hashindex index; /* by file, function and line */
	uint64_t hits;		/* in all rows */
	int64_t charged;	/* what the resident set changed by in all rows */
	int64_t elsewhere;	/* outside of them */
	uint64_t skipped;	/* events that the tracer's filters passed over */
	bool has_uss;
};

void lines_init(struct lines *lines, const struct lines_options *options);
void lines_fini(struct lines *lines);

/*
 * Read a log and add it. Returns the exit status: EXIT_DATA after a message, or when the log is
 * among those that lack lines.
 */
int lines_add(struct lines *lines, const char *path);

/*
 * The number of the row of a line; made when it is new, with no hits. Valid texts are those of
 * `frames`.
 */
uint32_t lines_row(struct lines *lines, const struct reader_code *code, uint32_t line);

/* After the last log: sort the rows and leave out those without hits. Then they are [0, count). */
void lines_finish(struct lines *lines);

#endif
