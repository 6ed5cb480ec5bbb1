/* SPDX-License-Identifier: MIT */
/* A compressed log: opening it, and reading ranges of what was compressed. */
#include "zlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "error.h"
#include "header.h"
#include "source.h"
#include "zindex.h"
#include "zscan.h"

struct buffer {
	uint8_t *bytes;
	size_t room;
};

struct zlog {
	int fd;
	const char *path;
	struct zlog_layout layout;
	struct zlog_frames frames;
	enum zlog_end end;
	ZSTD_DCtx *context;
	struct buffer packed;
	struct buffer plain;
	size_t loaded; /* the frame in `plain`, SIZE_MAX: none */
};

int64_t zlog_pread(int fd, const char *path, void *data, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)data + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error("%s: %s", path, strerror(errno));
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (int64_t)done;
}

void zlog_add(struct zlog_frames *frames, const struct zlog_frame *frame)
{
	if (frames->count == frames->room) {
		frames->room = frames->room == 0 ? 64 : frames->room * 2;
		frames->items = need_resize(frames->items, frames->room * sizeof(*frames->items));
	}
	frames->items[frames->count++] = *frame;
}

bool zlog_is_one(const void *start, size_t size)
{
	const uint32_t magic = ZSTD_MAGICNUMBER;

	return size >= ZLOG_MAGIC_BYTES && memcmp(start, &magic, ZLOG_MAGIC_BYTES) == 0;
}

static void make_room(struct buffer *buffer, size_t size)
{
	if (buffer->room >= size)
		return;
	free(buffer->bytes);
	buffer->bytes = need_memory(size);
	buffer->room = size;
}

/* Decompress a frame. Returns 1, 0 when it is damaged, -1 after a message. */
static int load_frame(struct zlog *z, size_t number)
{
	const struct zlog_frame *frame = &z->frames.items[number];
	int64_t got;

	if (z->loaded == number)
		return 1;
	z->loaded = SIZE_MAX;
	if (frame->packed_bytes == 0 ||
	    frame->packed_bytes > z->layout.file_bytes - frame->offset ||
	    frame->packed_bytes > ZSTD_compressBound(frame->bytes))
		return 0;
	make_room(&z->packed, frame->packed_bytes);
	make_room(&z->plain, frame->bytes);
	got = zlog_pread(z->fd, z->path, z->packed.bytes, frame->packed_bytes, frame->offset);
	if (got < 0)
		return -1;
	if ((size_t)got != frame->packed_bytes ||
	    ZSTD_decompressDCtx(z->context, z->plain.bytes, frame->bytes, z->packed.bytes,
				frame->packed_bytes) != frame->bytes)
		return 0;
	z->loaded = number;
	return 1;
}

/* Where the frame's contents stand in the log. */
static uint64_t frame_place(const struct zlog *z, size_t number)
{
	return number == 0
		       ? 0
		       : z->layout.header.bytes + (uint64_t)(number - 1) * z->layout.chunk_bytes;
}

static size_t frame_at(const struct zlog *z, uint64_t offset)
{
	const uint64_t first = z->layout.header.bytes;

	return offset < first ? 0 : 1 + (size_t)((offset - first) / z->layout.chunk_bytes);
}

uint64_t zlog_size(const struct zlog *z)
{
	const size_t last = z->frames.count - 1;

	return frame_place(z, last) + z->frames.items[last].bytes;
}

int64_t zlog_read(struct zlog *z, void *data, size_t size, uint64_t offset)
{
	const uint64_t end = zlog_size(z);
	size_t done = 0;

	if (size > end || offset > end - size)
		size = offset < end ? (size_t)(end - offset) : 0;
	while (done < size) {
		const size_t number = frame_at(z, offset + done);
		const size_t from = (size_t)(offset + done - frame_place(z, number));
		const size_t have = z->frames.items[number].bytes;
		const int rc = from < have ? load_frame(z, number) : 0;
		size_t part;

		if (rc <= 0)
			return rc < 0 ? SOURCE_ERROR : SOURCE_DAMAGED;
		part = have - from < size - done ? have - from : size - done;
		memcpy((char *)data + done, z->plain.bytes + from, part);
		done += part;
	}
	return (int64_t)done;
}

static int not_ours(const struct zlog *z)
{
	return error("%s: compressed, but not by `pymemtrace compress`; decompress it first",
		     z->path);
}

/* Read the first frame, the header's. Its size is not known before: try more and more. */
static int measure_header(struct zlog *z)
{
	struct zlog_frame *header = &z->layout.header;
	size_t size = 0, wanted = 8192, found;
	unsigned long long bytes;

	do {
		wanted *= 2;
		make_room(&z->packed, wanted);
		const int64_t got = zlog_pread(z->fd, z->path, z->packed.bytes, wanted, 0);

		if (got < 0)
			return -1;
		size = (size_t)got;
		found = ZSTD_findFrameCompressedSize(z->packed.bytes, size);
	} while (ZSTD_isError(found) && ZSTD_getErrorCode(found) == ZSTD_error_srcSize_wrong &&
		 size == wanted && wanted <= PMT_CHUNK_BYTES_MAX);
	bytes = ZSTD_getFrameContentSize(z->packed.bytes, size);
	if (ZSTD_isError(found) && size < wanted)
		return ZSTD_getErrorCode(found) == ZSTD_error_srcSize_wrong
			       ? error("%s: cut off within its header", z->path)
			       : error("%s: the header is damaged (it cannot be decompressed)",
				       z->path);
	if (ZSTD_isError(found) || bytes > PMT_CHUNK_BYTES_MAX)
		return not_ours(z);
	*header = (struct zlog_frame){0, (uint32_t)found, (uint32_t)bytes};
	return 0;
}

/* The header says how large chunks are, and must be alone in its frame. */
static int read_header(struct zlog *z)
{
	union header_bytes head;
	int64_t got;

	if (measure_header(z) != 0)
		return -1;
	zlog_add(&z->frames, &z->layout.header);
	z->layout.chunk_bytes = PMT_CHUNK_BYTES_MAX;
	got = zlog_read(z, &head, sizeof(head), 0);
	if (got == SOURCE_DAMAGED)
		return error("%s: the header is damaged (it cannot be decompressed)", z->path);
	if (got < 0 || header_check(z->path, &head, got) != 0)
		return -1;
	z->layout.chunk_bytes = head.header.chunk_bytes;
	if (z->layout.header.bytes > head.header.header_bytes)
		return not_ours(z);
	z->frames.count = 0;
	return 0;
}

static int read_frames(struct zlog *z)
{
	const int rc = zindex_read(z->fd, z->path, &z->layout, &z->frames);

	if (rc < 0)
		return -1;
	z->end = ZLOG_WHOLE;
	if (rc > 0)
		return 0;
	z->frames.count = 0;
	return zscan(z->fd, z->path, &z->layout, &z->frames, &z->end);
}

int zlog_open(int fd, const char *path, uint64_t file_bytes, struct zlog **zlog)
{
	struct zlog *z = need_memory(sizeof(*z));

	*z = (struct zlog){.fd = fd, .path = path, .loaded = SIZE_MAX};
	z->layout.file_bytes = file_bytes;
	z->context = ZSTD_createDCtx();
	if (z->context == NULL)
		die(EXIT_DATA, "out of memory");
	if (read_header(z) != 0 || read_frames(z) != 0) {
		zlog_close(z);
		return -1;
	}
	*zlog = z;
	return 0;
}

void zlog_close(struct zlog *z)
{
	if (z == NULL)
		return;
	ZSTD_freeDCtx(z->context);
	free(z->frames.items);
	free(z->packed.bytes);
	free(z->plain.bytes);
	free(z);
}

enum zlog_end zlog_end(const struct zlog *z)
{
	return z->end;
}
