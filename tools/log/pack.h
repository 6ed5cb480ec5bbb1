/* SPDX-License-Identifier: MIT */
/* Compresses a log, and writes a compressed one out again. */
#ifndef PMT_TOOLS_PACK_H
#define PMT_TOOLS_PACK_H

#include <stdio.h>

#include "header.h"
#include "source.h"

/* A log that is to be copied piece by piece: the header, then chunks. */
struct pack {
	struct source *source;
	union header_bytes head;
	uint64_t size; /* of the log when it was opened; what comes later is left out */
};

/* What became of it. */
struct pack_result {
	uint64_t lost;	     /* pieces that could not be decompressed: filled with 0xff bytes */
	uint64_t lost_bytes; /* in these */
};

/* Open a log and check its header. PATH must outlive it. Returns 0, or -1 after a message. */
int pack_init(struct pack *pack, const char *path);
void pack_fini(struct pack *pack);

/* Compress into OUT, named PATH in messages. Returns 0, or -1 after a message. */
int pack_compress(struct pack *pack, int level, FILE *out, const char *path);
/*
 * Write the plain log into OUT. A piece that is lost becomes one that no reader takes for a chunk.
 * Returns 0, or -1 after a message.
 */
int pack_decompress(struct pack *pack, FILE *out, const char *path, struct pack_result *result);
/* Whether COPY holds the same log: returns 1 or 0, or -1 after a message. */
int pack_same(struct pack *pack, struct pack *copy);

/* The levels that pack_compress() takes. */
enum { PACK_LEVEL_LEAST = 1, PACK_LEVEL_MOST = 19, PACK_LEVEL_STANDARD = 6 };

#endif
