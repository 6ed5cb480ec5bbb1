/* SPDX-License-Identifier: MIT */
/*
 * Made the logs in tests/golden/logs: makegolden FOLDER. Stored logs are never made anew: they
 * stand for what programs of their version wrote. A later version adds its own.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "logwriter.h"

#define CHUNK PMT_CHUNK_BYTES_MIN

static const char *folder;

static void save(const char *name, const void *data, size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "wb");
	if (file == NULL || (size != 0 && fwrite(data, size, 1, file) != 1) || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

static void put_heap_events(struct logwriter *w, uint32_t slot, uint64_t stack)
{
	log_put(w, slot, alloc, PMT_ALLOCATOR_MALLOC, .addr = 0x7f0000001000, .size = 100,
		.stack = stack);
	log_put(w, slot, alloc, PMT_ALLOCATOR_POSIX_MEMALIGN, .addr = 0x7f0000002001, .size = 0,
		.stack = 0);
	log_put(w, slot, realloc, PMT_REALLOCATOR_REALLOCARRAY, .old_addr = 0x7f0000001000,
		.addr = 0x7f0000003000, .size = 1ULL << 40, .stack = stack + 1);
	log_put(w, slot, free, PMT_DEALLOCATOR_FREE, .addr = 0x7f0000003000);
	log_put(w, slot, free, PMT_DEALLOCATOR_FREE_SIZED, .addr = 0x10);
	log_put(w, slot, alloc, 31, .addr = 0x20, .size = 1, .stack = 999);
}

static void put_mapping_events(struct logwriter *w, uint32_t slot, uint64_t stack)
{
	log_put(w, slot, mmap, 0, .addr = 0x7f1000000000, .size = 1 << 20, .prot = 3, .flags = 0x22,
		.stack = stack);
	log_put(w, slot, mmap, 0, .addr = 0x7f1000100000, .size = 4096, .prot = 0x1000005,
		.flags = 0x4000012, .offset = 8192, .stack = 0);
	log_put(w, slot, mremap, 0, .old_addr = 0x7f1000000000, .old_size = 1 << 20,
		.addr = 0x7f2000000000, .size = 2 << 20, .flags = 1, .stack = stack);
	log_put(w, slot, munmap, 0, .addr = 0x7f2000000000, .size = 4096);
}

static void put_other_events(struct logwriter *w, uint32_t slot)
{
	log_put(w, slot, rss, 0, .resident = 50 << 20, .shared = 10 << 20, .own = 1 << 20,
		.repeats = 2);
	log_put(w, slot, rss_detail, 0, .anon = 40 << 20, .file = 9 << 20, .shmem = 1 << 20,
		.swap = 4096, .hugetlb = 2 << 20, .peak = 60 << 20);
	log_put(w, slot, lost, 0, .count = 5, .reason = PMT_LOST_MEMORY);
	log_put(w, slot, lost, 0, .count = 1, .reason = 77);
	log_put(w, slot, process, 0, .what = PMT_LIFE_FORK, .value = 4321);
	log_thread_name(w, slot, 1, "MainThread\033[31m");
	log_mark(w, slot, "line\none \"quoted\" \\ \xff\xe2\x80\xae tab\t\x7f");
}

/* The stacks of all logs: f < g < left-out frames < h, with line tables of all kinds. Returns f's.
 */
static uint64_t put_stacks(struct logwriter *w)
{
	static const char lnotab[] = "\0\1\4\2\4\377", lines310[] = "\4\1\2\200\4\1",
			  places[] = "\370\351\6\330\1\2";
	const struct log_table tables[] = {
		{PMT_LINETABLE_LNOTAB, lnotab, sizeof(lnotab) - 1},
		{PMT_LINETABLE_LINETABLE310, lines310, sizeof(lines310) - 1},
		{PMT_LINETABLE_LOCATIONS, places, sizeof(places) - 1},
	};
	static char long_name[1000];

	memset(long_name, 'n', sizeof(long_name) - 1);
	uint64_t h =
		log_frame(w, 0, log_code_table(w, "<module>", "/srv/app.py", 1, &tables[0]), 3);
	uint64_t left_out = log_frame(w, h, 0, 0);
	uint64_t g = log_frame(
		w, left_out,
		log_code_table(w, "g\033]0;x\007", "dir with space/é.py", 10, &tables[1]), 4);
	uint64_t f = log_frame(w, g, log_code_table(w, long_name, "<string>", 20, &tables[2]), 2);

	log_frame(w, f, log_code(w, "<lambda>", "\xff.py", 7), 0);
	return f;
}

static struct logwriter *begin(void)
{
	struct logwriter *w = logwriter_create(CHUNK);

	logwriter_text(w, PMT_TEXT_COMMAND, "python3\0app.py\0--name=x\ny\0\xff", 28);
	logwriter_text(w, PMT_TEXT_EXECUTABLE, "/usr/bin/python3.13", 19);
	logwriter_text(w, PMT_TEXT_PYTHON, "3.13.0 (main) [GCC 12.2.0]", 26);
	logwriter_text(w, PMT_TEXT_TRACER, "0.1.0", 5);
	logwriter_text(w, PMT_TEXT_SYSTEM, "Linux 6.1 x86_64", 16);
	logwriter_text(w, PMT_TEXT_OPTIONS, "PYMEMTRACE_TRACE=malloc", 23);
	logwriter_text(w, PMT_TEXT_PARENT_LOG, "/tmp/parent.pmt", 15);
	return w;
}

/* Each kind of record, two threads whose events take turns. */
static struct logwriter *every_record(void)
{
	struct logwriter *w = begin();
	uint64_t stack = put_stacks(w);

	logwriter_header(w)->live.flags = 1 << PMT_FLAG_PYTHON | 1 << PMT_FLAG_FORKED;
	log_thread(w, 1, 1, 1234);
	log_thread(w, 2, 2, 1235);
	log_put(w, 1, time, 0, .time_ns = LOGWRITER_START_NS + 1500000);
	put_heap_events(w, 1, stack);
	log_put(w, 2, time, 0, .time_ns = LOGWRITER_START_NS + 1500000);
	log_put(w, 2, order, 0, .order = 1);
	put_mapping_events(w, 2, stack);
	log_put(w, 1, order, 0, .order = 2);
	log_put(w, 1, time, 0, .time_ns = LOGWRITER_START_NS + 3600 * 1000000000ULL);
	put_other_events(w, 1);
	return w;
}

/* What slot 1 of put_folded() keeps back and has counted. */
static void put_tables(struct logwriter *w, uint32_t stack)
{
	const struct pmt_fold fold = {.slot = 1,
				      .blocks = 4,
				      .sites = 2,
				      .held_peak = 3000,
				      .journal = pmt_fold_journal(12, 10)};
	const struct pmt_fold_block blocks[4] = {
		{0x7f0000001040, 4, 300, stack, 14, PMT_ALLOCATOR_MALLOC},
		{0, 2, 5, 0, 15, PMT_ALLOCATOR_MALLOC},
		{0x7f0000001080, 3, 16, stack + 1, 12, PMT_ALLOCATOR_PYOBJECT_MALLOC},
		{0x7f0000002000, 1, 24, stack, 13, PMT_ALLOCATOR_CALLOC},
	};
	const struct pmt_fold_site sites[2] = {
		{pmt_fold_key(stack + 1, PMT_ALLOCATOR_PYOBJECT_MALLOC),
		 {pmt_fold_word(7, 700), pmt_fold_word(1, 8), pmt_fold_word(2, 1 << 20)}},
		{pmt_fold_key(0, PMT_ALLOCATOR_MALLOC), {0, pmt_fold_word(5, 0), 0}},
	};

	log_fold(w, 3, &fold, blocks, sites);
}

/*
 * Two threads. The second one frees two blocks before the first one has written them: one is late
 * in the events, one is still in the tables. If the log is not closed, a block and a site have
 * just been written, and one block has just been counted.
 */
static struct logwriter *folded(void)
{
	struct logwriter *w = begin();
	uint64_t stack = put_stacks(w);

	log_thread(w, 1, 1, 1234);
	log_put(w, 1, order, 0, .order = 2);
	log_put(w, 1, birth, 0, .back = 1);
	log_put(w, 1, alloc, PMT_ALLOCATOR_MALLOC, .addr = 0x7f0000001000, .size = 100,
		.stack = stack);
	log_put(w, 1, soon, 1, .distance = 1);
	log_put(w, 1, realloc, PMT_REALLOCATOR_REALLOC, .old_addr = 0x7f0000001000,
		.addr = 0x7f0000008000, .size = 20000, .stack = stack);
	log_put(w, 1, soon, 0, .distance = 0);
	log_put(w, 1, free, PMT_DEALLOCATOR_FREE, .addr = 0x7f0000008000);
	log_thread(w, 2, 2, 1235);
	log_put(w, 2, time, 0, .time_ns = LOGWRITER_START_NS + 1500000);
	log_put(w, 2, order, 0, .order = 5);
	log_put(w, 2, free, PMT_DEALLOCATOR_FREE, .addr = 0x7f0000001040);
	log_put(w, 2, free, PMT_DEALLOCATOR_FREE, .addr = 0x7f0000009000);
	log_put(w, 1, time, 0, .time_ns = LOGWRITER_START_NS + 2500000);
	log_put(w, 1, order, 0, .order = 6);
	log_put(w, 1, birth, 0, .back = 3);
	log_put(w, 1, alloc, PMT_ALLOCATOR_MALLOC, .addr = 0x7f0000009000, .size = 8,
		.stack = stack);
	put_tables(w, (uint32_t)stack);
	return w;
}

static struct logwriter *folded_written(bool block)
{
	struct logwriter *w = folded();

	if (block) {
		log_put(w, 1, birth, 0, .back = 5);
		log_put(w, 1, alloc, PMT_ALLOCATOR_CALLOC, .addr = 0x7f0000002000, .size = 24,
			.stack = 4);
	} else {
		log_put(w, 1, folded, 0, .stack = 0, .allocator = PMT_ALLOCATOR_MALLOC,
			.count1 = 5);
	}
	return w;
}

/* Two censuses, of a snapshot and of the end. */
static struct logwriter *with_census(void)
{
	static const struct log_block blocks[] = {
		{0x7f0000001000, 1},   {0x7f0000001010, 3}, {0x7f0000001030, 3},
		{0x7f0000002000, 300}, {0x7f0000100000, 2},
	};
	static const struct pmt_type_name names[] = {
		{1, PMT_TYPEKIND_NONE, 1, {NULL, 0}, {NULL, 0}},
		{2, PMT_TYPEKIND_FREE, 1, {NULL, 0}, {NULL, 0}},
		{3,
		 PMT_TYPEKIND_OBJECT,
		 2,
		 {(const uint8_t *)"builtins", 8},
		 {(const uint8_t *)"str", 3}},
		{300, 99, 1, {(const uint8_t *)"m\033[0m", 5}, {(const uint8_t *)"\xffO.\"I\n", 6}},
	};
	struct logwriter *w = begin();
	uint64_t stack = put_stacks(w);

	log_thread(w, 1, 1, 1234);
	log_put(w, 1, time, 0, .time_ns = LOGWRITER_START_NS + 1500000);
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		log_put(w, 1, alloc, PMT_ALLOCATOR_PYOBJECT_MALLOC, .addr = blocks[i].addr,
			.size = 10 + i, .stack = stack);
	for (uint64_t number = 1; number <= 2; number++) {
		log_census(w, 1, number, number == 1 ? PMT_MOMENT_SNAPSHOT : PMT_MOMENT_END,
			   number == 1 ? "after\tload \xff" : "");
		log_type_live(w, 1, number, blocks, 4);
		log_type_live(w, 1, number, blocks + 4, 1);
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			log_type_name(w, 1, &names[i]);
	}
	return w;
}

/*
 * A log that reached its size limit: the totals are as of chunk 6, which is still there; a site has
 * the number 7 of a chunk that was being dropped when the process was killed.
 */
static struct logwriter *recycled(void)
{
	struct logwriter *w = begin();
	uint64_t stack = put_stacks(w);
	const struct pmt_totals_site sites[3] = {
		{(uint32_t)stack, PMT_ALLOCATOR_MALLOC, {5, 6}, {{10, 1000}, {12, 1200}}},
		{(uint32_t)stack, PMT_ALLOCATOR_CALLOC, {7, 4}, {{9, 900}, {3, 300}}},
		{0, PMT_ALLOCATOR_REALLOC, {7, 0}, {{1, 50}, {0, 0}}},
	};
	struct pmt_totals totals = {.dropped = 6, .sites = 3};

	totals.numbers[0] = (struct pmt_totals_numbers){
		.time_ns = LOGWRITER_START_NS + 1500,
		.order = 4,
		.frees = 11,
		.others = 2,
		.slot = 1,
		.frees_from = PMT_TOTALS_FREES_MORE,
	};
	totals.numbers[1] = (struct pmt_totals_numbers){.frees = 99, .slot = 2, .sequence = 77};
	log_thread(w, 1, 1, 1234);
	log_put(w, 1, alloc, PMT_ALLOCATOR_MALLOC, .addr = 0x7f0000001000, .size = 100,
		.stack = stack);
	logwriter_seal(w, 1);
	log_put(w, 1, alloc, PMT_ALLOCATOR_MALLOC, .addr = 0x7f0000002000, .size = 200,
		.stack = stack);
	log_put(w, 1, free, PMT_DEALLOCATOR_FREE, .addr = 0x7f0000001000);
	log_put(w, 1, time, 0, .time_ns = LOGWRITER_START_NS + 2000);
	log_put(w, 1, alloc, PMT_ALLOCATOR_CALLOC, .addr = 0x7f0000003000, .size = 300,
		.stack = stack);
	log_totals(w, 2, &totals, sites);
	return w;
}

/* An account of the resident set: later than the records of every_record(). */
static struct logwriter *with_account(void)
{
	struct logwriter *w = begin();

	log_thread(w, 1, 1, 1234);
	log_put(w, 1, time, 0, .time_ns = LOGWRITER_START_NS + 1500000);
	log_put(w, 1, alloc, PMT_ALLOCATOR_MALLOC, .addr = 0x5000010, .size = 1000);
	for (unsigned kind = 0; kind <= PMT_MEMORY_OWN; kind++)
		log_put(w, 1, account_range, 0, .account = 1, .kind = kind,
			.addr = kind == PMT_MEMORY_HEAP ? 0x5000000 : 0, .size = 1 << 20,
			.resident = 4096 * kind, .swap = kind);
	log_put(w, 1, account, 0, .number = 1, .reason = PMT_ACCOUNTREASON_END,
		.resident = 4096 * 80, .cost_ns = 600000, .malloc = PMT_MALLOCSTATE_KNOWN,
		.malloc_arena = 1 << 20, .malloc_used = 1016, .malloc_free = (1 << 20) - 1016,
		.malloc_top = 4096);
	return w;
}

/* The log as a file; CHANGE, if not NULL, has a go at it before the header gets its checksum. */
static void save_log(struct logwriter *w, const char *name, unsigned state,
		     size_t (*change)(uint8_t *data, size_t size))
{
	size_t size;

	logwriter_finish(w, state);
	uint8_t *data = logwriter_data(w, &size);

	if (change != NULL)
		size = change(data, size);
	save(name, data, size);
	free(data);
	logwriter_destroy(w);
}

static void set_header(uint8_t *data, void (*set)(struct pmt_header *h))
{
	struct pmt_header *h = (struct pmt_header *)data;

	set(h);
	h->checksum = pmt_header_checksum(h);
}

static void set_later_minor(struct pmt_header *h)
{
	h->version_minor = 9;
	h->features_compatible = 1ULL << 40;
}

/* A later minor version: a record, a field and a flag that are not known. */
static size_t later_minor(uint8_t *data, size_t size)
{
	static const uint8_t records[] = {0x7e, 0x83, 0, 1, 2, 3, PMT_TAG_lost, 0x83, 0, 2, 0, 9};
	struct pmt_chunk *chunk = (struct pmt_chunk *)(data + size - CHUNK);

	memcpy((uint8_t *)(chunk + 1) + chunk->committed, records, sizeof(records));
	chunk->committed += sizeof(records);
	chunk->checksum = pmt_chunk_checksum(chunk);
	set_header(data, set_later_minor);
	return size;
}

/* As later_minor(), with unknown records whose tags have the top bit set. */
static size_t later_tags(uint8_t *data, size_t size)
{
	static const uint8_t records[] = {0x80, 0x80, 0, 0xff, 0x82, 0, 1, 2, 0xa5, 0x81, 1};
	struct pmt_chunk *chunk = (struct pmt_chunk *)(data + size - CHUNK);
	uint8_t *end = (uint8_t *)(chunk + 1) + chunk->committed;

	memcpy(end, records, sizeof(records));
	memset(end + sizeof(records), 0xee, 129); /* the payload of the last one */
	chunk->committed += sizeof(records) + 129;
	chunk->checksum = pmt_chunk_checksum(chunk);
	return later_minor(data, size);
}

static void set_major(struct pmt_header *h)
{
	h->version_major = 2;
	h->version_minor = 3;
}

static size_t later_major(uint8_t *data, size_t size)
{
	set_header(data, set_major);
	return size < PMT_HEADER_BYTES ? size : PMT_HEADER_BYTES;
}

static void set_feature(struct pmt_header *h)
{
	h->features_incompatible = 1ULL << 5;
}

static size_t unknown_feature(uint8_t *data, size_t size)
{
	set_header(data, set_feature);
	return size < PMT_HEADER_BYTES ? size : PMT_HEADER_BYTES;
}

static size_t header_damaged(uint8_t *data, size_t size)
{
	data[offsetof(struct pmt_header, pid)] ^= 1;
	return size < PMT_HEADER_BYTES ? size : PMT_HEADER_BYTES;
}

static size_t chunk_damaged(uint8_t *data, size_t size)
{
	data[PMT_HEADER_BYTES + CHUNK + sizeof(struct pmt_chunk) + 20] ^= 1;
	return size;
}

/* Cut within the last records of the last chunk. */
static size_t cut(uint8_t *data, size_t size)
{
	const struct pmt_chunk *chunk = (const struct pmt_chunk *)(data + size - CHUNK);

	return size - CHUNK + sizeof(*chunk) + chunk->committed - 30;
}

/* More blocks than a chunk could hold. */
static size_t fold_sizes(uint8_t *data, size_t size)
{
	struct pmt_chunk *chunk = (struct pmt_chunk *)(data + size - CHUNK);
	struct pmt_fold *fold = (struct pmt_fold *)(chunk + 1);

	fold->blocks = UINT32_MAX;
	chunk->checksum = pmt_chunk_checksum(chunk);
	return size;
}

/* More sites than a chunk could hold. */
static size_t totals_sizes(uint8_t *data, size_t size)
{
	struct pmt_chunk *chunk = (struct pmt_chunk *)(data + size - CHUNK);
	struct pmt_totals *totals = (struct pmt_totals *)(chunk + 1);

	totals->sites = UINT32_MAX;
	chunk->checksum = pmt_chunk_checksum(chunk);
	return size;
}

static size_t cut_in_header(uint8_t *data, size_t size)
{
	(void)data;
	return size < 1000 ? size : 1000;
}

/* As after a kill: the last record is half there, behind what is committed. */
static size_t half_record(uint8_t *data, size_t size)
{
	struct pmt_chunk *chunk = (struct pmt_chunk *)(data + size - CHUNK);

	memset((uint8_t *)(chunk + 1) + chunk->committed, 0x40, 1);
	return size;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	folder = argv[1];
	save_log(every_record(), "good-every-record.pmt", PMT_STATE_CLOSED, NULL);
	save_log(every_record(), "good-killed.pmt", PMT_STATE_OPEN, half_record);
	save_log(every_record(), "good-later-minor.pmt", PMT_STATE_CLOSED, later_minor);
	save_log(every_record(), "good-later-tags.pmt", PMT_STATE_CLOSED, later_tags);
	save_log(with_account(), "good-account.pmt", PMT_STATE_CLOSED, NULL);
	save_log(begin(), "good-no-events.pmt", PMT_STATE_CLOSED, NULL);
	save_log(begin(), "bad-later-major.pmt", PMT_STATE_CLOSED, later_major);
	save_log(begin(), "bad-unknown-feature.pmt", PMT_STATE_CLOSED, unknown_feature);
	save_log(begin(), "bad-header-damaged.pmt", PMT_STATE_CLOSED, header_damaged);
	save_log(every_record(), "bad-chunk-damaged.pmt", PMT_STATE_CLOSED, chunk_damaged);
	save_log(every_record(), "bad-cut.pmt", PMT_STATE_CLOSED, cut);
	save_log(begin(), "bad-cut-in-header.pmt", PMT_STATE_CLOSED, cut_in_header);
	save_log(with_census(), "good-census.pmt", PMT_STATE_CLOSED, NULL);
	save_log(folded(), "good-folded.pmt", PMT_STATE_CLOSED, NULL);
	save_log(folded_written(true), "good-folded-killed-block.pmt", PMT_STATE_OPEN, NULL);
	save_log(folded_written(false), "good-folded-killed-site.pmt", PMT_STATE_OPEN, NULL);
	save_log(recycled(), "good-recycled-killed.pmt", PMT_STATE_OPEN, NULL);
	save_log(recycled(), "bad-totals-sizes.pmt", PMT_STATE_CLOSED, totals_sizes);
	save_log(folded(), "bad-fold-sizes.pmt", PMT_STATE_CLOSED, fold_sizes);
	save("bad-empty.pmt", "", 0);
	save("bad-not-a-log.pmt", "#!/bin/sh\necho hello\n", 21);
	return 0;
}
