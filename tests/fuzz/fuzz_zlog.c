/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the reader of compressed logs. Events and damage are counted, nothing more: what the
 * records hold is fuzz_reader's.
 *
 * The first byte of the input says what follows:
 *	even	a compressed log; its index gets its checksum, if it has one
 *	odd	chunks as in a plain log behind a good header, to be compressed here; the bytes
 *	  after the first five are then put over the compressed file at the offset that these give
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hash.h"
#include "pack.h"
#include "readlog.h"
#include "reader.h"

#define CHUNK PMT_CHUNK_BYTES_MIN
#define CHUNKS 4
#define INDEX_HEAD 32
#define INDEX_TAIL 16

/* The file that is made of the input. */
static struct {
	uint8_t *bytes;
	size_t size;
} file;

/* Put the checksum of the index right where the file's end says that there is one. */
static void sum_index(void)
{
	uint32_t size;
	uint64_t sum;

	if (file.size < INDEX_HEAD + INDEX_TAIL)
		return;
	memcpy(&size, file.bytes + file.size - 8, sizeof(size));
	if (size < INDEX_HEAD + INDEX_TAIL || size > file.size)
		return;
	const uint8_t *index = file.bytes + file.size - size;

	sum = pmt_hash(index + INDEX_HEAD, size - INDEX_HEAD - INDEX_TAIL,
		       pmt_hash(index, INDEX_HEAD, 0));
	memcpy(file.bytes + file.size - INDEX_TAIL, &sum, sizeof(sum));
}

/* A good compressed log, of chunks that hold nothing but their heads. */
static void make_good(void)
{
	static uint8_t plain[PMT_HEADER_BYTES + CHUNKS * CHUNK];
	struct pmt_header *h = (struct pmt_header *)plain;
	struct readlog log;
	struct pack pack;

	memcpy(h->magic, PMT_MAGIC, sizeof(h->magic));
	h->version_major = PMT_VERSION_MAJOR;
	h->header_bytes = PMT_HEADER_BYTES;
	h->chunk_bytes = CHUNK;
	h->checksum = pmt_header_checksum(h);
	for (uint32_t i = 0; i < CHUNKS; i++) {
		struct pmt_chunk *chunk =
			(struct pmt_chunk *)(plain + PMT_HEADER_BYTES + i * CHUNK);

		chunk->magic = PMT_CHUNK_MAGIC;
		chunk->kind = 1;
		chunk->sequence = i;
	}
	log = readlog_create(plain, sizeof(plain));
	FILE *out = open_memstream((char **)&file.bytes, &file.size);

	if (pack_init(&pack, log.path) != 0 || pack_compress(&pack, 1, out, "good") != 0)
		abort();
	fclose(out);
	pack_fini(&pack);
	readlog_destroy(&log);
}

static void make_changed(const uint8_t *data, size_t size)
{
	uint32_t offset = 0;

	make_good();
	memcpy(&offset, data, size < sizeof(offset) ? size : sizeof(offset));
	offset %= (uint32_t)file.size;
	if (size <= sizeof(offset))
		return;
	data += sizeof(offset);
	size -= sizeof(offset);
	memcpy(file.bytes + offset, data, size < file.size - offset ? size : file.size - offset);
}

static int count(void *context, const struct reader_event *event)
{
	uint64_t *events = context;

	(void)event;
	++*events;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader *reader;
	uint64_t events = 0;

	if (size == 0)
		return 0;
	if (data[0] & 1) {
		make_changed(data + 1, size - 1);
	} else {
		file.bytes = malloc(size);
		file.size = size - 1;
		memcpy(file.bytes, data + 1, size - 1);
	}
	sum_index();
	struct readlog log = readlog_create(file.bytes, file.size);
	FILE *saved = fuzz_quiet();

	if (reader_open(log.path, &reader) == 0) {
		if (reader_run(reader, count, &events) != 0)
			abort();
		reader_close(reader);
	}
	fuzz_loud(saved);
	readlog_destroy(&log);
	free(file.bytes);
	return 0;
}
