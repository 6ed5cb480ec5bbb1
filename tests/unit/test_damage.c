/* SPDX-License-Identifier: MIT */
/*
 * The reader on bad logs: cut at every byte, every byte changed, nonsense in every place. It must
 * say what is wrong, hand out what is good, and never crash (the sanitizers look).
 */
#include "check.h"

#include "logwriter.h"
#include "readlog.h"

#define CHUNK PMT_CHUNK_BYTES_MIN
#define FIRST PMT_HEADER_BYTES
#define HEAD sizeof(struct pmt_chunk)

static struct {
	uint8_t *data; /* a small log with each kind of record, in three chunks */
	size_t size;
	uint64_t events;
} log_;

struct outcome {
	bool opened;
	uint64_t events;
	struct reader_damage damage;
	char message[300];
};

/* One record of each type in slot 1, its numbers small. */
static void put_all_events(struct logwriter *w)
{
	static const uint8_t text[] = "text";

	log_put(w, 1, alloc, 2, .addr = 4096, .size = 10, .stack = 2);
	log_put(w, 1, realloc, 0, .old_addr = 4096, .addr = 8192, .size = 20, .stack = 1);
	log_put(w, 1, free, 0, .addr = 8192);
	log_put(w, 1, mmap, 0, .addr = 1 << 20, .size = 4096, .prot = 3, .flags = 34, .stack = 1);
	log_put(w, 1, mremap, 0, .old_addr = 1 << 20, .old_size = 4096, .addr = 1 << 21,
		.size = 8192);
	log_put(w, 1, munmap, 0, .addr = 1 << 21, .size = 8192);
	log_put(w, 1, rss, 0, .resident = 1 << 20, .shared = 4096, .own = 100, .repeats = 3);
	log_put(w, 1, rss_detail, 0, .anon = 5, .file = 6, .shmem = 7, .swap = 8, .peak = 9);
	log_put(w, 1, lost, 0, .count = 3, .reason = 1);
	log_put(w, 1, process, 0, .what = 2, .value = 77);
	log_put_long(w, 1, 4, thread_name, 0, .thread = 1, .name = {text, 4});
	log_put_long(w, 1, 4, mark, 0, .text = {text, 4});
}

static void write_small(unsigned state)
{
	struct logwriter *w = logwriter_create(CHUNK);

	logwriter_text(w, PMT_TEXT_COMMAND, "python\0a.py", 12);
	log_frame(w, log_frame(w, 0, log_code(w, "f", "a.py", 1), 1), 1, 2);
	log_thread(w, 1, 1, 10);
	put_all_events(w);
	logwriter_seal(w, 1);
	log_put(w, 1, time, 0, .time_ns = LOGWRITER_START_NS + 1000);
	log_put(w, 1, order, 0, .order = 1);
	put_all_events(w);
	logwriter_finish(w, state);
	free(log_.data);
	log_.data = logwriter_data(w, &log_.size);
	log_.events = 25;
	logwriter_destroy(w);
}

static int count(void *context, const struct reader_event *event)
{
	uint64_t *events = context;

	(void)event;
	++*events;
	return 0;
}

static struct outcome read_file(const char *path)
{
	struct outcome o = {0};
	struct reader *reader;

	check_capture_begin();
	if (reader_open(path, &reader) == 0) {
		o.opened = true;
		CHECK_EQ(reader_run(reader, count, &o.events), 0);
		o.damage = *reader_damage(reader);
		reader_close(reader);
	}
	check_capture_end(o.message, sizeof(o.message));
	/* one message, and only when it could not be opened; the name in it is not of interest */
	CHECK_EQ(o.message[0] != '\0', !o.opened);
	char *text = strstr(o.message, ": /proc/self/fd/");

	if (text != NULL)
		memmove(o.message, strchr(text + 2, ':') + 2,
			strlen(strchr(text + 2, ':') + 2) + 1);
	return o;
}

static struct outcome read_data(const void *data, size_t size)
{
	struct readlog file = readlog_create(data, size);
	struct outcome o = read_file(file.path);

	readlog_destroy(&file);
	return o;
}

static bool is_damaged(const struct outcome *o)
{
	return o->damage.chunks_damaged != 0 || o->damage.records_damaged != 0;
}

/* Bytes of the chunk at OFFSET that mean something. */
static size_t chunk_used(size_t offset)
{
	return HEAD + ((const struct pmt_chunk *)(log_.data + offset))->committed;
}

static void good_log(void)
{
	write_small(PMT_STATE_CLOSED);
	struct outcome o = read_data(log_.data, log_.size);

	CHECK(o.opened && !is_damaged(&o) && !o.damage.truncated);
	CHECK_EQ(o.events, log_.events);
	CHECK_EQ(log_.size, FIRST + 3 * CHUNK);
}

static void check_cut(struct readlog *file, size_t size, uint64_t *last_events)
{
	if (ftruncate(file->fd, (off_t)size) != 0)
		abort();
	struct outcome o = read_file(file->path);

	if (size == 0)
		CHECK(strcmp(o.message, "empty file\n") == 0);
	else if (size < FIRST)
		CHECK_STR(o.message, "cut off within its header\n");
	else
		CHECK(o.opened && o.damage.truncated);
	CHECK(!is_damaged(&o));
	/* whole records before the cut are all there */
	CHECK(o.events <= *last_events && *last_events - o.events <= 1);
	*last_events = o.events;
}

/* From the end to the beginning, byte by byte (in large steps where there are only zeros). */
static void cut_everywhere(unsigned state)
{
	uint64_t events = 25;

	write_small(state);
	struct readlog file = readlog_create(log_.data, log_.size);

	for (size_t at = FIRST + 2 * CHUNK;; at -= CHUNK) {
		size_t used = chunk_used(at);

		for (size_t size = at + CHUNK - 1; size >= at + used; size -= 997)
			check_cut(&file, size, &events);
		for (size_t size = at + used; size > at; size--)
			check_cut(&file, size, &events);
		if (at == FIRST)
			break;
	}
	CHECK_EQ(events, 0);
	for (size_t size = FIRST + 1; size-- > 0;)
		check_cut(&file, size, &events);
	readlog_destroy(&file);
}

static void cut_closed(void)
{
	cut_everywhere(PMT_STATE_CLOSED);
}

static void cut_open(void)
{
	cut_everywhere(PMT_STATE_OPEN);
}

/*
 * A log whose chunks get their space as they fill: what is behind the last record may be missing,
 * and a cut before it is told, with the bytes that it cost.
 */
static void check_short_end(struct readlog *file, size_t at, size_t size)
{
	const size_t used = chunk_used(at);

	if (ftruncate(file->fd, (off_t)size) != 0)
		abort();
	struct outcome o = read_file(file->path);

	CHECK(o.opened && !is_damaged(&o));
	CHECK_EQ(o.damage.truncated, size < at + used);
	if (size >= at + used) {
		CHECK_EQ(o.events, log_.events);
		CHECK_EQ(o.damage.bytes_lost, 0);
	} else if (size >= at + HEAD) {
		/* what was cut off, and what is left of the record that was cut through */
		CHECK(o.damage.bytes_lost >= at + used - size);
		CHECK(o.damage.bytes_lost <= used - HEAD);
	}
}

static void short_end(unsigned state)
{
	const size_t at = FIRST + 2 * CHUNK;

	write_small(state);
	struct pmt_header *h = (struct pmt_header *)log_.data;

	h->features_compatible |= PMT_COMPATIBLE_SHORT_END;
	h->checksum = pmt_header_checksum(h);
	struct readlog file = readlog_create(log_.data, log_.size);

	CHECK(chunk_used(at) > HEAD);
	for (size_t size = at + CHUNK; size >= at + chunk_used(at); size -= 997)
		check_short_end(&file, at, size);
	for (size_t size = at + chunk_used(at); size >= at - 1; size--)
		check_short_end(&file, at, size);
	readlog_destroy(&file);
}

static void short_end_closed(void)
{
	short_end(PMT_STATE_CLOSED);
}

static void short_end_open(void)
{
	short_end(PMT_STATE_OPEN);
}

/* A changed byte in the header is refused, but for the live part and what no text covers. */
static void check_header_flip(size_t at, const struct outcome *o)
{
	const struct pmt_header *h = (const struct pmt_header *)log_.data;
	const size_t live = offsetof(struct pmt_header, live);

	if (at < 8)
		CHECK_STR(o->message, "not a pymemtrace log\n");
	else if (at < 10)
		CHECK(strstr(o->message, "written by format version") != NULL);
	else if (at < PMT_TEXTS_OFFSET + h->texts_bytes &&
		 !(at >= live && at < live + sizeof(h->live)))
		CHECK_STR(o->message, "the header is damaged (its checksum is wrong)\n");
	else
		CHECK(o->opened && o->events == log_.events && !is_damaged(o));
}

/* A changed byte in a sealed chunk is noticed, and costs this chunk only. */
static void check_chunk_flip(size_t at, const struct outcome *o)
{
	const size_t in_chunk = (at - FIRST) % CHUNK;
	bool unseals = in_chunk - offsetof(struct pmt_chunk, sealed) < 2 && log_.data[at] == 0 &&
		       in_chunk == offsetof(struct pmt_chunk, sealed);

	CHECK(o->opened);
	if (unseals || in_chunk >= chunk_used(at - in_chunk)) {
		CHECK(!is_damaged(o) && o->events == log_.events);
		return;
	}
	CHECK(is_damaged(o));
	CHECK(o->damage.bytes_lost != 0 || (at - FIRST) / CHUNK == 0);
	CHECK(o->events >= (at - FIRST < CHUNK ? 25 : 12));
}

static void flip(struct readlog *file, size_t at, uint8_t bits)
{
	log_.data[at] ^= bits;
	if (pwrite(file->fd, log_.data + at, 1, (off_t)at) != 1)
		abort();
}

static void flip_closed(void)
{
	static const uint8_t bits[] = {0x01, 0x80, 0xff};

	write_small(PMT_STATE_CLOSED);
	struct readlog file = readlog_create(log_.data, log_.size);

	for (size_t at = 0; at < log_.size; at++) {
		size_t in_chunk = (at - FIRST) % CHUNK;

		if (at >= FIRST && in_chunk >= chunk_used(at - in_chunk) + 10) {
			at += CHUNK - in_chunk - 1;
			continue;
		}
		for (size_t i = 0; i < sizeof(bits); i++) {
			flip(&file, at, bits[i]);
			struct outcome o = read_file(file.path);

			if (at < FIRST)
				check_header_flip(at, &o);
			else
				check_chunk_flip(at, &o);
			flip(&file, at, bits[i]);
		}
	}
	readlog_destroy(&file);
}

/* Nothing guards an unsealed chunk: anything may come out, but no more than was there. */
static void flip_open(void)
{
	write_small(PMT_STATE_OPEN);
	struct readlog file = readlog_create(log_.data, log_.size);

	for (size_t at = FIRST; at < log_.size; at++) {
		size_t in_chunk = (at - FIRST) % CHUNK;

		if (in_chunk >= chunk_used(at - in_chunk) + 10) {
			at += CHUNK - in_chunk - 1;
			continue;
		}
		for (unsigned bit = 0; bit < 8; bit++) {
			flip(&file, at, (uint8_t)(1 << bit));
			struct outcome o = read_file(file.path);

			CHECK(o.opened);
			CHECK(o.events < 2 * log_.events);
			flip(&file, at, (uint8_t)(1 << bit));
		}
	}
	readlog_destroy(&file);
}

/* Random changes to many bytes, and the checksums put right again, so that they get far. */
static void hostile(void)
{
	for (int round = 0; round < 1500; round++) {
		write_small(round % 2 ? PMT_STATE_OPEN : PMT_STATE_CLOSED);
		struct pmt_header *h = (struct pmt_header *)log_.data;
		size_t used[3];

		for (size_t i = 0; i < 3; i++)
			used[i] = chunk_used(FIRST + i * CHUNK);
		for (int i = 0; i < 1 + round % 40; i++) {
			uint64_t r = check_random();
			size_t chunk = FIRST + r % 3 * CHUNK;

			log_.data[chunk + (r >> 8) % used[r % 3]] = (uint8_t)(r >> 40);
		}
		for (size_t at = FIRST; at < log_.size; at += CHUNK) {
			struct pmt_chunk *chunk = (struct pmt_chunk *)(log_.data + at);

			chunk->magic = PMT_CHUNK_MAGIC;
			if (chunk->committed <= CHUNK - HEAD)
				chunk->checksum = pmt_chunk_checksum(chunk);
		}
		h->checksum = pmt_header_checksum(h);
		struct outcome o = read_data(log_.data, log_.size);

		CHECK(o.opened);
		CHECK(o.events < CHUNK * 3);
	}
}

/* Change the header by a statement about h, then give it its checksum: what is said then. */
#define HEADER_MESSAGE(statement)                                                                  \
	do {                                                                                       \
		write_small(PMT_STATE_CLOSED);                                                     \
		struct pmt_header *h = (struct pmt_header *)log_.data;                             \
                                                                                                   \
		statement;                                                                         \
		h->checksum = pmt_header_checksum(h);                                              \
		o = read_data(log_.data, log_.size);                                               \
	} while (0)

static void header_messages(void)
{
	struct outcome o;

	HEADER_MESSAGE(h->version_major = 2; h->version_minor = 7);
	CHECK_STR(o.message, "written by format version 2.7; this program reads version 1\n");
	HEADER_MESSAGE(h->features_incompatible = 0x10);
	CHECK_STR(o.message, "uses features that this program does not know (0x10); "
			     "a later version reads it\n");
	HEADER_MESSAGE(h->chunk_bytes = 1000);
	CHECK_STR(o.message, "the header makes no sense (sizes 4096 and 1000)\n");
	HEADER_MESSAGE(h->chunk_bytes = 1U << 31);
	CHECK(!o.opened);
	HEADER_MESSAGE(h->header_bytes = 0);
	CHECK(!o.opened);
	HEADER_MESSAGE(h->version_minor = 9; h->features_compatible = 0xff);
	CHECK(o.opened && o.events == log_.events);
}

/* Things that are not logs at all; a named pipe must not make the program wait. */
static void not_logs(void)
{
	static const char text[5000] = "#!/bin/sh\n";
	struct outcome o = read_data(text, sizeof(text));

	CHECK_STR(o.message, "not a pymemtrace log\n");
	o = read_data("\211PM", 3);
	CHECK_STR(o.message, "cut off within its header\n");
	o = read_data("\211PN", 3);
	CHECK_STR(o.message, "not a pymemtrace log\n");
	o = read_file("/nonexistent/x.pmt");
	CHECK_STR(o.message, "pymemtrace: /nonexistent/x.pmt: No such file or directory\n");
	o = read_file("/");
	CHECK_STR(o.message, "pymemtrace: /: not a regular file\n");
	int fds[2];

	if (pipe(fds) != 0)
		abort();
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	o = read_file(path);
	CHECK_STR(o.message, "not a regular file\n");
	close(fds[0]);
	close(fds[1]);
}

/* A chunk that is missing shows in the numbers of its slot; one that is there twice counts once. */
static void missing_and_double(void)
{
	write_small(PMT_STATE_CLOSED);
	memset(log_.data + FIRST + CHUNK, 0, CHUNK);
	struct outcome o = read_data(log_.data, log_.size);

	CHECK_EQ(o.damage.chunks_damaged, 1);
	CHECK_EQ(o.events, 12);
	write_small(PMT_STATE_CLOSED);
	memcpy(log_.data + FIRST, log_.data + FIRST + CHUNK, CHUNK);
	o = read_data(log_.data, log_.size);
	CHECK_EQ(o.damage.chunks_damaged, 1);
	CHECK_EQ(o.events, 25);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"a good log", good_log},
		{"cut at every byte, closed", cut_closed},
		{"cut at every byte, killed", cut_open},
		{"the last chunk is short, closed", short_end_closed},
		{"the last chunk is short, killed", short_end_open},
		{"every byte changed, closed", flip_closed},
		{"every bit changed, killed", flip_open},
		{"many bytes changed, checksums right", hostile},
		{"headers that are refused", header_messages},
		{"not logs", not_logs},
		{"missing and double chunks", missing_and_double},
		{0},
	};
	int status = check_run(tests);

	free(log_.data);
	return status;
}
