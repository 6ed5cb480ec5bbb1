/* SPDX-License-Identifier: MIT */
/*
 * What a log is read from: a plain file, or one made by `pymemtrace compress` (see zlog.h), which
 * looks like the plain one from here. Offsets and sizes are those of the plain log. Reads with
 * pread, never through a mapping, because a log may be cut while it is read.
 */
#ifndef PMT_TOOLS_SOURCE_H
#define PMT_TOOLS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source;

/* What source_read() returns if not a number of bytes. */
enum {
	SOURCE_ERROR = -1,   /* the file cannot be read; a message was printed */
	SOURCE_DAMAGED = -2, /* these bytes cannot be decompressed; no message */
};

/* Returns 0, or -1 after a message. PATH must outlive the source. */
int source_open(const char *path, struct source **source);
/* NULL is allowed. */
void source_close(struct source *source);
const char *source_path(const struct source *source);

/* Size of the log now: a plain one may grow. Returns 0, or -1 after a message. */
int source_size(const struct source *source, uint64_t *size);
/* Read until SIZE bytes or the end of the log. Returns the bytes read, or SOURCE_*. */
int64_t source_read(struct source *source, void *data, size_t size, uint64_t offset);
/* Where the next bytes stand that are not a hole, from OFFSET on: OFFSET if holes are not known,
 * SIZE if there are none. */
uint64_t source_next_data(const struct source *source, uint64_t offset, uint64_t size);

bool source_compressed(const struct source *source);
/* The end of the compressed file is missing. */
bool source_cut(const struct source *source);
/* Everything is there, but had to be looked for. */
bool source_index_damaged(const struct source *source);

#endif
