/* SPDX-License-Identifier: MIT */
/* Logs that reached their size limit: totals chunks by hand, good and hostile, and their replay. */
#include <stdlib.h>

#include "check.h"
#include "dropped.h"
#include "logwriter.h"
#include "readlog.h"
#include "replay.h"

enum { CHUNK = PMT_CHUNK_BYTES_MIN, TOTALS_SLOT = 9 };

/* Change a finished log before it is read. NULL: nothing. */
typedef void (*change)(uint8_t *data, size_t size);

static struct reader *open_log(struct logwriter *w, unsigned state, change how)
{
	struct reader *reader = NULL;
	size_t size;

	logwriter_finish(w, state);
	uint8_t *data = logwriter_data(w, &size);

	if (how != NULL)
		how(data, size);
	struct readlog file = readlog_create(data, size);

	CHECK_EQ(reader_open(file.path, &reader), 0);
	readlog_destroy(&file);
	free(data);
	logwriter_destroy(w);
	return reader;
}

static struct pmt_chunk *chunk_of(uint8_t *data, size_t size, unsigned kind)
{
	for (size_t at = PMT_HEADER_BYTES; at < size; at += CHUNK) {
		struct pmt_chunk *chunk = (struct pmt_chunk *)(data + at);

		if (chunk->kind == kind)
			return chunk;
	}
	abort();
}

static struct pmt_totals head(uint64_t dropped, uint32_t sites)
{
	struct pmt_totals totals = {.dropped = dropped, .sites = sites};

	totals.numbers[dropped & 1] = (struct pmt_totals_numbers){
		.time_ns = LOGWRITER_START_NS + 100,
		.order = 5,
		.frees = 7,
		.others = 2,
		.reallocs = 1,
		.slot = UINT32_MAX,
		.frees_from = PMT_TOTALS_FREES_MORE,
	};
	totals.numbers[~dropped & 1].frees = 1000;
	return totals;
}

static const struct pmt_totals_site sites[] = {
	{3, 1, {4, 5}, {{1, 10}, {2, 20}}}, /* the second half */
	{4, 0, {5, 4}, {{3, 30}, {9, 90}}}, /* the first */
	{5, 2, {6, 3}, {{9, 90}, {4, 40}}}, /* the second: 6 was under way */
	{6, 2, {6, 0}, {{9, 90}, {0, 0}}},  /* none */
	{7, 2, {0, 0}, {{9, 90}, {9, 90}}}, /* none */
};

static void halves(void)
{
	struct logwriter *w = logwriter_create(CHUNK);
	const struct pmt_totals totals = head(5, 5);

	log_thread(w, 1, 1, 10);
	log_totals(w, TOTALS_SLOT, &totals, sites);
	struct reader *reader = open_log(w, PMT_STATE_CLOSED, NULL);
	const struct dropped *dropped = reader_dropped(reader);

	CHECK_EQ(dropped->chunks, 5);
	CHECK_EQ(dropped->count, 3);
	for (size_t i = 0; i < 3 && i < dropped->count; i++) {
		CHECK_EQ(dropped->sites[i].stack, 3 + i);
		CHECK_EQ(dropped->sites[i].count, 2 + i);
		CHECK_EQ(dropped->sites[i].bytes, 20 + 10 * i);
	}
	CHECK_EQ(dropped->sites[0].allocator, 1);
	CHECK_EQ(dropped->numbers.frees, 7);
	CHECK_EQ(dropped->events, 9 + 7 + 2 - 1);
	CHECK_EQ(reader_damage(reader)->chunks_damaged, 0);
	reader_close(reader);
}

static void several_chunks(void)
{
	struct logwriter *w = logwriter_create(CHUNK);
	struct pmt_totals totals = head(5, 2);

	log_totals(w, TOTALS_SLOT, &totals, sites);
	totals.sites = 1;
	totals.dropped = 99; /* only the first chunk's counts */
	log_totals(w, TOTALS_SLOT, &totals, sites + 2);
	struct reader *reader = open_log(w, PMT_STATE_OPEN, NULL);

	CHECK_EQ(reader_dropped(reader)->chunks, 5);
	CHECK_EQ(reader_dropped(reader)->count, 3);
	CHECK_EQ(reader_dropped(reader)->sites[2].count, 4);
	reader_close(reader);
}

static void nothing_dropped(void)
{
	struct logwriter *w = logwriter_create(CHUNK);
	struct pmt_totals totals = head(0, 5);

	log_totals(w, TOTALS_SLOT, &totals, sites);
	struct reader *reader = open_log(w, PMT_STATE_OPEN, NULL);

	CHECK(reader_dropped(reader) == NULL);
	CHECK_EQ(reader_damage(reader)->chunks_damaged, 0);
	reader_close(reader);
}

/* --- the chunks of events --- */

static int count_event(void *context, const struct reader_event *event)
{
	(void)event;
	++*(unsigned *)context;
	return 0;
}

/* Three chunks in slot 1, of one, two and four events. */
static struct logwriter *three_chunks(uint32_t last_sequence)
{
	struct logwriter *w = logwriter_create(CHUNK);
	struct pmt_totals totals = head(5, 5);

	totals.numbers[1].slot = 1;
	totals.numbers[1].sequence = last_sequence;
	for (uint64_t i = 0; i < 7; i++) {
		if (i == 1 || i == 3)
			logwriter_seal(w, 1);
		log_put(w, 1, free, 0, .addr = 16 * (i + 1));
	}
	log_totals(w, TOTALS_SLOT, &totals, sites);
	return w;
}

static void check_events(uint32_t last_sequence, change how, unsigned events, uint64_t damaged)
{
	struct reader *reader = open_log(three_chunks(last_sequence), PMT_STATE_CLOSED, how);
	unsigned count = 0;

	CHECK_EQ(reader_run(reader, count_event, &count), 0);
	CHECK_EQ(count, events);
	CHECK_EQ(reader_damage(reader)->chunks_damaged, damaged);
	CHECK(reader_damage(reader)->truncated == false);
	reader_close(reader);
}

/* As while the process clears a chunk. */
static void clear_magic(uint8_t *data, size_t size)
{
	chunk_of(data, size, PMT_CHUNK_EVENTS)->magic = 0;
}

static void clear_all(uint8_t *data, size_t size)
{
	memset(chunk_of(data, size, PMT_CHUNK_EVENTS), 0, CHUNK);
}

static void clear_second(uint8_t *data, size_t size)
{
	struct pmt_chunk *first = chunk_of(data, size, PMT_CHUNK_EVENTS);

	memset((uint8_t *)first + CHUNK, 0, CHUNK);
}

static void wrong_magic(uint8_t *data, size_t size)
{
	chunk_of(data, size, PMT_CHUNK_EVENTS)->magic ^= 1;
}

static void last_chunk_still_there(void)
{
	check_events(UINT32_MAX, NULL, 7, 0);
	check_events(0, NULL, 6, 0);
	check_events(0, clear_magic, 6, 0);
	check_events(0, clear_all, 6, 0);
	check_events(UINT32_MAX, clear_all, 6, 0);
	/* Gaps elsewhere, and other things where a chunk should be, are damage. */
	check_events(UINT32_MAX, clear_second, 5, 1);
	check_events(UINT32_MAX, wrong_magic, 6, 1);
}

/* --- hostile --- */

static void put_feature_off(uint8_t *data, size_t size)
{
	struct pmt_header *header = (struct pmt_header *)data;

	(void)size;
	header->features_incompatible &= ~PMT_FEATURE_RECYCLED;
	header->checksum = pmt_header_checksum(header);
}

static void put_sequence(uint8_t *data, size_t size)
{
	chunk_of(data, size, PMT_CHUNK_TOTALS)->sequence = 1;
}

static void put_sites(uint8_t *data, size_t size)
{
	((struct pmt_totals *)(chunk_of(data, size, PMT_CHUNK_TOTALS) + 1))->sites = UINT32_MAX;
}

static void put_short(uint8_t *data, size_t size)
{
	chunk_of(data, size, PMT_CHUNK_TOTALS)->committed = sizeof(struct pmt_totals) - 1;
}

static void no_totals(void)
{
	static const change changes[] = {put_feature_off, put_sequence, put_sites, put_short};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct logwriter *w = logwriter_create(CHUNK);
		const struct pmt_totals totals = head(5, 5);

		log_totals(w, TOTALS_SLOT, &totals, sites);
		struct reader *reader = open_log(w, PMT_STATE_OPEN, changes[i]);

		CHECK(reader_dropped(reader) == NULL);
		CHECK(reader_damage(reader)->chunks_damaged != 0);
		reader_close(reader);
	}
}

static void second_slot(void)
{
	struct logwriter *w = logwriter_create(CHUNK);
	const struct pmt_totals totals = head(5, 1), other = head(7, 3);

	log_totals(w, TOTALS_SLOT, &totals, sites);
	log_totals(w, TOTALS_SLOT + 1, &other, sites);
	struct reader *reader = open_log(w, PMT_STATE_OPEN, NULL);

	CHECK_EQ(reader_dropped(reader)->chunks, 5);
	CHECK_EQ(reader_dropped(reader)->count, 1);
	CHECK_EQ(reader_damage(reader)->chunks_damaged, 1);
	reader_close(reader);
}

static void hostile_sites(void)
{
	struct pmt_totals_site ones[2];
	struct logwriter *w = logwriter_create(CHUNK);
	struct pmt_totals totals = head(5, 2);
	struct replay replay;

	memset(ones, 0xff, sizeof(ones));
	ones[1].allocator = 31;
	ones[1].dropped[0] = 5;
	totals.numbers[1] = (struct pmt_totals_numbers){
		UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
		UINT64_MAX, 0,		0,	    UINT32_MAX, 0,	    UINT64_MAX};
	log_put(w, 1, alloc, 0, .addr = 16, .size = 1);
	log_totals(w, TOTALS_SLOT, &totals, ones);
	struct reader *reader = open_log(w, PMT_STATE_OPEN, NULL);

	replay_init(&replay, reader_header(reader));
	replay.by_stack = true;
	CHECK_EQ(replay_run(&replay, reader), 0);
	CHECK_EQ(replay.blocks.live.count, 0);
	CHECK_EQ(replay_total(&replay).bytes, 0); /* 1 more than all ones */
	replay_fini(&replay);
	reader_close(reader);
}

/* --- the replay --- */

static void block_is_trusted(void)
{
	struct dropped d = {.numbers = {.time_ns = 100, .order = 5, .frees_slot = 2}};

	CHECK(dropped_before(&d, 1, 1, 1, false)); /* no frees were dropped */
	d.numbers.frees_from = PMT_TOTALS_FREES_ONE;
	CHECK(dropped_before(&d, 1, 1, 2, false));
	CHECK(dropped_before(&d, 1, 1, 2, true));
	CHECK(!dropped_before(&d, 100, 5, 1, false));
	CHECK(dropped_before(&d, 101, 5, 1, false));
	CHECK(dropped_before(&d, 100, 6, 1, false));
	CHECK(!dropped_before(&d, 101, 5, 1, true));
	CHECK(dropped_before(&d, 101, 6, 1, true));
	d.numbers.frees_from = PMT_TOTALS_FREES_MORE;
	CHECK(!dropped_before(&d, 100, 5, 2, false));
}

static void sums(void)
{
	struct logwriter *w = logwriter_create(CHUNK);
	struct pmt_totals totals = head(5, 5);
	struct replay replay;

	totals.numbers[1].folded = 3;
	totals.numbers[1].lost = 11;
	log_thread(w, 1, 1, 10);
	log_put(w, 1, alloc, 0, .addr = 0x100, .size = 50, .stack = 4);
	log_put(w, 1, free, 0, .addr = 0x200); /* of a block that was dropped */
	log_put(w, 1, time, 0, .time_ns = LOGWRITER_START_NS + 101);
	log_put(w, 1, free, 0, .addr = 0x100); /* of one that was not live */
	log_put(w, 1, alloc, 0, .addr = 0x100, .size = 60, .stack = 4);
	log_put(w, 1, alloc, 0, .addr = 0x300, .size = 70);
	log_put(w, 1, realloc, 0, .old_addr = 0x300, .addr = 0x400, .size = 80);
	log_totals(w, TOTALS_SLOT, &totals, sites);
	struct reader *reader = open_log(w, PMT_STATE_CLOSED, NULL);

	replay_init(&replay, reader_header(reader));
	replay.by_stack = true;
	CHECK_EQ(replay_run(&replay, reader), 0);
	CHECK_EQ(replay_total(&replay).count, 9 + 4);
	CHECK_EQ(replay_total(&replay).bytes, 90 + 50 + 60 + 70 + 80);
	CHECK_EQ(replay.blocks.live.count, 2);
	CHECK_EQ(replay.blocks.live.bytes, 60 + 80);
	CHECK_EQ(replay.frees.count, 7 + 3);
	CHECK_EQ(replay.frees.dropped, 2);
	CHECK_EQ(replay.frees.unmatched, 0);
	CHECK_EQ(replay.folded.count, 3);
	CHECK_EQ(replay.lost, 11);
	CHECK_EQ(replay.events, 17 + 7);
	replay_fini(&replay);
	reader_close(reader);
}

/* Of a thread whose chunks were all dropped: the process was killed before it had a new one. */
static void fold_without_events(void)
{
	struct logwriter *w = logwriter_create(CHUNK);
	const struct pmt_fold fold = {.slot = 3, .blocks = 1, .sites = 1};
	const struct pmt_fold_block block = {0x1000, 7, 48, 0, 100, PMT_ALLOCATOR_CALLOC};
	const struct pmt_fold_site site = {pmt_fold_key(0, 1), {pmt_fold_word(1, 10), 0, 0}};
	const struct pmt_totals totals = head(5, 5);
	unsigned count = 0;

	log_thread(w, 1, 1, 10);
	log_fold(w, 2, &fold, &block, &site);
	log_totals(w, TOTALS_SLOT, &totals, sites);
	struct reader *reader = open_log(w, PMT_STATE_OPEN, NULL);

	CHECK_EQ(reader_run(reader, count_event, &count), 0);
	CHECK_EQ(count, 3);
	CHECK_EQ(reader_damage(reader)->chunks_damaged, 0);
	reader_close(reader);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"the valid half of a site", halves},
		{"several totals chunks", several_chunks},
		{"nothing was dropped yet", nothing_dropped},
		{"the last chunk is still there", last_chunk_still_there},
		{"chunks that are none of totals", no_totals},
		{"totals of two slots", second_slot},
		{"sites of ones", hostile_sites},
		{"which blocks are live", block_is_trusted},
		{"sums", sums},
		{"a fold chunk without events", fold_without_events},
		{0},
	};

	return check_run(tests);
}
