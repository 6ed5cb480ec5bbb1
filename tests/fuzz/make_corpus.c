/* SPDX-License-Identifier: MIT */
/*
 * Writes the seeds of tests/fuzz/corpus/reader: one input for each type of record, with the
 * definitions that it needs, and a whole small log. Usage: make_corpus FOLDER
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "logwriter.h"

static const char *folder;

static void save(const char *name, const void *data, size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "wb");
	if (file == NULL || fwrite(data, size, 1, file) != 1 || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

/* Add a chunk to an input: head, then the records up to END. Returns the end. */
static uint8_t *chunk(uint8_t *to, unsigned flags, unsigned slot, const struct pmt_chunk *from)
{
	to[0] = (uint8_t)flags;
	to[1] = (uint8_t)slot;
	to[2] = (uint8_t)from->committed;
	to[3] = (uint8_t)(from->committed >> 8);
	memcpy(to + 4, from + 1, from->committed);
	return to + 4 + from->committed;
}

/* Flags of a chunk in an input, see fuzz_reader.c. */
static unsigned flags_of(unsigned kind)
{
	if (kind == PMT_CHUNK_TOTALS)
		return 18;
	return kind == PMT_CHUNK_FOLD ? 10 : kind == PMT_CHUNK_DEFINITIONS ? 3 : 2;
}

/* The chunks of a log as an input: definitions are in the first one. */
static void save_log(struct logwriter *w, const char *name)
{
	static uint8_t input[1 << 20];
	uint8_t *end = input + 1;
	size_t size;

	logwriter_finish(w, PMT_STATE_CLOSED);
	uint8_t *data = logwriter_data(w, &size);

	input[0] = 1;
	for (size_t at = PMT_HEADER_BYTES; at < size; at += PMT_CHUNK_BYTES_MIN) {
		const struct pmt_chunk *from = (const struct pmt_chunk *)(data + at);

		end = chunk(end, flags_of(from->kind), from->slot, from);
	}
	save(name, input, (size_t)(end - input));
	free(data);
	logwriter_destroy(w);
}

static struct logwriter *begin(void)
{
	struct logwriter *w = logwriter_create(PMT_CHUNK_BYTES_MIN);
	static const char lnotab[] = "\0\1\4\2", lines310[] = "\4\1\2\200", places[] = "\370\351\6";
	const struct log_table tables[] = {
		{PMT_LINETABLE_LNOTAB, lnotab, 4},
		{PMT_LINETABLE_LINETABLE310, lines310, 4},
		{PMT_LINETABLE_LOCATIONS, places, 3},
	};
	uint64_t stack = 0;

	for (size_t i = 0; i < 3; i++)
		stack = log_frame(w, stack, log_code_table(w, "f", "a.py", 9, &tables[i]), i + 1);
	log_frame(w, stack, 0, 0);
	return w;
}

#define SEED(name, ...)                                                                            \
	do {                                                                                       \
		struct logwriter *w = begin();                                                     \
                                                                                                   \
		log_thread(w, 1, 1, 10);                                                           \
		log_put_long(w, 1, 8, name, __VA_ARGS__);                                          \
		save_log(w, #name);                                                                \
	} while (0)

static void each_record(void)
{
	static const uint8_t text[] = "\xff\"\\\033x";

	SEED(time, 0, .time_ns = LOGWRITER_START_NS + 5);
	SEED(order, 0, .order = 3);
	SEED(alloc, 1, .addr = 4096, .size = 10, .stack = 4);
	SEED(free, 0, .addr = 4096);
	SEED(realloc, 0, .old_addr = 4096, .addr = 8192, .size = 20, .stack = 2);
	SEED(mmap, 0, .addr = 1 << 20, .size = 4096, .prot = 7, .flags = 0x22, .stack = 1);
	SEED(munmap, 0, .addr = 1 << 20, .size = 4096);
	SEED(mremap, 0, .old_addr = 1 << 20, .old_size = 4096, .addr = 1 << 21, .size = 8192);
	SEED(thread_name, 0, .thread = 1, .name = {text, 5});
	SEED(rss, 0, .resident = 1 << 20, .shared = 4096, .own = 100, .repeats = 3);
	SEED(rss_detail, 0, .anon = 5, .file = 6, .peak = 9);
	SEED(lost, 0, .count = 3, .reason = 1);
	SEED(mark, 0, .text = {text, 5});
	SEED(process, 0, .what = 2, .value = 77);
	SEED(birth, 0, .back = 2);
	SEED(soon, 1, .distance = 1);
	SEED(resident, 0, .resident = 1 << 20);
	SEED(skipped, 1, .previous = 1, .count = 9);
	SEED(pyevent, 0, .code = 3, .position = 2);
	SEED(c_event, 0, .code = 2, .position = 1, .function = 1);
	SEED(line, 0, .code = 1, .line = 12);
	SEED(create, 0, .addr = 4096, .type = 1, .size = 16, .stack = 2);
	SEED(destroy, 1, .inferred = 1, .addr = 4096, .type = 1, .stack = 2);
	SEED(events_begin, 0, .stack = 4, .traced = 0x3f0);
	SEED(notice, 0, .what = 1, .text = {text, 5});
	SEED(memory, 0, .uss = 4096, .peak = 1 << 20);
	SEED(folded, 0, .stack = 3, .allocator = 1, .count0 = 2, .bytes0 = 99, .count = 1);
}

static void whole_log(void)
{
	struct logwriter *w = begin();
	size_t size;

	log_mark(w, 1, "x");
	log_mark(w, 2, "y");
	logwriter_finish(w, PMT_STATE_OPEN);
	uint8_t *data = logwriter_data(w, &size);
	/* cut behind the last record, so that the stored input is small */
	size_t last = PMT_HEADER_BYTES + 2 * PMT_CHUNK_BYTES_MIN;
	size_t used = ((const struct pmt_chunk *)(data + last))->committed;
	uint8_t *input = calloc(1, size + 1);

	size = last + sizeof(struct pmt_chunk) + used;
	memcpy(input + 1, data, size);
	save("file", input, size + 1);
	free(input);
	free(data);
	logwriter_destroy(w);
}

/* Fold chunks of two slots; the last record of the first is that of a block that it holds. */
static void folds(void)
{
	struct logwriter *w = begin();
	const struct pmt_fold_block blocks[2] = {{4096, 0, 10, 4, 7, 1}, {8192, 1, 20, 0, 8, 0}};
	const struct pmt_fold_site sites[2] = {
		{pmt_fold_key(4, 1), {pmt_fold_word(1, 10), 0, 0}},
		{pmt_fold_key(0, 0), {0, pmt_fold_word(2, 7), pmt_fold_word(1, 1)}},
	};
	struct pmt_fold fold = {
		.slot = 1, .blocks = 2, .sites = 2, .journal = pmt_fold_journal(8, 3)};

	log_put(w, 1, birth, 0, .back = 0);
	log_put(w, 1, alloc, 1, .addr = 4096, .size = 10, .stack = 4);
	log_put(w, 2, soon, 0, .distance = 0);
	log_put(w, 2, free, 0, .addr = 8192);
	log_fold(w, 3, &fold, blocks, sites);
	fold.slot = 2;
	fold.blocks = 1;
	log_fold(w, 4, &fold, blocks, sites);
	save_log(w, "folds");
}

/* Totals in two chunks; events of two slots, one of them dropped. */
static void totals(void)
{
	struct logwriter *w = begin();
	const struct pmt_totals_site sites[3] = {
		{4, 1, {4, 5}, {{3, 30}, {4, 40}}},
		{2, 0, {6, 2}, {{9, 90}, {1, 10}}},
		{0, 17, {5, 0}, {{1, 1}, {0, 0}}},
	};
	struct pmt_totals head = {.dropped = 5, .sites = 2};

	head.numbers[1] = (struct pmt_totals_numbers){.time_ns = LOGWRITER_START_NS + 9,
						      .order = 3,
						      .frees = 2,
						      .slot = 2,
						      .frees_from = PMT_TOTALS_FREES_MORE};
	log_put(w, 1, order, 0, .order = 3);
	log_put(w, 1, alloc, 1, .addr = 4096, .size = 10, .stack = 4);
	log_put(w, 2, free, 0, .addr = 8192);
	log_totals(w, 3, &head, sites);
	head.sites = 1;
	log_totals(w, 3, &head, sites + 2);
	save_log(w, "totals");
}

/* Calls of two threads that do not fit together, and objects. */
static void calls(void)
{
	struct logwriter *w = begin();
	const uint64_t name = log_string(w, "len"), type = log_string(w, "W");

	log_put(w, LOGWRITER_DEFINITIONS, c_function, 0, .id = 1, .name = name);
	log_put(w, LOGWRITER_DEFINITIONS, object_type, 0, .id = 1, .name = type);
	log_put(w, 1, events_begin, 0, .stack = 3, .traced = 0x3f0);
	for (uint32_t i = 0; i < 60; i++) {
		const uint32_t slot = 1 + i * 5 % 3 / 2, r = i * 7 % 11;

		log_put(w, slot, time, 0, .time_ns = LOGWRITER_START_NS + i / 4);
		log_put(w, slot, resident, 0, .resident = (100 + i * 13 % 17) << 12);
		if (i % 9 == 8)
			log_put(w, slot, skipped, 1, .previous = 1, .count = i);
		if (r < 8)
			log_put(w, slot, pyevent, r, .code = i * 3 % 4, .position = i % 5);
		else if (r == 8)
			log_put(w, slot, c_event, i % 3, .code = 2, .position = 1, .function = 1);
		else if (r == 9)
			log_put(w, slot, line, 0, .code = 1, .line = i);
		else if (i % 2 == 0)
			log_put(w, slot, create, 0, .addr = 4096, .type = 1, .stack = 2);
		else
			log_put(w, slot, destroy, 0, .addr = 4096, .type = 1, .stack = 2);
	}
	save_log(w, "calls");
}

static void many_slots(void)
{
	struct logwriter *w = begin();

	for (uint32_t i = 0; i < 60; i++) {
		uint32_t slot = 1 + i * 7 % 5;

		log_put(w, slot, time, 0, .time_ns = LOGWRITER_START_NS + i / 7);
		log_put(w, slot, order, 0, .order = i / 3);
		log_put(w, slot, alloc, i % 9, .addr = i * 48, .size = i, .stack = i % 6);
	}
	save_log(w, "slots");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	folder = argv[1];
	each_record();
	whole_log();
	folds();
	totals();
	calls();
	many_slots();
	return 0;
}
