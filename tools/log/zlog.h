/* SPDX-License-Identifier: MIT */
/*
 * A compressed log: a zstd frame for the header, one for each chunk, and the index (zindex.h).
 * docs/log-format.md has the layout. Everything in it is hostile: no frame is decompressed into
 * more than the log's header allows, and no memory is taken before it is known to be needed.
 */
#ifndef PMT_TOOLS_ZLOG_H
#define PMT_TOOLS_ZLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zstd frame of the file, as the index has it. */
struct zlog_frame {
	uint64_t offset;
	uint32_t packed_bytes; /* 0: damaged, what it held is lost */
	uint32_t bytes;	       /* decompressed */
};

/* Frames in their order: the header, then the chunks. All zero is an empty list. */
struct zlog_frames {
	struct zlog_frame *items;
	size_t count;
	size_t room;
};

/* Sizes that the header of the log prescribes. */
struct zlog_layout {
	struct zlog_frame header; /* frame of the header */
	uint32_t chunk_bytes;
	uint64_t file_bytes;
};

/* How the file ends. */
enum zlog_end {
	ZLOG_WHOLE,
	ZLOG_CUT,
	ZLOG_INDEX_DAMAGED,
};

#define ZLOG_MAGIC_BYTES 4

struct zlog;

/* Whether a file that starts with these bytes is compressed. */
bool zlog_is_one(const void *start, size_t size);

/* Returns 0, or -1 after a message. FD stays the caller's; it and PATH must outlive the zlog. */
int zlog_open(int fd, const char *path, uint64_t file_bytes, struct zlog **zlog);
void zlog_close(struct zlog *zlog);
enum zlog_end zlog_end(const struct zlog *zlog);

/* Size of the log that was compressed, as far as its frames are there. */
uint64_t zlog_size(const struct zlog *zlog);
/* As source_read(). Keeps the last frame that it decompressed. */
int64_t zlog_read(struct zlog *zlog, void *data, size_t size, uint64_t offset);

/* pread until SIZE bytes or the end of the file. Returns the bytes read, or -1 after a message. */
int64_t zlog_pread(int fd, const char *path, void *data, size_t size, uint64_t offset);
void zlog_add(struct zlog_frames *frames, const struct zlog_frame *frame);

#endif
