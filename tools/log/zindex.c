/* SPDX-License-Identifier: MIT */
/* The index at the end of a compressed log. */
#include "zindex.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

#define INDEX_MAGIC "PMTINDEX"
#define TAIL_MAGIC 0x49544d50U /* "PMTI" */
#define INDEX_VERSION 1

/* The index is these two with the frames between them. Written in place: little-endian. */
struct head {
	uint32_t skip_magic; /* ZINDEX_SKIP_MAGIC */
	uint32_t skip_bytes; /* what follows behind this field */
	uint8_t magic[8];
	uint32_t version;
	uint32_t frames;
	uint64_t reserved;
};

struct tail {
	uint64_t checksum;    /* of the frames, seeded with that of the head */
	uint32_t index_bytes; /* head, frames and tail: from here back to the head */
	uint32_t magic;
};

_Static_assert(sizeof(struct head) == 32, "the head of the index is 32 bytes");
_Static_assert(sizeof(struct tail) == 16, "the tail of the index is 16 bytes");
_Static_assert(sizeof(struct zlog_frame) == 16, "an entry of the index is 16 bytes");

static uint64_t index_bytes(uint64_t frames)
{
	return sizeof(struct head) + frames * sizeof(struct zlog_frame) + sizeof(struct tail);
}

static struct head make_head(uint32_t frames)
{
	struct head head = {
		.skip_magic = ZINDEX_SKIP_MAGIC,
		.skip_bytes = (uint32_t)(index_bytes(frames) - ZINDEX_SKIP_BYTES),
		.version = INDEX_VERSION,
		.frames = frames,
	};

	memcpy(head.magic, INDEX_MAGIC, sizeof(head.magic));
	return head;
}

static uint64_t compute_checksum(const struct head *head, const struct zlog_frames *frames)
{
	return pmt_hash(frames->items, frames->count * sizeof(*frames->items),
			pmt_hash(head, sizeof(*head), 0));
}

void zindex_write(FILE *out, const struct zlog_frames *frames)
{
	const struct head head = make_head((uint32_t)frames->count);
	const struct tail tail = {
		.checksum = compute_checksum(&head, frames),
		.index_bytes = (uint32_t)index_bytes(frames->count),
		.magic = TAIL_MAGIC,
	};

	fwrite(&head, sizeof(head), 1, out);
	fwrite(frames->items, sizeof(*frames->items), frames->count, out);
	fwrite(&tail, sizeof(tail), 1, out);
}

/* Read the tail. Returns the size that it claims, 0 if it claims none, -1 after a message. */
static int64_t read_tail(int fd, const char *path, uint64_t file_bytes, struct tail *tail)
{
	int64_t got;

	if (file_bytes < index_bytes(1))
		return 0;
	got = zlog_pread(fd, path, tail, sizeof(*tail), file_bytes - sizeof(*tail));
	if (got < 0)
		return -1;
	if (got != sizeof(*tail) || tail->magic != TAIL_MAGIC ||
	    tail->index_bytes < index_bytes(1) || tail->index_bytes > file_bytes)
		return 0;
	return tail->index_bytes;
}

int64_t zindex_claimed(int fd, const char *path, const struct zlog_layout *layout)
{
	struct tail tail;

	return read_tail(fd, path, layout->file_bytes, &tail);
}

/* Whether FRAME may be the next one: behind the last, and as large as the log's chunks are. */
static bool index_fits(const struct zlog_frames *frames, const struct zlog_layout *layout,
		       const struct zlog_frame *frame)
{
	const struct zlog_frame *last;

	if (frames->count == 0)
		return memcmp(frame, &layout->header, sizeof(*frame)) == 0;
	last = &frames->items[frames->count - 1];
	return frame->offset == last->offset + last->packed_bytes && frame->packed_bytes != 0 &&
	       frame->bytes != 0 && frame->bytes <= layout->chunk_bytes &&
	       (frames->count == 1 || last->bytes == layout->chunk_bytes);
}

/*
 * Read the entries from OFFSET on. Nonsense ends it at once, so that a small file that claims much
 * does not get much memory.
 */
static int read_entries(int fd, const char *path, uint64_t offset, uint32_t count,
			const struct zlog_layout *layout, struct zlog_frames *frames)
{
	struct zlog_frame some[256];

	while (frames->count < count) {
		const size_t left = count - frames->count;
		const size_t now = left < 256 ? left : 256;
		const int64_t got = zlog_pread(fd, path, some, now * sizeof(*some), offset);

		if (got < 0)
			return -1;
		if ((size_t)got != now * sizeof(*some))
			return 0;
		for (size_t i = 0; i < now; i++) {
			if (!index_fits(frames, layout, &some[i]))
				return 0;
			zlog_add(frames, &some[i]);
		}
		offset += now * sizeof(*some);
	}
	return 1;
}

int zindex_read(int fd, const char *path, const struct zlog_layout *layout,
		struct zlog_frames *frames)
{
	struct head head, good;
	struct tail tail;
	const int64_t size = read_tail(fd, path, layout->file_bytes, &tail);
	const uint64_t start = layout->file_bytes - (uint64_t)(size < 0 ? 0 : size);
	int64_t rc;

	if (size <= 0)
		return (int)size;
	rc = zlog_pread(fd, path, &head, sizeof(head), start);
	if (rc != sizeof(head))
		return rc < 0 ? -1 : 0;
	good = make_head(head.frames);
	if (memcmp(&head, &good, sizeof(head)) != 0 || index_bytes(head.frames) != (uint64_t)size ||
	    head.frames == 0)
		return 0;
	rc = read_entries(fd, path, start + sizeof(head), head.frames, layout, frames);
	if (rc <= 0)
		return (int)rc;
	const struct zlog_frame *last = &frames->items[frames->count - 1];

	return last->offset + last->packed_bytes == start &&
	       compute_checksum(&head, frames) == tail.checksum;
}
