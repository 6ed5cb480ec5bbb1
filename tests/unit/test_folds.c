/* SPDX-License-Identifier: MIT */
/*
 * Logs with folding: fold chunks by hand, and random programs that a small tracer writes down
 * twice, folded and not. Both logs must give the same sums, also when the process is killed between
 * any two stores.
 */
#include <stdlib.h>

#include "check.h"
#include "early.h"
#include "logwriter.h"
#include "readlog.h"
#include "replay.h"

/* --- what a log gives --- */

static struct {
	struct reader_event events[64];
	size_t count;
} seen;

static int note(void *context, const struct reader_event *event)
{
	(void)context;
	if (seen.count < 64)
		seen.events[seen.count] = *event;
	seen.count++;
	return 0;
}

static struct reader *open_log(struct logwriter *w, unsigned state)
{
	struct reader *reader = NULL;
	size_t size;

	logwriter_finish(w, state);
	uint8_t *data = logwriter_data(w, &size);
	struct readlog file = readlog_create(data, size);

	CHECK_EQ(reader_open(file.path, &reader), 0);
	readlog_destroy(&file);
	free(data);
	logwriter_destroy(w);
	return reader;
}

static void read_log(struct logwriter *w, unsigned state, struct reader_damage *damage)
{
	struct reader *reader = open_log(w, state);

	for (int round = 0; round < 2; round++) {
		seen.count = 0;
		CHECK_EQ(reader_run(reader, note, NULL), 0);
	}
	*damage = *reader_damage(reader);
	reader_close(reader);
}

static const struct pmt_fold_site no_site;
static const struct pmt_fold_block a_block = {0x1000, 7, 48, 3, 100, PMT_ALLOCATOR_CALLOC};
static const struct pmt_fold_site a_site = {
	1ULL << 63 | (uint64_t)PMT_ALLOCATOR_CALLOC << 32 | 3,
	{2ULL << 40 | 20, 1ULL << 40 | 16, 4ULL << 40 | 4000},
};

/* A log of one thread in slot 1. */
static struct logwriter *begin(void)
{
	struct logwriter *w = logwriter_create(PMT_CHUNK_BYTES_MIN);

	log_thread(w, 1, 5, 50);
	log_put(w, 1, time, 0, .time_ns = LOGWRITER_START_NS + 70);
	log_put(w, 1, order, 0, .order = 9);
	return w;
}

static void put_one_of_each(struct logwriter *w, uint64_t journal)
{
	const struct pmt_fold fold = {
		.slot = 1, .blocks = 1, .sites = 1, .held_peak = 100, .journal = journal};

	log_fold(w, 9, &fold, &a_block, &a_site);
}

static void prefixes(void)
{
	struct logwriter *w = begin();
	struct reader_damage damage;

	log_put(w, 1, birth, 0, .back = 4);
	log_put(w, 1, alloc, 0, .addr = 16);
	log_put(w, 1, alloc, 0, .addr = 32);
	log_put(w, 1, soon, 1, .distance = 1);
	log_put(w, 1, alloc, 0, .addr = 48); /* between: the prefix is for a free */
	log_put(w, 1, free, 0, .addr = 48);
	log_put(w, 1, free, 0, .addr = 32);
	log_put(w, 1, soon, 0, .distance = 0);
	log_put(w, 1, realloc, 0, .old_addr = 16, .addr = 64);
	log_put(w, 1, birth, 0, .back = 40); /* more than there is */
	log_put(w, 1, alloc, 0, .addr = 80);
	log_put(w, 1, birth, 0, .back = 1); /* the chunk ends: it is nobody's */
	logwriter_seal(w, 1);
	log_put(w, 1, alloc, 0, .addr = 96);
	read_log(w, PMT_STATE_CLOSED, &damage);
	static const struct {
		uint64_t order;
		bool late;
		uint8_t soon;
	} want[] = {{0, false, 0}, {5, true, 0},  {9, false, 0}, {9, false, 0}, {9, false, 2},
		    {9, false, 0}, {9, false, 1}, {0, true, 0},	 {9, false, 0}};

	CHECK_EQ(seen.count, 9);
	for (size_t i = 0; i < 9; i++) {
		CHECK_EQ(seen.events[i].order, want[i].order);
		CHECK_EQ(seen.events[i].late, want[i].late);
		CHECK_EQ(seen.events[i].soon, want[i].soon);
		CHECK_EQ(seen.events[i].number, i);
	}
	CHECK_EQ(damage.records_damaged, 0);
}

static void tables_are_events(void)
{
	struct logwriter *w = begin();
	struct reader_damage damage;

	put_one_of_each(w, 0);
	log_thread(w, 2, 6, 60);
	log_put(w, 2, time, 0, .time_ns = LOGWRITER_START_NS + 90);
	log_mark(w, 2, "last");
	read_log(w, PMT_STATE_CLOSED, &damage);
	CHECK_EQ(seen.count, 5);
	const struct reader_event *site = &seen.events[3], *block = &seen.events[4];

	CHECK_EQ(site->record.type, PMT_REC_folded);
	CHECK_EQ(site->record.folded.stack, 3);
	CHECK_EQ(site->record.folded.allocator, PMT_ALLOCATOR_CALLOC);
	CHECK_EQ(site->record.folded.count0, 2);
	CHECK_EQ(site->record.folded.bytes0, 20);
	CHECK_EQ(site->record.folded.count1, 1);
	CHECK_EQ(site->record.folded.bytes1, 16);
	CHECK_EQ(site->record.folded.count, 4);
	CHECK_EQ(site->record.folded.bytes, 4000);
	CHECK_EQ(site->time_ns, LOGWRITER_START_NS + 90);
	CHECK_EQ(site->thread, 5);
	CHECK_EQ(site->slot, 1);
	CHECK(!site->late);
	CHECK_EQ(block->record.type, PMT_REC_alloc);
	CHECK_EQ(block->record.alloc.addr, 0x1000);
	CHECK_EQ(block->record.alloc.size, 48);
	CHECK_EQ(block->record.alloc.stack, 3);
	CHECK_EQ(block->record.alloc.allocator, PMT_ALLOCATOR_CALLOC);
	CHECK_EQ(block->time_ns, LOGWRITER_START_NS + 90);
	CHECK_EQ(block->order, 7);
	CHECK_EQ(block->thread, 5);
	CHECK(block->late);
	CHECK_EQ(damage.chunks_damaged, 0);
}

/* --- kills between two stores, by hand --- */

static size_t events_left(struct logwriter *w, unsigned state)
{
	struct reader_damage damage;

	read_log(w, state, &damage);
	CHECK_EQ(damage.chunks_damaged, 0);
	return seen.count;
}

/* A block that was written last: `thread`, the alloc, and one or two events of the chunk. */
static size_t after_alloc(struct pmt_alloc alloc, uint64_t back, unsigned state)
{
	struct logwriter *w = begin();

	put_one_of_each(w, 0);
	if (back != 0)
		log_put(w, 1, birth, 0, .back = back);
	pmt_put_alloc(logwriter_room(w, 1, 0), (unsigned)alloc.allocator, &alloc);
	logwriter_commit(w, 1);
	return events_left(w, state) - 2;
}

static void block_in_the_log_already(void)
{
	struct pmt_alloc alloc = {PMT_ALLOCATOR_CALLOC, 0x1000, 48, 3};

	CHECK_EQ(after_alloc(alloc, 2, PMT_STATE_OPEN), 1);
	/* Another birth; and a clean end, where tables are right as they are. */
	CHECK_EQ(after_alloc(alloc, 3, PMT_STATE_OPEN), 2);
	CHECK_EQ(after_alloc(alloc, 0, PMT_STATE_OPEN), 2);
	CHECK_EQ(after_alloc(alloc, 2, PMT_STATE_CLOSED), 2);
	alloc.addr++;
	CHECK_EQ(after_alloc(alloc, 2, PMT_STATE_OPEN), 2);
	alloc = (struct pmt_alloc){PMT_ALLOCATOR_CALLOC, 0x1000, 49, 3};
	CHECK_EQ(after_alloc(alloc, 2, PMT_STATE_OPEN), 2);
	alloc = (struct pmt_alloc){PMT_ALLOCATOR_CALLOC, 0x1000, 48, 4};
	CHECK_EQ(after_alloc(alloc, 2, PMT_STATE_OPEN), 2);
	alloc = (struct pmt_alloc){PMT_ALLOCATOR_MALLOC, 0x1000, 48, 3};
	CHECK_EQ(after_alloc(alloc, 2, PMT_STATE_OPEN), 2);
}

/* Without a birth record the number is the present one; and only the very last record counts. */
static void last_record_of_the_slot(void)
{
	struct pmt_fold_block block = a_block;
	const struct pmt_fold fold = {.slot = 1, .blocks = 1};

	block.order = 9;
	for (int behind = 0; behind < 5; behind++) {
		struct logwriter *w = begin();

		log_fold(w, 9, &fold, &block, &no_site);
		log_put(w, 1, birth, 0, .back = 1);
		log_put(w, 1, alloc, 0, .addr = 16);
		log_put(w, 1, alloc, PMT_ALLOCATOR_CALLOC, .addr = 0x1000, .size = 48, .stack = 3);
		if (behind == 1)
			log_mark(w, 1, "m");
		if (behind == 2)
			log_put(w, 1, order, 0, .order = 10);
		if (behind == 3) /* another slot's */
			log_mark(w, 2, "m");
		if (behind == 4) /* a new chunk without a record */
			(void)(logwriter_seal(w, 1), logwriter_room(w, 1, 0));
		const size_t expected = 3 + (behind == 1) + (behind == 3);

		CHECK_EQ(events_left(w, PMT_STATE_OPEN) - expected, behind == 1 || behind == 2);
	}
}

static size_t after_folded(const struct pmt_folded *counts, unsigned state)
{
	struct logwriter *w = begin();

	put_one_of_each(w, 0);
	pmt_put_folded(logwriter_room(w, 1, 0), 0, counts);
	logwriter_commit(w, 1);
	return events_left(w, state) - 2;
}

static void counts_in_the_log_already(void)
{
	struct pmt_folded counts = {3, PMT_ALLOCATOR_CALLOC, 2, 20, 1, 16, 4, 4000};

	CHECK_EQ(after_folded(&counts, PMT_STATE_OPEN), 1);
	CHECK_EQ(after_folded(&counts, PMT_STATE_CLOSED), 2);
	uint64_t *const fields[] = {&counts.stack,  &counts.allocator, &counts.count0,
				    &counts.bytes0, &counts.count1,    &counts.bytes1,
				    &counts.count,  &counts.bytes};

	for (size_t i = 0; i < 8; i++) {
		++*fields[i];
		CHECK_EQ(after_folded(&counts, PMT_STATE_OPEN), 2);
		--*fields[i];
	}
}

static size_t with_journal(uint64_t journal, unsigned state)
{
	struct logwriter *w = begin();

	put_one_of_each(w, journal);
	return events_left(w, state) - 1;
}

static void block_counted_already(void)
{
	/* The site has counted 7 blocks. */
	CHECK_EQ(with_journal(pmt_fold_journal(100, 7), PMT_STATE_OPEN), 1);
	CHECK_EQ(with_journal(pmt_fold_journal(100, 8), PMT_STATE_OPEN), 2);
	CHECK_EQ(with_journal(pmt_fold_journal(101, 7), PMT_STATE_OPEN), 2);
	CHECK_EQ(with_journal(pmt_fold_journal(100, 7), PMT_STATE_CLOSED), 2);
	CHECK_EQ(with_journal(0, PMT_STATE_OPEN), 2);
}

/* --- hostile --- */

/* What a log with this chunk gives: the events of the tables. */
static size_t hostile_fold(const struct pmt_fold *fold, struct reader_damage *damage)
{
	struct logwriter *w = begin();
	size_t size;

	put_one_of_each(w, 0);
	logwriter_finish(w, PMT_STATE_OPEN);
	uint8_t *data = logwriter_data(w, &size);
	struct pmt_chunk *chunk = (struct pmt_chunk *)(data + size - PMT_CHUNK_BYTES_MIN);

	memcpy(chunk + 1, fold, sizeof(*fold));
	struct readlog file = readlog_create(data, size);
	struct reader *reader;

	free(data);
	logwriter_destroy(w);
	CHECK_EQ(reader_open(file.path, &reader), 0);
	seen.count = 0;
	CHECK_EQ(reader_run(reader, note, NULL), 0);
	*damage = *reader_damage(reader);
	CHECK(reader_held_bytes(reader) <= PMT_FOLD_SIZE_MAX);
	reader_close(reader);
	readlog_destroy(&file);
	return seen.count - 1;
}

static void sizes_that_do_not_fit(void)
{
	static const struct pmt_fold folds[] = {
		{.slot = 1, .blocks = UINT32_MAX, .sites = 1},
		{.slot = 1, .blocks = 1, .sites = UINT32_MAX},
		{.slot = 1, .blocks = UINT32_MAX, .sites = UINT32_MAX},
		{.slot = 1, .blocks = 2, .sites = 1},
		{.slot = 0, .blocks = 1, .sites = 1},	/* the definitions */
		{.slot = 9, .blocks = 1, .sites = 1},	/* itself */
		{.slot = 400, .blocks = 1, .sites = 1}, /* nobody */
	};
	struct reader_damage damage;

	for (size_t i = 0; i < sizeof(folds) / sizeof(*folds); i++) {
		CHECK_EQ(hostile_fold(&folds[i], &damage), 0);
		CHECK_EQ(damage.chunks_damaged, 1);
		CHECK_EQ(damage.bytes_lost, 128);
	}
	/* A site read as a block: its allocator is none. Sizes and peaks may be anything. */
	CHECK_EQ(hostile_fold(&(struct pmt_fold){.slot = 1, .blocks = 1, .held_peak = UINT64_MAX},
			      &damage),
		 1);
	CHECK_EQ(damage.chunks_damaged, 0);
	CHECK_EQ(hostile_fold(&(struct pmt_fold){.slot = 1, .sites = 1}, &damage), 1);
}

static void hostile_entries(void)
{
	struct logwriter *w = begin();
	struct pmt_fold_block blocks[400];
	struct pmt_fold_site sites[400];
	struct reader_damage damage;
	const struct pmt_fold fold = {
		.slot = 1, .blocks = 400, .sites = 400, .journal = pmt_fold_journal(UINT32_MAX, 1)};

	memset(blocks, 0xff, sizeof(blocks));
	memset(sites, 0xff, sizeof(sites));
	blocks[0].allocator = 31;
	log_fold(w, 9, &fold, blocks, sites);
	struct reader *reader = open_log(w, PMT_STATE_OPEN);
	struct replay replay;

	replay_init(&replay, reader_header(reader));
	CHECK_EQ(replay_run(&replay, reader), 0);
	damage = *reader_damage(reader);
	CHECK_EQ(damage.records_damaged, 399);
	CHECK_EQ(replay.folded.count, 400ULL * 3 * ((1 << 24) - 1));
	CHECK_EQ(replay.folded.bytes, 400ULL * 3 * ((1ULL << 40) - 1));
	replay_fini(&replay);
	reader_close(reader);
}

static void two_for_one_slot(void)
{
	struct logwriter *w = begin();
	struct reader_damage damage;

	put_one_of_each(w, 0);
	const struct pmt_fold fold = {.slot = 1, .blocks = 1};

	log_fold(w, 8, &fold, &a_block, &no_site);
	read_log(w, PMT_STATE_OPEN, &damage);
	CHECK_EQ(damage.chunks_damaged, 1);
	CHECK_EQ(seen.count, 3); /* of the first one in the file */
}

static void without_the_feature(void)
{
	struct logwriter *w = begin();
	struct reader_damage damage;

	put_one_of_each(w, 0);
	logwriter_header(w)->features_incompatible = 0;
	read_log(w, PMT_STATE_CLOSED, &damage);
	CHECK_EQ(damage.chunks_damaged, 1);
	CHECK_EQ(seen.count, 1);
}

static void damaged_checksum(void)
{
	struct logwriter *w = begin();
	size_t size;

	put_one_of_each(w, 0);
	logwriter_finish(w, PMT_STATE_CLOSED);
	uint8_t *data = logwriter_data(w, &size);

	data[size - PMT_CHUNK_BYTES_MIN + 180] ^= 1;
	struct readlog file = readlog_create(data, size);
	struct reader *reader;

	CHECK_EQ(reader_open(file.path, &reader), 0);
	seen.count = 0;
	CHECK_EQ(reader_run(reader, note, NULL), 0);
	CHECK_EQ(reader_damage(reader)->chunks_damaged, 1);
	CHECK_EQ(seen.count, 1);
	reader_close(reader);
	readlog_destroy(&file);
	free(data);
	logwriter_destroy(w);
}

static void unknown_allocator(void)
{
	struct logwriter *w = begin();
	struct reader_damage damage;

	log_put(w, 1, folded, 0, .allocator = 32, .count = 1);
	log_put(w, 1, folded, 0, .allocator = UINT64_MAX, .count = 1);
	log_put(w, 1, folded, 0, .allocator = 31, .count = 1);
	read_log(w, PMT_STATE_CLOSED, &damage);
	CHECK_EQ(damage.records_damaged, 2);
	CHECK_EQ(seen.count, 2);
}

/* A chunk that is cut off: what is there of its tables. */
static void cut_off(void)
{
	struct logwriter *w = begin();
	const struct pmt_fold fold = {.slot = 1, .blocks = 2, .sites = 2};
	const struct pmt_fold_block blocks[2] = {a_block, a_block};
	const struct pmt_fold_site sites[2] = {a_site, a_site};
	size_t size;

	log_fold(w, 9, &fold, blocks, sites);
	logwriter_finish(w, PMT_STATE_OPEN);
	uint8_t *data = logwriter_data(w, &size);
	const size_t tables = size - PMT_CHUNK_BYTES_MIN + 128;

	for (size_t there = 0; there < 4 * 32; there++) {
		struct readlog file = readlog_create(data, tables + there);
		struct reader *reader;

		CHECK_EQ(reader_open(file.path, &reader), 0);
		seen.count = 0;
		CHECK_EQ(reader_run(reader, note, NULL), 0);
		CHECK_EQ(seen.count, 1 + there / 32);
		CHECK(reader_damage(reader)->truncated);
		reader_close(reader);
		readlog_destroy(&file);
	}
	free(data);
	logwriter_destroy(w);
}

/* --- early frees against a list --- */

static void early_like_a_list(void)
{
	enum { FREES = 400 };
	struct {
		uint64_t addr, order;
		uint32_t slot;
		bool there;
	} list[FREES] = {0};
	struct early early;

	early_init(&early);
	CHECK(early_empty(&early));
	for (int round = 0; round < 20000; round++) {
		const uint64_t r = check_random();
		const uint64_t addr = 16 + r % 3 * 16, order = r >> 8 & 31;
		const uint32_t slot = r >> 16 & 3;
		const size_t place = (r >> 20) % FREES;
		size_t best = FREES;

		if (!list[place].there && round % 4000 < 3000) {
			early_add(&early, addr, order, slot);
			list[place].addr = addr;
			list[place].order = order;
			list[place].slot = slot;
			list[place].there = true;
			continue;
		}
		for (size_t i = 0; i < FREES; i++) {
			if (!list[i].there || list[i].addr != addr)
				continue;
			const uint64_t key = list[i].order << 8 | list[i].slot;

			if (key > (order << 8 | slot) &&
			    (best == FREES || key < (list[best].order << 8 | list[best].slot)))
				best = i;
		}
		CHECK_EQ(early_take(&early, addr, order, slot), best != FREES);
		if (best != FREES)
			list[best].there = false;
	}
	early_fini(&early);
}

/* Many frees of one address, in the worst orders. */
static void early_is_not_slow(void)
{
	for (int order = 0; order < 3; order++) {
		struct early early;

		early_init(&early);
		for (uint64_t i = 0; i < 300000; i++)
			early_add(&early, 16, order == 0 ? i : order == 1 ? 300000 - i : 7, 1);
		for (uint64_t i = 0; i < 300000; i++)
			CHECK(early_take(&early, 16, 0, 0));
		CHECK(!early_take(&early, 16, 0, 0));
		CHECK(early_empty(&early));
		early_fini(&early);
	}
}

/* A free only waits where another slot may still write its block. */
static void waits_where_it_may(void)
{
	for (int other = 0; other < 3; other++) {
		struct logwriter *w = begin();
		struct replay replay;

		log_put(w, 1 + (other == 1), free, 0, .addr = 16);
		put_one_of_each(w, 0);
		if (other == 2)
			log_fold(w, 8, &(struct pmt_fold){.slot = 2}, &a_block, &a_site);
		log_mark(w, 2, "m");
		struct reader *reader = open_log(w, PMT_STATE_CLOSED);

		replay_init(&replay, reader_header(reader));
		CHECK_EQ(replay_run(&replay, reader), 0);
		CHECK_EQ(reader_damage(reader)->chunks_damaged, 0);
		CHECK_EQ(replay.frees.unmatched, 1);
		CHECK_EQ(replay.early.number, other != 0);
		replay_fini(&replay);
		reader_close(reader);
	}
}

/* --- random programs, written down by a small tracer --- */

enum { THREADS = 3, PLACES = 24, STACKS = 5, WINDOW = 4, SITES = 3, SMALL = 60 };

/* What one thread of the program knows, as the tracer's does. */
struct sim_thread {
	struct pmt_fold fold;
	struct pmt_fold_block blocks[WINDOW];
	struct pmt_fold_site sites[SITES];
	uint64_t order;
	uint64_t held;
	uint32_t made;
};

static struct {
	struct logwriter *folded, *plain;
	struct sim_thread threads[THREADS + 1]; /* slot = thread */
	struct {
		bool live;
		uint32_t thread;
		uint32_t number; /* of the allocation in its thread */
	} places[PLACES];
	uint64_t order;
	uint32_t last;
	uint64_t stores; /* that the process makes before it is killed */
	uint64_t events; /* that it has begun */
	uint64_t seed;
} sim;

static uint64_t sim_random(void)
{
	sim.seed = sim.seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return sim.seed >> 33;
}

/* One more store, unless the process is dead. */
static bool alive(void)
{
	if (sim.stores == 0)
		return false;
	sim.stores--;
	return true;
}

/* Records that are committed at once: a function that puts them. */
static struct pmt_encoder *sim_room(uint32_t thread)
{
	struct pmt_encoder *e = logwriter_room(sim.folded, thread, 3 * (size_t)PMT_RECORD_MAX);

	if (e->state.order != sim.threads[thread].order)
		pmt_put_order(e, 0, &(struct pmt_order){sim.threads[thread].order});
	return e;
}

static void write_alloc(uint32_t thread, const struct pmt_fold_block *block)
{
	if (!alive())
		return;
	struct pmt_encoder *e = sim_room(thread);
	const uint64_t back = sim.threads[thread].order - block->order;

	if (back != 0)
		pmt_put_birth(e, 0, &(struct pmt_birth){back});
	pmt_put_alloc(e, block->allocator,
		      &(struct pmt_alloc){
			      .addr = block->addr, .size = block->size, .stack = block->stack});
	logwriter_commit(sim.folded, thread);
}

static void write_soon(struct pmt_encoder *e, uint32_t thread, uint64_t place)
{
	const uint32_t distance = sim.threads[thread].made - sim.places[place].number;

	if (sim.places[place].live && sim.places[place].thread == thread && distance <= 1)
		pmt_put_soon(e, distance, &(struct pmt_soon){0});
}

static void write_site(uint32_t thread, struct pmt_fold_site *site)
{
	if (!alive())
		return;
	const struct pmt_folded record = {
		pmt_fold_key_stack(site->key),	pmt_fold_key_allocator(site->key),
		pmt_fold_count(site->words[0]), pmt_fold_bytes(site->words[0]),
		pmt_fold_count(site->words[1]), pmt_fold_bytes(site->words[1]),
		pmt_fold_count(site->words[2]), pmt_fold_bytes(site->words[2])};

	pmt_put_folded(sim_room(thread), 0, &record);
	logwriter_commit(sim.folded, thread);
	if (alive())
		memset(site, 0, sizeof(*site));
}

/* The block leaves for the log. */
static void evict(uint32_t thread, struct pmt_fold_block *block)
{
	write_alloc(thread, block);
	sim.threads[thread].held -= block->size;
	if (alive())
		block->addr = 0;
}

/*
 * The block at PLACE, if THREAD keeps it. One that was there before and that another thread freed
 * leaves for the log.
 */
static struct pmt_fold_block *held_block(uint32_t thread, uint64_t place)
{
	for (int i = 0; i < WINDOW; i++) {
		struct pmt_fold_block *block = &sim.threads[thread].blocks[i];

		if (block->addr != place * 16 + 16)
			continue;
		if (sim.places[place].live && sim.places[place].thread == thread &&
		    sim.places[place].number == block->number)
			return block;
		evict(thread, block);
	}
	return NULL;
}

static void keep_block(uint32_t thread, const struct pmt_fold_block *block)
{
	struct sim_thread *t = &sim.threads[thread];
	struct pmt_fold_block *to = &t->blocks[block->number % WINDOW];

	if (to->addr != 0)
		evict(thread, to);
	t->held += block->size;
	if (t->held > t->fold.held_peak)
		t->fold.held_peak = t->held;
	if (alive())
		*to = *block;
}

static struct pmt_fold_site *find_site(uint32_t thread, uint64_t key)
{
	struct pmt_fold_site *sites = sim.threads[thread].sites;

	for (int i = 0; i < SITES; i++)
		if (sites[i].key == key)
			return &sites[i];
	struct pmt_fold_site *site = &sites[key % SITES];

	if (site->key != 0)
		write_site(thread, site);
	if (alive())
		site->key = key; /* without counts it is not used yet */
	return site;
}

/* The thread frees a block that it keeps: no record. */
static void fold_block(uint32_t thread, struct pmt_fold_block *block)
{
	struct sim_thread *t = &sim.threads[thread];
	struct pmt_fold_site *site =
		find_site(thread, pmt_fold_key(block->stack, block->allocator));
	const uint32_t distance = t->made - block->number;
	uint64_t count = 1;

	for (int i = 0; i < PMT_FOLD_DISTANCES; i++)
		count += pmt_fold_count(site->words[i]);
	if (alive())
		t->fold.journal = pmt_fold_journal(block->number, count);
	if (alive())
		site->words[distance < 2 ? distance : 2] += pmt_fold_word(1, block->size);
	t->held -= block->size;
	if (alive())
		block->addr = 0;
}

/* --- the events of the program --- */

static void sim_alloc(uint32_t thread, uint64_t place)
{
	struct sim_thread *t = &sim.threads[thread];
	const struct pmt_fold_block block = {
		.addr = place * 16 + 16,
		.order = t->order,
		.size = (uint32_t)(sim_random() % 100),
		.stack = (uint32_t)(sim_random() % STACKS),
		.number = ++t->made,
		.allocator = sim_random() % 2 ? PMT_ALLOCATOR_MALLOC : PMT_ALLOCATOR_CALLOC,
	};

	(void)held_block(thread, place);
	sim.places[place].live = true;
	sim.places[place].thread = thread;
	sim.places[place].number = t->made;
	log_put(sim.plain, thread, alloc, block.allocator, .addr = block.addr, .size = block.size,
		.stack = block.stack);
	if (block.size < SMALL)
		keep_block(thread, &block);
	else
		write_alloc(thread, &block);
}

static void sim_free(uint32_t thread, uint64_t place)
{
	const uint64_t addr = place * 16 + 16;
	struct pmt_fold_block *block = held_block(thread, place);

	log_put(sim.plain, thread, free, 0, .addr = addr);
	if (block != NULL) {
		fold_block(thread, block);
	} else if (alive()) {
		struct pmt_encoder *e = sim_room(thread);

		write_soon(e, thread, place);
		pmt_put_free(e, 0, &(struct pmt_free){.addr = addr});
		logwriter_commit(sim.folded, thread);
	}
	sim.places[place].live = false;
}

static void sim_realloc(uint32_t thread, uint64_t from, uint64_t to)
{
	struct sim_thread *t = &sim.threads[thread];
	struct pmt_fold_block *block = held_block(thread, from);
	const struct pmt_realloc record = {.old_addr = from * 16 + 16,
					   .addr = to * 16 + 16,
					   .size = sim_random() % 100,
					   .stack = sim_random() % STACKS};

	if (block != NULL)
		evict(thread, block);
	(void)held_block(thread, to);
	t->made++;
	pmt_put_realloc(logwriter_room(sim.plain, thread, 0), 0, &record);
	logwriter_commit(sim.plain, thread);
	if (alive()) {
		struct pmt_encoder *e = sim_room(thread);

		write_soon(e, thread, from);
		pmt_put_realloc(e, 0, &record);
		logwriter_commit(sim.folded, thread);
	}
	sim.places[from].live = false;
	sim.places[to].live = true;
	sim.places[to].thread = thread;
	sim.places[to].number = t->made;
}

/* Each event has its place in the order of all: other threads take over all the time. */
static void sim_event(void)
{
	const uint32_t thread = 1 + (uint32_t)(sim_random() % (THREADS * 2)) % THREADS;
	const uint64_t place = sim_random() % PLACES, other = sim_random() % PLACES;

	sim.order += thread != sim.last;
	sim.last = thread;
	sim.threads[thread].order = sim.order;
	if (logwriter_room(sim.plain, thread, 0)->state.order != sim.order)
		log_put(sim.plain, thread, order, 0, .order = sim.order);
	if (sim_random() % 100 == 0)
		logwriter_seal(sim.folded, thread);
	if (!sim.places[place].live && sim_random() % 8 != 0)
		sim_alloc(thread, place);
	else if (sim_random() % 4 != 0 || (place != other && sim.places[other].live))
		sim_free(thread, place); /* sometimes of a block that is not there */
	else
		sim_realloc(thread, place, other);
	sim.events++;
}

static void sim_begin(uint64_t stores)
{
	memset(&sim, 0, sizeof(sim));
	sim.folded = logwriter_create(PMT_CHUNK_BYTES_MIN);
	sim.plain = logwriter_create(PMT_CHUNK_BYTES_MIN);
	sim.stores = stores;
	for (uint32_t i = 1; i <= THREADS; i++) {
		log_thread(sim.folded, i, i, i);
		log_thread(sim.plain, i, i, i);
		sim.threads[i].fold =
			(struct pmt_fold){.slot = i, .blocks = WINDOW, .sites = SITES};
	}
}

static void sim_end(void)
{
	for (uint32_t i = 1; i <= THREADS; i++)
		log_fold(sim.folded, THREADS + i, &sim.threads[i].fold, sim.threads[i].blocks,
			 sim.threads[i].sites);
}

/* --- both logs replayed --- */

static void replay_log(struct replay *replay, struct logwriter *w, uint32_t threshold,
		       unsigned state)
{
	struct reader *reader = open_log(w, state);

	replay_init(replay, reader_header(reader));
	replay->by_stack = true;
	replay_find_temporary(replay, threshold);
	CHECK_EQ(replay_run(replay, reader), 0);
	CHECK_EQ(reader_damage(reader)->chunks_damaged, 0);
	CHECK_EQ(reader_damage(reader)->records_damaged, 0);
	replay->start_ns = reader_held_bytes(reader); /* kept for the caller */
	replay->reader = NULL;
	reader_close(reader);
	const struct replay_frees *frees = &replay->frees;

	CHECK_EQ(replay->blocks.live.count, heap_count(&replay->heap));
	CHECK_EQ(replay->blocks.live.count,
		 replay_total(replay).count - frees->replaced - (frees->count - frees->unmatched));
}

static bool same_amount(const struct amount *a, const struct amount *b)
{
	return a->bytes == b->bytes && a->count == b->count;
}

/* Whether two replays have the same sums, for each stack, thread and allocator. */
static bool same_sites(struct sites *a, struct sites *b)
{
	const struct site none = {0};

	for (uint32_t i = 1; i <= a->count; i++) {
		const struct site *x = &a->sites[i], *y = &none;

		for (uint32_t j = 1; j <= b->count; j++)
			if (b->sites[j].stack == x->stack && b->sites[j].thread == x->thread &&
			    b->sites[j].kind == x->kind)
				y = &b->sites[j];
		if (!same_amount(&x->total, &y->total) || !same_amount(&x->live, &y->live) ||
		    !same_amount(&x->temporary, &y->temporary))
			return false;
	}
	return true;
}

static bool same(struct replay *a, struct replay *b)
{
	return a->frees.count == b->frees.count && a->frees.unmatched == b->frees.unmatched &&
	       a->frees.replaced == b->frees.replaced && a->events == b->events &&
	       same_sites(&a->blocks, &b->blocks) && same_sites(&b->blocks, &a->blocks);
}

/* --- blocks in rows and one by one --- */

/* What an event is: the same of a block in a row and of an event on its own. */
struct flat {
	uint64_t number, time_ns, order, addr, size, stack;
	uint32_t type, kind, thread, slot, soon, unused; /* no padding: compared as bytes */
};

static struct {
	struct flat *events;
	size_t count;
	size_t rows; /* calls with more than one block */
	size_t limit;
} flat;

static int flat_add(const struct flat *event)
{
	flat.events = realloc(flat.events, (flat.count + 1) * sizeof(*event));
	flat.events[flat.count++] = *event;
	return flat.count >= flat.limit ? 7 : 0;
}

static int flat_event(void *context, const struct reader_event *event)
{
	struct flat f = {.number = event->number,
			 .time_ns = event->time_ns,
			 .order = event->order,
			 .type = event->record.type,
			 .thread = event->thread,
			 .slot = event->slot,
			 .soon = event->soon};

	(void)context;
	if (event->record.type == PMT_REC_alloc) {
		f.addr = event->record.alloc.addr;
		f.size = event->record.alloc.size;
		f.stack = event->record.alloc.stack;
		f.kind = (uint32_t)event->record.alloc.allocator;
	} else if (event->record.type == PMT_REC_free) {
		f.addr = event->record.free.addr;
		f.kind = READER_FREE;
	}
	return flat_add(&f);
}

static int flat_blocks(void *context, const struct reader_blocks *blocks)
{
	int result = 0;

	(void)context;
	CHECK(blocks->count > 0 && blocks->count <= READER_BLOCKS_MAX);
	flat.rows += blocks->count > 1;
	for (uint32_t i = 0; i < blocks->count; i++) {
		const struct reader_block *block = &blocks->blocks[i];
		const bool freed = block->kind == READER_FREE;
		const struct flat f = {blocks->number + i,
				       blocks->time_ns,
				       block->order,
				       block->addr,
				       freed ? 0 : block->size_bytes,
				       freed ? 0 : block->stack,
				       freed ? PMT_REC_free : PMT_REC_alloc,
				       block->kind,
				       blocks->thread,
				       blocks->slot,
				       block->soon,
				       0};

		result |= flat_add(&f);
	}
	return result;
}

static void rows_are_the_events(void)
{
	for (int round = 0; round < 20; round++) {
		sim_begin(UINT64_MAX);
		sim.seed = (uint64_t)round;
		for (int i = 0; i < 3000; i++)
			sim_event();
		sim_end();
		logwriter_destroy(round % 2 ? sim.plain : sim.folded);
		struct reader *reader =
			open_log(round % 2 ? sim.folded : sim.plain, PMT_STATE_OPEN);

		memset(&flat, 0, sizeof(flat));
		flat.limit = round < 18 ? SIZE_MAX : 1000;
		CHECK_EQ(reader_run(reader, flat_event, NULL), round < 18 ? 0 : 7);
		struct flat *events = flat.events;
		const size_t count = flat.count;

		flat.events = NULL;
		flat.count = 0;
		CHECK_EQ(reader_run_blocks(reader, flat_event, flat_blocks, NULL),
			 round < 18 ? 0 : 7);
		CHECK(round < 18 ? flat.count == count : flat.count >= count);
		CHECK(memcmp(events, flat.events, count * sizeof(*events)) == 0);
		CHECK(flat.rows > 10);
		free(events);
		free(flat.events);
		reader_close(reader);
	}
}

static void same_sums(void)
{
	uint64_t folded_blocks = 0, early = 0;

	for (int round = 0; round < 30; round++) {
		struct replay folded, plain;

		sim_begin(UINT64_MAX);
		sim.seed = (uint64_t)round;
		for (int i = 0; i < 3000; i++)
			sim_event();
		sim_end();
		replay_log(&folded, sim.folded, round % 2, PMT_STATE_CLOSED);
		replay_log(&plain, sim.plain, round % 2, PMT_STATE_CLOSED);
		CHECK(same(&folded, &plain));
		CHECK(folded.blocks.peak.bytes <= plain.blocks.peak.bytes);
		CHECK(folded.blocks.peak.bytes + folded.start_ns >= plain.blocks.peak.bytes);
		folded_blocks += folded.folded.count;
		early += folded.early.number;
		replay_fini(&folded);
		replay_fini(&plain);
	}
	/* The test tests something. */
	CHECK(folded_blocks > 5000);
	CHECK(early > 400);
}

/* A program of COUNT events at most, or STORES stores, as a log without folding. */
static void replay_plain(struct replay *replay, uint64_t seed, uint64_t count, uint64_t stores)
{
	sim_begin(stores);
	sim.seed = seed;
	while (sim.stores != 0 && sim.events < count)
		sim_event();
	replay_log(replay, sim.plain, 1, PMT_STATE_OPEN);
}

/* Whatever store was the last one, the log is that of the program before the event or after it. */
static void killed_anywhere(void)
{
	uint64_t befores = 0, afters = 0;

	for (uint64_t stores = 1; stores < 2500; stores++) {
		struct replay folded, before, after;
		const uint64_t seed = stores / 500 + 1;

		replay_plain(&after, seed, UINT64_MAX, stores);
		const uint64_t events = sim.events;

		sim_end();
		replay_log(&folded, sim.folded, 1, PMT_STATE_OPEN);
		replay_plain(&before, seed, events - 1, UINT64_MAX);
		logwriter_destroy(sim.folded);
		const bool is_before = same(&folded, &before), is_after = same(&folded, &after);

		CHECK(is_before || is_after);
		befores += is_before;
		afters += is_after;
		replay_fini(&folded);
		replay_fini(&before);
		replay_fini(&after);
	}
	CHECK(befores > 100 && afters > 100);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"prefixes are fields of their events", prefixes},
		{"tables are events at the end", tables_are_events},
		{"killed: the block is in the log already", block_in_the_log_already},
		{"killed: only the last record counts", last_record_of_the_slot},
		{"killed: the counts are in the log already", counts_in_the_log_already},
		{"killed: the block was counted already", block_counted_already},
		{"sizes that do not fit", sizes_that_do_not_fit},
		{"tables of ones", hostile_entries},
		{"two chunks for one slot", two_for_one_slot},
		{"a log without folding", without_the_feature},
		{"a damaged chunk", damaged_checksum},
		{"folded by an unknown allocator", unknown_allocator},
		{"cut off everywhere", cut_off},
		{"early frees like a list", early_like_a_list},
		{"early frees in the worst order", early_is_not_slow},
		{"frees wait where they may be early", waits_where_it_may},
		{"blocks in rows are the same events", rows_are_the_events},
		{"the same sums, folded and not", same_sums},
		{"killed between any two stores", killed_anywhere},
		{0},
	};

	return check_run(tests);
}
