/* SPDX-License-Identifier: MIT */
/* The index at the end of a compressed log, in a skippable zstd frame. */
#ifndef PMT_TOOLS_ZINDEX_H
#define PMT_TOOLS_ZINDEX_H

#include <stdio.h>

#include "zlog.h"

/* Most frames that an index can have: its size has 32 bits. */
#define ZINDEX_FRAMES_MAX 0x0ffffff0U
/* Any of sixteen numbers begins a frame that zstd skips; this is the one of the index. */
#define ZINDEX_SKIP_MAGIC 0x184d2a5eU
/* Before the contents of a skippable frame. */
#define ZINDEX_SKIP_BYTES 8

/* Write it. Look for errors with ferror(). */
void zindex_write(FILE *out, const struct zlog_frames *frames);
/*
 * Read and check it: the frames must lie one behind the other and be as large as LAYOUT says.
 * Returns 1 and fills FRAMES, which is empty; 0 if there is no index that is right; -1 after a
 * message.
 */
int zindex_read(int fd, const char *path, const struct zlog_layout *layout,
		struct zlog_frames *frames);
/*
 * Size of the index that the last bytes of the file speak of, 0 if they do not. Nothing else of it
 * needs to be right. -1 after a message.
 */
int64_t zindex_claimed(int fd, const char *path, const struct zlog_layout *layout);

#endif
