/* SPDX-License-Identifier: MIT */
/*
 * What `pymemtrace watch` shows of a process: one table, from which the lines, the JSON and the
 * pictures are made. A new figure: one entry here, and its place in procfs.h or proctree.h.
 */
#ifndef PMT_TOOLS_WATCH_COLUMNS_H
#define PMT_TOOLS_WATCH_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proctree.h"

enum watch_unit {
	WATCH_BYTES, /* MiB in lines */
	WATCH_COUNT,
	WATCH_SECONDS, /* of nanoseconds */
	WATCH_MILLI,   /* of thousandths */
	WATCH_STATE,   /* a letter, in place of a value */
};

struct watch_column {
	const char *name;  /* for --columns */
	const char *title; /* with the unit */
	int width;
	enum watch_unit unit;
	size_t value;	  /* enum procfs_figure or proctree_value */
	const char *key;  /* in JSON */
	unsigned want;	  /* enum procfs_want: what has to be read for it */
	bool level;	  /* goes up and down: a change has a colour, and there is a peak */
	const char *axis; /* of its picture; NULL: there is none */
};

/* Ends with an entry without a name. */
extern const struct watch_column watch_columns[];
#define WATCH_COLUMNS_MAX 32
#define WATCH_COLUMNS_DEFAULT "rss,uss,pss,swap,faults,cpu,threads,state,files"

/* Some of the columns, in the order asked for. */
struct watch_choice {
	const struct watch_column *columns[WATCH_COLUMNS_MAX];
	size_t count;
};

/* Of names with commas between. Returns 0, or -1 after a message. */
int watch_choose(const char *names, struct watch_choice *choice);
/* What has to be read for them; enum procfs_want. */
unsigned watch_wanted(const struct watch_choice *choice);

/* A known value in the unit of JSON: bytes, a number, seconds. */
double watch_number(const struct watch_column *column, uint64_t value);
/* Whether it is a whole number there. */
bool watch_is_whole(const struct watch_column *column);

#endif
