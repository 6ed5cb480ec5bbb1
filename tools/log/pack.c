/* SPDX-License-Identifier: MIT */
/* Compresses a log, and writes a compressed one out again. */
#include "pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "error.h"
#include "progress.h"
#include "zindex.h"
#include "zlog.h"

/* Compressing: the frames so far. */
struct packing {
	ZSTD_CCtx *context;
	struct zlog_frames frames;
	uint64_t offset; /* where the next one goes */
	uint8_t *packed;
	size_t room;
};

int pack_init(struct pack *p, const char *path)
{
	int64_t got;

	if (source_open(path, &p->source) != 0)
		return -1;
	got = source_read(p->source, p->head.bytes, sizeof(p->head.bytes), 0);
	if (got >= 0 && header_check(path, &p->head, got) == 0 &&
	    source_size(p->source, &p->size) == 0)
		return 0;
	source_close(p->source);
	return -1;
}

void pack_fini(struct pack *p)
{
	source_close(p->source);
}

/* Room for any piece. */
static uint8_t *piece_memory(const struct pack *p)
{
	const struct pmt_header *h = &p->head.header;

	return need_memory(h->header_bytes > h->chunk_bytes ? h->header_bytes : h->chunk_bytes);
}

/* Size of the piece that begins at OFFSET, 0 at the end. */
static size_t piece_size(const struct pack *p, uint64_t offset)
{
	const uint32_t whole =
		offset == 0 ? p->head.header.header_bytes : p->head.header.chunk_bytes;

	return p->size - offset < whole ? (size_t)(p->size - offset) : whole;
}

/* Read a piece of SIZE bytes. Returns 0, SOURCE_DAMAGED, or -1 after a message. */
static int read_piece(const struct pack *p, uint8_t *piece, size_t size, uint64_t offset)
{
	const int64_t got = source_read(p->source, piece, size, offset);

	if (got < 0)
		return (int)got;
	if ((size_t)got != size)
		return error("%s: became shorter while it was read", source_path(p->source));
	return 0;
}

static int write_failed(const char *path)
{
	return error("%s: cannot write: %s", path, strerror(errno));
}

/* Compress one piece into OUT. Returns 0, or -1 after a message. */
static int pack_piece(struct packing *z, const uint8_t *piece, size_t size, FILE *out,
		      const char *path)
{
	const size_t packed = ZSTD_compress2(z->context, z->packed, z->room, piece, size);
	const struct zlog_frame frame = {z->offset, (uint32_t)packed, (uint32_t)size};

	if (ZSTD_isError(packed))
		return error("%s: cannot compress: %s", path, ZSTD_getErrorName(packed));
	if (fwrite(z->packed, 1, packed, out) != packed)
		return write_failed(path);
	zlog_add(&z->frames, &frame);
	z->offset += packed;
	return 0;
}

static int pack_pieces(struct packing *z, struct pack *p, uint8_t *piece, FILE *out,
		       const char *path)
{
	for (uint64_t offset = 0; offset < p->size;) {
		const size_t size = piece_size(p, offset);
		const int rc = read_piece(p, piece, size, offset);

		if (rc == SOURCE_DAMAGED)
			return error("%s: damaged", source_path(p->source));
		if (rc != 0 || pack_piece(z, piece, size, out, path) != 0)
			return -1;
		offset += size;
		progress_show(offset >> 20);
	}
	/* a log of so many chunks is read without an index, by looking for them */
	if (z->frames.count <= ZINDEX_FRAMES_MAX)
		zindex_write(out, &z->frames);
	return fflush(out) != 0 || ferror(out) ? write_failed(path) : 0;
}

int pack_compress(struct pack *p, int level, FILE *out, const char *path)
{
	uint8_t *piece = piece_memory(p);
	struct packing z = {.context = ZSTD_createCCtx()};
	int rc;

	z.room = ZSTD_compressBound(PMT_CHUNK_BYTES_MAX);
	if (p->head.header.header_bytes <= p->head.header.chunk_bytes)
		z.room = ZSTD_compressBound(p->head.header.chunk_bytes);
	z.packed = need_memory(z.room);
	if (z.context == NULL)
		die(EXIT_DATA, "out of memory");
	ZSTD_CCtx_setParameter(z.context, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(z.context, ZSTD_c_checksumFlag, 1);
	rc = pack_pieces(&z, p, piece, out, path);
	ZSTD_freeCCtx(z.context);
	free(z.frames.items);
	free(z.packed);
	free(piece);
	return rc;
}

/*
 * Fills the place of a lost piece so that a reader takes it neither for a chunk nor for a place
 * that was never used.
 */
static void lose_piece(struct pack_result *result, uint8_t *piece, size_t size)
{
	memset(piece, 0xff, size);
	result->lost++;
	result->lost_bytes += size;
}

/* Zeros become a hole, as they were. */
static int write_piece(const uint8_t *piece, size_t size, FILE *out)
{
	if (piece[0] == 0 && memcmp(piece, piece + 1, size - 1) == 0)
		return fseeko(out, (off_t)size, SEEK_CUR);
	return fwrite(piece, 1, size, out) == size ? 0 : -1;
}

static int unpack_pieces(struct pack *p, uint8_t *piece, FILE *out, const char *path,
			 struct pack_result *result)
{
	for (uint64_t offset = 0; offset < p->size;) {
		const size_t size = piece_size(p, offset);
		const int rc = read_piece(p, piece, size, offset);

		if (rc == SOURCE_DAMAGED)
			lose_piece(result, piece, size);
		else if (rc != 0)
			return -1;
		if (write_piece(piece, size, out) != 0)
			return write_failed(path);
		offset += size;
		progress_show(offset >> 20);
	}
	/* a hole at the end needs its size */
	return fflush(out) != 0 || ferror(out) || ftruncate(fileno(out), (off_t)p->size) != 0
		       ? write_failed(path)
		       : 0;
}

int pack_decompress(struct pack *p, FILE *out, const char *path, struct pack_result *result)
{
	uint8_t *piece = piece_memory(p);
	int rc;

	*result = (struct pack_result){0, 0};
	rc = unpack_pieces(p, piece, out, path, result);
	free(piece);
	return rc;
}

int pack_same(struct pack *p, struct pack *copy)
{
	uint8_t *piece = piece_memory(p), *copied = piece_memory(p);
	int rc = p->size == copy->size;

	for (uint64_t offset = 0; rc == 1 && offset < p->size;) {
		const size_t size = piece_size(p, offset);
		const int64_t a = source_read(p->source, piece, size, offset);
		const int64_t b = source_read(copy->source, copied, size, offset);

		if (a == SOURCE_ERROR || b == SOURCE_ERROR)
			rc = -1;
		else
			rc = a == (int64_t)size && b == a && memcmp(piece, copied, size) == 0;
		offset += size;
		progress_show(offset >> 20);
	}
	free(piece);
	free(copied);
	return rc;
}
