/* SPDX-License-Identifier: MIT */
/* Finds the frames of a compressed log whose index is missing or damaged. */
#include "zscan.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "error.h"
#include "zindex.h"

/*
 * A file made to look like frames everywhere could keep the program busy for hours, as each look at
 * a false frame may go through much of it. By chance four bytes look like a frame's once in 4 GB.
 */
#define FALSE_FRAMES_MAX 200

enum found {
	FOUND_ERROR = -1, /* a message was printed */
	FOUND_NOTHING,
	FOUND_FRAME,
	FOUND_SKIP, /* a frame that is to be skipped */
	FOUND_CUT,  /* looks like a frame, but the file ends before it does */
};

struct scan {
	int fd;
	const char *path;
	const struct zlog_layout *layout;
	struct zlog_frames *frames;
	uint8_t *window; /* part of the file, from offset `start` */
	size_t room;	 /* no frame is larger */
	uint64_t start;
	size_t have;
	uint8_t *chunk; /* room for what a frame holds */
	unsigned false_frames;
	bool skipped; /* a frame that may have been the index */
};

/* Load the window from OFFSET on. */
static int load_bytes(struct scan *s, uint64_t offset)
{
	const int64_t got = zlog_pread(s->fd, s->path, s->window, s->room, offset);

	if (got < 0)
		return -1;
	s->start = offset;
	s->have = (size_t)got;
	return 0;
}

static bool in_window(const struct scan *s, uint64_t offset, size_t size)
{
	return offset >= s->start && offset + size <= s->start + s->have;
}

/* What stands at OFFSET. Returns it, with SIZE bytes in the window. */
static const uint8_t *bytes_at(const struct scan *s, uint64_t offset, size_t *size)
{
	*size = s->have - (size_t)(offset - s->start);
	return s->window + (offset - s->start);
}

static uint32_t number_at(const uint8_t *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

/* Not a frame of which the window has only a part: the window holds every frame of ours. */
static enum found look_for_skip(struct scan *s, uint64_t offset, struct zlog_frame *frame)
{
	size_t size;
	const uint8_t *p = bytes_at(s, offset, &size);

	if (size < ZINDEX_SKIP_BYTES)
		return FOUND_CUT;
	frame->packed_bytes = number_at(p + 4);
	if (frame->packed_bytes > UINT32_MAX - ZINDEX_SKIP_BYTES)
		return FOUND_NOTHING;
	frame->packed_bytes += ZINDEX_SKIP_BYTES;
	return offset + frame->packed_bytes > s->layout->file_bytes ? FOUND_CUT : FOUND_SKIP;
}

/* Look at OFFSET, from which on the window holds a frame's size, or all up to the file's end. */
static enum found look_here(struct scan *s, uint64_t offset, struct zlog_frame *frame)
{
	size_t size, packed;
	const uint8_t *p = bytes_at(s, offset, &size);
	unsigned long long bytes;

	if (size < 4)
		return FOUND_CUT;
	if (number_at(p) == ZINDEX_SKIP_MAGIC)
		return look_for_skip(s, offset, frame);
	if (!zlog_is_one(p, size))
		return FOUND_NOTHING;
	packed = ZSTD_findFrameCompressedSize(p, size);
	if (ZSTD_isError(packed)) {
		const bool too_large = size == s->room && s->start + size < s->layout->file_bytes;

		return ZSTD_getErrorCode(packed) == ZSTD_error_srcSize_wrong && !too_large
			       ? FOUND_CUT
			       : FOUND_NOTHING;
	}
	bytes = ZSTD_getFrameContentSize(p, size);
	if (bytes == 0 || bytes > s->layout->chunk_bytes || packed > UINT32_MAX)
		return FOUND_NOTHING;
	*frame = (struct zlog_frame){offset, (uint32_t)packed, (uint32_t)bytes};
	return FOUND_FRAME;
}

static enum found look_at(struct scan *s, uint64_t offset, struct zlog_frame *frame)
{
	enum found found = FOUND_CUT;

	if (in_window(s, offset, 4))
		found = look_here(s, offset, frame);
	if (found != FOUND_CUT || s->start == offset)
		return found;
	return load_bytes(s, offset) == 0 ? look_here(s, offset, frame) : FOUND_ERROR;
}

/* Whether FRAME, of which only the outline was looked at, is one: if its contents are right. */
static bool is_whole(struct scan *s, const struct zlog_frame *frame)
{
	size_t size;
	const uint8_t *p = bytes_at(s, frame->offset, &size);

	return ZSTD_decompress(s->chunk, frame->bytes, p, frame->packed_bytes) == frame->bytes;
}

/* Whether a frame may well begin at OFFSET, or the file ends there. */
static bool goes_on(const struct scan *s, uint64_t offset)
{
	size_t size;
	const uint8_t *p;

	if (offset + 4 > s->layout->file_bytes)
		return true;
	if (!in_window(s, offset, 4))
		return false;
	p = bytes_at(s, offset, &size);
	return zlog_is_one(p, size) || number_at(p) == ZINDEX_SKIP_MAGIC;
}

/* Look at OFFSET; what looks like a frame is only believed if it fits to what follows. */
static enum found look_well(struct scan *s, uint64_t offset, struct zlog_frame *frame)
{
	const enum found found = look_at(s, offset, frame);

	if (found == FOUND_FRAME && !goes_on(s, offset + frame->packed_bytes) &&
	    !is_whole(s, frame))
		return FOUND_NOTHING;
	return found;
}

/* The next place from OFFSET on that looks like the begin of a frame; 0 if none, -1 an error. */
static int64_t next_magic(struct scan *s, uint64_t offset)
{
	for (; offset + 4 <= s->layout->file_bytes; offset++) {
		size_t size;
		const uint8_t *p;

		if (!in_window(s, offset, 4) && load_bytes(s, offset) != 0)
			return -1;
		if (!in_window(s, offset, 4))
			return 0;
		p = bytes_at(s, offset, &size);
		if (zlog_is_one(p, size) || number_at(p) == ZINDEX_SKIP_MAGIC)
			return (int64_t)offset;
	}
	return 0;
}

/* The next place behind OFFSET where a frame is. Returns it; 0 if there is none, -1 an error. */
static int64_t resume_scan(struct scan *s, uint64_t offset)
{
	while (s->false_frames < FALSE_FRAMES_MAX) {
		struct zlog_frame frame;
		enum found found;
		const int64_t next = next_magic(s, offset + 1);

		if (next <= 0)
			return next;
		offset = (uint64_t)next;
		found = look_well(s, offset, &frame);
		if (found == FOUND_ERROR)
			return -1;
		if (found == FOUND_SKIP || (found == FOUND_FRAME && is_whole(s, &frame)))
			return next;
		s->false_frames++;
	}
	return 0;
}

/* There is no frame at OFFSET. Returns where to go on: at the end of the file, perhaps. */
static int64_t count_lost(struct scan *s, uint64_t offset, enum found found)
{
	const struct zlog_frame lost = {offset, 0, s->layout->chunk_bytes};
	const int64_t next = resume_scan(s, offset);

	if (next < 0)
		return -1;
	if (next != 0 || found != FOUND_CUT)
		zlog_add(s->frames, &lost);
	return next != 0 ? next : (int64_t)s->layout->file_bytes;
}

/* Take what is at OFFSET. Returns the offset behind it, -1 after an error. */
static int64_t step_over(struct scan *s, uint64_t offset)
{
	struct zlog_frame frame;
	const enum found found = look_well(s, offset, &frame);

	switch (found) {
	case FOUND_ERROR:
		return -1;
	case FOUND_FRAME:
		zlog_add(s->frames, &frame);
		return (int64_t)(offset + frame.packed_bytes);
	case FOUND_SKIP:
		s->skipped = true;
		return (int64_t)(offset + frame.packed_bytes);
	default:
		return count_lost(s, offset, found);
	}
}

static int run_scan(struct scan *s, enum zlog_end *end)
{
	const int64_t index = zindex_claimed(s->fd, s->path, s->layout);
	uint64_t offset = s->layout->header.packed_bytes;

	if (index < 0)
		return -1;
	zlog_add(s->frames, &s->layout->header);
	while (offset < s->layout->file_bytes) {
		int64_t next;

		if (s->layout->file_bytes - offset == (uint64_t)index) {
			s->skipped = true;
			break;
		}
		next = step_over(s, offset);
		if (next < 0)
			return -1;
		offset = (uint64_t)next;
	}
	*end = s->skipped ? ZLOG_INDEX_DAMAGED : ZLOG_CUT;
	return 0;
}

int zscan(int fd, const char *path, const struct zlog_layout *layout, struct zlog_frames *frames,
	  enum zlog_end *end)
{
	struct scan s = {.fd = fd, .path = path, .layout = layout, .frames = frames};
	int rc;

	s.room = ZSTD_compressBound(layout->chunk_bytes) + ZINDEX_SKIP_BYTES;
	s.window = need_memory(s.room);
	s.chunk = need_memory(layout->chunk_bytes);
	rc = run_scan(&s, end);
	free(s.window);
	free(s.chunk);
	return rc;
}
