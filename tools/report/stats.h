/* SPDX-License-Identifier: MIT */
/* The figures of one log: read here, printed by `pymemtrace stats`. */
#ifndef PMT_TOOLS_STATS_H
#define PMT_TOOLS_STATS_H

#include <jansson.h>
#include <stdint.h>

#include "reader.h"
#include "replay.h"

struct stats {
	struct reader *reader;
	struct replay replay;
	struct amount kinds[REPLAY_KINDS]; /* what was handed out, by allocator */
	struct amount total;		   /* of the heap */
	struct amount mapped;		   /* mappings handed out, without arenas */
	struct amount arenas;
	struct amount pools;	/* of malloc, where it is not the C library's */
	struct amount *threads; /* of the heap, in the order of replay.threads */
	uint64_t peak_rss_bytes;
	uint64_t own_bytes; /* the tracer's part of the largest sample */
};

/*
 * Read a log. Returns the exit status, after a message when it is not 0: then `reader` is NULL when
 * the log could not be opened, else the figures are of what could be read before an I/O error.
 * stats_fini() in any case.
 */
int stats_init(struct stats *stats, const char *path);
void stats_fini(struct stats *stats);

/* A new reference. */
json_t *stats_json(const struct stats *stats);
/* A report for people, on stdout. */
void stats_print(const struct stats *stats);

#endif
