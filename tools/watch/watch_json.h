/* SPDX-License-Identifier: MIT */
/*
 * What `pymemtrace watch --json` writes: an object a line, so that a file is good up to its last
 * line whatever becomes of us. pymemtrace-watch(1) describes it; watch_log.h reads it.
 */
#ifndef PMT_TOOLS_WATCH_JSON_H
#define PMT_TOOLS_WATCH_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>

#include "proctree.h"

/* How every such file begins. */
#define WATCH_JSON_START "{\"format\":\"pymemtrace-watch\","
#define WATCH_JSON_FORMAT "pymemtrace-watch"
#define WATCH_JSON_VERSION 1

struct watch_json {
	FILE *out; /* NULL: nothing is written (any more) */
	const char *path;
	bool failed;
};

/* What the summary says besides the tree. */
struct watch_end {
	const char *reason; /* "ended", "signal" or "count" */
	bool waited;	    /* for a command: the rest is known */
	int status;
	struct rusage usage;
};

/* Each writes its lines and hands them to the system; the first failure is told, once. */
void watch_json_header(struct watch_json *json, const struct proctree *tree, bool launched,
		       double interval_s);
void watch_json_sample(struct watch_json *json, const struct proctree *tree);
void watch_json_summary(struct watch_json *json, const struct proctree *tree,
			const struct watch_end *end);
/* Close the file. Returns 0, or -1 when something could not be written. */
int watch_json_fini(struct watch_json *json);

#endif
