/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the reader, text, JSON and classic output, and call trees. Whatever a log holds,
 *JSON must parse, text must hold no control character, blocks in rows must be the same events as
 * blocks one by one, and what functions are charged with must add up.
 *
 * The first byte of the input says what follows:
 *	even	a log file; its checksums are put right
 *	odd	chunks: kind and flags, slot, u16 length, so many bytes of records; a good file is
 *	  made around them. Small inputs reach far that way.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calls_print.h"
#include "classic.h"
#include "fuzz.h"
#include "log.h"
#include "names.h"
#include "pyevents_report.h"
#include "readlog.h"
#include "reader.h"
#include "show.h"

#define CHUNK PMT_CHUNK_BYTES_MIN
#define CHUNKS_MAX 12
#define EVENTS_MAX 300 /* so many are printed; the rest is only read */

/* The file that is made of the input. */
static struct {
	uint8_t bytes[PMT_HEADER_BYTES + CHUNKS_MAX * CHUNK];
	size_t size;
} file;

struct printing {
	struct show show;
	size_t events;
};

static void seal(uint8_t *at, size_t left)
{
	struct pmt_chunk *chunk = (struct pmt_chunk *)at;

	if (left >= sizeof(*chunk) && chunk->committed <= left - sizeof(*chunk))
		chunk->checksum = pmt_chunk_checksum(chunk);
}

static void make_header(void)
{
	struct pmt_header *h = (struct pmt_header *)file.bytes;

	memset(file.bytes, 0, PMT_HEADER_BYTES);
	memcpy(h->magic, PMT_MAGIC, sizeof(h->magic));
	h->version_major = PMT_VERSION_MAJOR;
	h->header_bytes = PMT_HEADER_BYTES;
	h->chunk_bytes = CHUNK;
	h->features_incompatible = PMT_FEATURES_KNOWN;
	h->checksum = pmt_header_checksum(h);
	file.size = PMT_HEADER_BYTES;
}

static unsigned kind_of(unsigned flags)
{
	if (flags & 16)
		return PMT_CHUNK_TOTALS;
	if (flags & 8)
		return PMT_CHUNK_FOLD;
	return flags & 1 ? PMT_CHUNK_DEFINITIONS : PMT_CHUNK_EVENTS;
}

/* One chunk of the records in DATA. Bits of FLAGS: definitions, sealed, cut off, fold chunk,
 * totals. */
static void make_chunk(unsigned flags, unsigned slot, const uint8_t *data, size_t size)
{
	struct pmt_chunk *chunk = (struct pmt_chunk *)(file.bytes + file.size);
	static uint32_t sequences[256];

	if (file.size == PMT_HEADER_BYTES)
		memset(sequences, 0, sizeof(sequences));
	memset(chunk, 0, CHUNK);
	chunk->magic = PMT_CHUNK_MAGIC;
	chunk->kind = (uint16_t)kind_of(flags);
	chunk->sealed = flags >> 1 & 1;
	chunk->slot = slot;
	chunk->sequence = sequences[slot]++;
	chunk->thread = slot;
	chunk->committed = (uint32_t)size;
	memcpy(chunk + 1, data, size);
	seal((uint8_t *)chunk, CHUNK);
	file.size += flags & 4 ? sizeof(*chunk) + size / 2 : CHUNK;
}

static void make_chunks(const uint8_t *data, size_t size)
{
	bool cut = false;

	make_header();
	for (int i = 0; i < CHUNKS_MAX && size >= 4 && !cut; i++) {
		size_t length = (size_t)data[2] | (size_t)data[3] << 8;

		if (length > size - 4)
			length = size - 4;
		if (length > CHUNK - sizeof(struct pmt_chunk))
			length = CHUNK - sizeof(struct pmt_chunk);
		make_chunk(data[0], data[1], data + 4, length);
		cut = data[0] & 4;
		data += 4 + length;
		size -= 4 + length;
	}
}

static void make_file(const uint8_t *data, size_t size)
{
	struct pmt_header *h = (struct pmt_header *)file.bytes;

	file.size = size < sizeof(file.bytes) ? size : sizeof(file.bytes);
	memset(file.bytes, 0, sizeof(file.bytes));
	memcpy(file.bytes, data, file.size);
	if (file.size < PMT_HEADER_BYTES)
		return;
	h->checksum = pmt_header_checksum(h);
	for (size_t at = PMT_HEADER_BYTES; at < file.size; at += CHUNK)
		seal(file.bytes + at, file.size - at < CHUNK ? file.size - at : CHUNK);
}

static int print_text(void *context, const struct reader_event *event)
{
	struct printing *p = context;

	if (p->events++ < EVENTS_MAX)
		show_text(&p->show, event);
	return 0;
}

static int print_json(void *context, const struct reader_event *event)
{
	struct printing *p = context;

	if (p->events++ < EVENTS_MAX) {
		show_json(&p->show, event);
		fputc('\n', p->show.out);
	}
	return 0;
}

/* Print everything with VISIT. Returns the text. */
static char *print_all(struct reader *reader, reader_visit visit, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);
	struct printing p = {{out, reader, true}, 0};

	if (reader_definitions(reader, visit, &p) != 0)
		abort();
	p.events = 0;
	if (reader_run(reader, visit, &p) != 0)
		abort();
	fclose(out);
	return text;
}

static void check_text(struct reader *reader)
{
	size_t size = 0;
	char *text = print_all(reader, print_text, &size);

	for (size_t i = 0; i < size; i++)
		if (((uint8_t)text[i] < 0x20 && text[i] != '\n') || text[i] == 0x7f)
			abort();
	free(text);
}

static void check_json(struct reader *reader)
{
	size_t size = 0;
	char *text = print_all(reader, print_json, &size);

	for (char *line = text, *end; line < text + size; line = end + 1) {
		json_t *parsed;

		end = strchr(line, '\n');
		parsed = json_loadb(
			line, (size_t)(end - line),
			JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
		if (parsed == NULL)
			abort();
		json_decref(parsed);
	}
	free(text);
}

/* Sums over all events, the same whether blocks come in rows or one by one. */
struct sums {
	uint64_t events;
	uint64_t blocks;
};

static void add_block(struct sums *sums, const struct reader_block *block, uint64_t time_ns)
{
	const uint64_t freed = block->kind == READER_FREE;
	const uint64_t birth = freed ? 0 : block->size_bytes * 3 + block->stack * 5 + block->kind;

	sums->blocks += (++sums->events) * (block->addr + birth + block->order * 7 + time_ns * 11 +
					    block->soon + freed);
}

static int sum_event(void *context, const struct reader_event *event)
{
	struct sums *sums = context;
	const struct pmt_record *record = &event->record;
	struct reader_block block = {.order = event->order, .soon = event->soon};

	if (record->type == PMT_REC_alloc) {
		block.addr = record->alloc.addr;
		block.size_bytes = record->alloc.size;
		block.stack = record->alloc.stack;
		block.kind = (uint32_t)record->alloc.allocator;
	} else if (record->type == PMT_REC_free) {
		block.addr = record->free.addr;
		block.kind = READER_FREE;
	} else {
		sums->events++;
		return 0;
	}
	add_block(sums, &block, event->time_ns);
	return 0;
}

static int sum_blocks(void *context, const struct reader_blocks *blocks)
{
	for (uint32_t i = 0; i < blocks->count; i++)
		add_block(context, &blocks->blocks[i], blocks->time_ns);
	return 0;
}

static void check_rows(struct reader *reader)
{
	struct sums one = {0}, rows = {0};

	if (reader_run(reader, sum_event, &one) != 0 ||
	    reader_run_blocks(reader, sum_event, sum_blocks, &rows) != 0)
		abort();
	if (one.events != rows.events || one.blocks != rows.blocks)
		abort();
}

/* Each kind of the classic layouts: no control characters, first and last line. */
static void check_classic(struct reader *reader)
{
	for (int kind = CLASSIC_PROFILE; kind <= CLASSIC_OBJECTS; kind++) {
		const struct classic_options options = {.kind = kind,
							.clock = CLASSIC_WALL,
							.trigger = kind == CLASSIC_TRACE ? 4096 : 0,
							.builtin = true,
							.filter = {.thread = FILTER_ALL_THREADS}};
		char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);

		/* Not 0 for a log that was traced without such events. */
		if (classic_print(out, reader, &options) < 0)
			abort();
		fclose(out);
		for (size_t i = 0; i < size; i++)
			if (((uint8_t)text[i] < 0x20 && text[i] != '\n') || text[i] == 0x7f)
				abort();
		if (memcmp(text, "SOF\nHDR: ", 9) != 0 ||
		    memcmp(text + size - 5, "\nEOF\n", 5) != 0)
			abort();
		free(text);
	}
}

static bool same(const struct call_amount *a, const struct call_amount *b)
{
	return a->grown == b->grown && a->shrunk == b->shrunk && a->time_ns == b->time_ns;
}

/* The whole is the sum of the parts, modulo 2^64. */
static void check_sums(const struct calls *calls)
{
	const struct call_amount *total = &calls->total;
	struct call_amount own = {0};

	for (uint32_t i = 0; i <= calls->names.count; i++)
		call_amount_add(&own, &calls->functions[i].own);
	if (!same(&own, total) || !same(&calls->tree.nodes[0].all, total))
		abort();
	if (total->grown - total->shrunk !=
	    calls->processes[0].last_bytes - calls->processes[0].first_bytes)
		abort();
}

static void check_calls(struct reader *reader)
{
	const struct calls_options options = {.tree = true,
					      .filter = {.thread = FILTER_ALL_THREADS},
					      .limit = EVENTS_MAX,
					      .depth = UINT64_MAX};
	struct calls calls;
	char *text = NULL;
	size_t size = 0;

	calls_init(&calls, &options);
	if (calls_read(&calls, reader) != 0)
		abort();
	calltree_finish(&calls.tree);
	check_sums(&calls);
	FILE *saved = stdout;

	stdout = open_memstream(&text, &size);
	calls_print(&calls);
	fclose(stdout);
	stdout = saved;
	for (size_t i = 0; i < size; i++)
		if (((uint8_t)text[i] < 0x20 && text[i] != '\n') || text[i] == 0x7f)
			abort();
	free(text);
	calls_fini(&calls);
}

struct counting {
	struct pyevents events;
	uint64_t count;
};

static int count_event(void *context, const struct reader_event *event)
{
	struct counting *c = context;

	c->count += reader_is_python_event(event->record.type);
	pyevents_add(&c->events, event);
	return 0;
}

static void check_counts(struct reader *reader)
{
	struct counting c = {.count = 0};
	char *text;

	if (reader_run(reader, count_event, &c) != 0 || pyevents_count(&c.events) != c.count)
		abort();
	json_t *json = pyevents_json(&c.events, reader);

	text = json_dumps(json, JSON_ENCODE_ANY);
	if (text == NULL)
		abort();
	free(text);
	json_decref(json);
	pyevents_fini(&c.events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader *reader;

	if (size == 0)
		return 0;
	if (data[0] & 1)
		make_chunks(data + 1, size - 1);
	else
		make_file(data + 1, size - 1);
	struct readlog log = readlog_create(file.bytes, file.size);

	FILE *saved = fuzz_quiet();
	int rc = reader_open(log.path, &reader);

	fuzz_loud(saved);
	if (rc == 0) {
		check_text(reader);
		check_json(reader);
		check_rows(reader);
		check_classic(reader);
		check_calls(reader);
		check_counts(reader);
		reader_close(reader);
	}
	readlog_destroy(&log);
	return 0;
}
