/* SPDX-License-Identifier: MIT */
/* The reader on good logs: order, definitions, threads, logs that are not closed. */
#include "check.h"

#include "logwriter.h"
#include "readlog.h"

/* What a run handed out: the addresses of the events, in order. */
static struct {
	uint64_t *addresses;
	size_t room;
	size_t count;
	uint64_t last_ns;
	bool in_order; /* times and numbers only grew */
	uint32_t threads_wrong;
} seen;

static int note(void *context, const struct reader_event *event)
{
	(void)context;
	seen.in_order &= event->time_ns >= seen.last_ns && event->number == seen.count;
	seen.last_ns = event->time_ns;
	if (event->record.type != PMT_REC_alloc)
		return 0;
	seen.threads_wrong += event->thread != event->slot * 10;
	if (seen.count == seen.room) {
		seen.room = seen.room * 2 + 64;
		seen.addresses = realloc(seen.addresses, seen.room * sizeof(uint64_t));
	}
	seen.addresses[seen.count++] = event->record.alloc.addr;
	return 0;
}

static struct reader *open_log(struct logwriter *w, struct readlog *file)
{
	struct reader *reader = NULL;
	size_t size;
	uint8_t *data = logwriter_data(w, &size);

	*file = readlog_create(data, size);
	free(data);
	logwriter_destroy(w);
	CHECK_EQ(reader_open(file->path, &reader), 0);
	return reader;
}

static void close_log(struct reader *reader, struct readlog *file)
{
	reader_close(reader);
	readlog_destroy(file);
}

static void run(struct reader *reader)
{
	seen.count = 0;
	seen.last_ns = 0;
	seen.in_order = true;
	seen.threads_wrong = 0;
	CHECK_EQ(reader_run(reader, note, NULL), 0);
	CHECK_EQ(reader_damage(reader)->chunks_damaged, 0);
	CHECK_EQ(reader_damage(reader)->records_damaged, 0);
	CHECK_EQ(reader_damage(reader)->bytes_lost, 0);
	CHECK(!reader_damage(reader)->truncated);
}

/* COUNT events with the addresses 1..COUNT in their true order, spread over SLOTS slots at random.
 */
static struct logwriter *write_shuffled(uint32_t slots, uint64_t count)
{
	struct logwriter *w = logwriter_create(PMT_CHUNK_BYTES_MIN);
	uint64_t time_ns = LOGWRITER_START_NS, order = 0;
	uint32_t last = 0;

	for (uint32_t slot = 1; slot <= slots; slot++)
		log_thread(w, slot, slot * 10, slot);
	for (uint64_t i = 1; i <= count; i++) {
		uint64_t r = check_random();
		uint32_t slot = r % 4 != 0 && last != 0 ? last : (uint32_t)(r >> 32) % slots + 1;

		if (r % 16 == 1)
			time_ns += r >> 40;
		/* as the tracer does: a new number when another thread wrote last */
		order += slot != last;
		last = slot;
		if (logwriter_room(w, slot, 0)->state.time_ns != time_ns)
			log_put(w, slot, time, 0, .time_ns = time_ns);
		if (logwriter_room(w, slot, 0)->state.order != order)
			log_put(w, slot, order, 0, .order = order);
		log_put(w, slot, alloc, 0, .addr = i);
		if (r % 512 == 1)
			logwriter_seal(w, slot);
	}
	return w;
}

static void check_shuffled(uint32_t slots, uint64_t count, unsigned state)
{
	struct logwriter *w = write_shuffled(slots, count);
	struct readlog file;

	logwriter_finish(w, state);
	struct reader *reader = open_log(w, &file);

	for (int round = 0; round < 2; round++) {
		uint64_t wrong = 0;

		run(reader);
		CHECK_EQ(seen.count, count);
		for (uint64_t i = 0; i < seen.count; i++)
			wrong += seen.addresses[i] != i + 1;
		CHECK_EQ(wrong, 0);
		CHECK_EQ(seen.threads_wrong, 0);
	}
	close_log(reader, &file);
}

static void merges_slots(void)
{
	for (uint32_t slots = 1; slots <= 9; slots++) {
		check_shuffled(slots, 3000, PMT_STATE_CLOSED);
		check_shuffled(slots, 3000, PMT_STATE_OPEN);
	}
}

static void merges_many_slots(void)
{
	check_shuffled(2100, 20000, PMT_STATE_OPEN);
}

static int visit_numbers(void *context, const struct reader_event *event)
{
	uint64_t *next = context;

	CHECK_EQ(event->number, *next);
	++*next;
	return *next == 5 ? 42 : 0;
}

/* A visitor can end the reading; its result comes back. Without events nothing is visited. */
static void ends_early(void)
{
	struct logwriter *w = logwriter_create(PMT_CHUNK_BYTES_MIN);
	struct readlog file;
	uint64_t next = 0;

	for (uint32_t i = 0; i < 10; i++)
		log_put(w, 1 + i % 3, free, 0, .addr = i);
	logwriter_finish(w, PMT_STATE_CLOSED);
	struct reader *reader = open_log(w, &file);

	CHECK_EQ(reader_run(reader, visit_numbers, &next), 42);
	CHECK_EQ(next, 5);
	close_log(reader, &file);
	w = logwriter_create(PMT_CHUNK_BYTES_MIN);
	logwriter_finish(w, PMT_STATE_OPEN);
	reader = open_log(w, &file);
	next = 0;
	CHECK_EQ(reader_run(reader, visit_numbers, &next), 0);
	CHECK_EQ(next, 0);
	close_log(reader, &file);
}

static void definitions(void)
{
	static const char lines[] = "\0\1\4\2\4\3";
	static uint8_t long_lines[40000];
	struct logwriter *w = logwriter_create(PMT_CHUNK_BYTES_MIN);
	const struct log_table table = {PMT_LINETABLE_LNOTAB, lines, sizeof(lines) - 1};
	const struct log_table long_table = {PMT_LINETABLE_LNOTAB, long_lines, sizeof(long_lines)};
	struct readlog file;
	struct reader_code code;

	for (size_t i = 0; i < sizeof(long_lines); i++)
		long_lines[i] = i % 2 ? 1 : 2;
	uint64_t f = log_code_table(w, "f", "a.py", 10, &table);
	uint64_t g = log_code_table(w, "g", "b.py", 20, &long_table);
	uint64_t s1 = log_frame(w, 0, f, 0);
	uint64_t s2 = log_frame(w, s1, f, 3);
	uint64_t s3 = log_frame(w, s2, 0, 0);
	uint64_t s4 = log_frame(w, s3, g, 20000);

	logwriter_finish(w, PMT_STATE_CLOSED);
	struct reader *reader = open_log(w, &file);

	reader_code(reader, f, &code);
	CHECK_STR(code.name, "f");
	CHECK_STR(code.qualname, "f");
	CHECK_STR(code.file, "a.py");
	CHECK_EQ(code.first_line, 10);
	CHECK_EQ(reader_stack_line(reader, s1), 10);
	CHECK_EQ(reader_stack_line(reader, s2), 13);
	CHECK_EQ(reader_stack_line(reader, s2), 13);
	CHECK_EQ(reader_stack_line(reader, s3), 0);
	CHECK_EQ(reader_stack_line(reader, s4), 20 + 19999);
	CHECK_EQ(reader_stack_parent(reader, s4), s3);
	CHECK_EQ(reader_stack_parent(reader, s1), 0);
	CHECK_EQ(reader_stack_code(reader, s4), g);
	CHECK_EQ(reader_stack_code(reader, s3), 0);
	CHECK(reader_stack_known(reader, s3));
	CHECK_EQ(reader_damage(reader)->definitions_refused, 0);
	close_log(reader, &file);
}

/* More positions than are remembered, asked for in any order, have the lines of their tables. */
static void lines_of_positions(void)
{
	enum { CODES = 300, POSITIONS = 100 };
	static uint8_t lines[CODES][2 * POSITIONS];
	struct logwriter *w = logwriter_create(PMT_CHUNK_BYTES_MIN);
	struct readlog file;
	uint64_t wrong = 0;

	for (uint32_t i = 0; i < CODES; i++) {
		for (uint32_t k = 0; k < POSITIONS; k++) {
			lines[i][2 * k] = 2;
			lines[i][2 * k + 1] = (uint8_t)(i % 5);
		}
		const struct log_table table = {PMT_LINETABLE_LINETABLE310, lines[i],
						sizeof(lines[i])};

		CHECK_EQ(log_code_table(w, "f", "a.py", 1000 * i, &table), i + 1);
	}
	logwriter_finish(w, PMT_STATE_CLOSED);
	struct reader *reader = open_log(w, &file);

	for (uint32_t round = 0; round < 200000; round++) {
		const uint64_t random = check_random();
		const uint64_t i = random % CODES, position = (random >> 32) % (POSITIONS + 1);

		wrong += reader_position_line(reader, i + 1, position) !=
			 1000 * i + position * (i % 5);
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(reader_position_line(reader, 1, POSITIONS + 1), 0);
	CHECK_EQ(reader_position_line(reader, 1, UINT64_MAX), 0);
	CHECK_EQ(reader_position_line(reader, 1, (1ULL << 32) + 2), 0);
	CHECK_EQ(reader_position_line(reader, 1ULL << 32 | 5, 3), 0);
	CHECK_EQ(reader_position_line(reader, CODES + 1, 3), 0);
	close_log(reader, &file);
}

static void unknown_definitions(void)
{
	static const uint64_t ids[] = {0, 2, 1000, 1ULL << 32, UINT64_MAX};
	struct logwriter *w = logwriter_create(PMT_CHUNK_BYTES_MIN);
	struct readlog file;
	struct reader_code code;

	log_frame(w, 0, log_code(w, "f", "a.py", 1), 0);
	logwriter_finish(w, PMT_STATE_CLOSED);
	struct reader *reader = open_log(w, &file);

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		CHECK(!reader_stack_known(reader, ids[i]));
		CHECK_EQ(reader_stack_parent(reader, ids[i]), 0);
		CHECK_EQ(reader_stack_code(reader, ids[i]), 0);
		CHECK_EQ(reader_stack_line(reader, ids[i]), 0);
		reader_code(reader, ids[i], &code);
		CHECK_STR(code.name, "?");
		CHECK_STR(code.file, "?");
		CHECK_STR(reader_string(reader, ids[i] == 2 ? 3 : ids[i]), "?");
	}
	close_log(reader, &file);
}

/* Definitions that contradict themselves or others are refused, and the first one stays. */
static void refused_definitions(void)
{
	const uint32_t d = LOGWRITER_DEFINITIONS;
	struct logwriter *w = logwriter_create(PMT_CHUNK_BYTES_MIN);
	static const uint8_t text[] = "other";
	struct readlog file;

	log_code(w, "f", "a.py", 1);
	log_frame(w, 0, 1, 0);
	log_put_long(w, d, 5, string, 0, .id = 1, .text = {text, 5}); /* taken */
	log_put_long(w, d, 5, string, 0, .id = 0, .text = {text, 5});
	log_put(w, d, code, 0, .id = 1);			     /* taken */
	log_put_long(w, d, 5, code, 0, .id = 2, .lines = {text, 5}); /* longer than announced */
	log_put_long(w, d, 5, code_lines, 0, .code = 1, .lines = {text, 5});
	log_put_long(w, d, 5, code_lines, 0, .code = 9, .lines = {text, 5});
	log_put(w, d, frame, 0, .stack = 1, .parent = 0);	     /* taken */
	log_put(w, d, frame, 0, .stack = 5, .parent = 5);	     /* on itself */
	log_put(w, d, frame, 0, .stack = 6, .parent = 7);	     /* on a later one */
	log_put(w, d, frame, 0, .stack = 1ULL << 40, .parent = 1);   /* beyond any real number */
	log_put(w, d, frame, 0, .stack = 7, .parent = 1, .code = 1); /* good again */
	logwriter_finish(w, PMT_STATE_CLOSED);
	struct reader *reader = open_log(w, &file);

	CHECK_EQ(reader_damage(reader)->definitions_refused, 10);
	CHECK_STR(reader_string(reader, 1), "f");
	CHECK(!reader_stack_known(reader, 5) && !reader_stack_known(reader, 6));
	CHECK_EQ(reader_stack_parent(reader, 7), 1);
	close_log(reader, &file);
}

/* Ids far apart are found without memory in proportion to their size. */
static void sparse_ids(void)
{
	struct logwriter *w = logwriter_create(PMT_CHUNK_BYTES_MIN);
	struct readlog file;

	for (uint64_t id = 1; id < 1ULL << 32; id *= 2)
		log_put(w, LOGWRITER_DEFINITIONS, frame, 0, .stack = id, .parent = id / 2,
			.code = 0, .position = 0);
	logwriter_finish(w, PMT_STATE_CLOSED);
	struct reader *reader = open_log(w, &file);

	CHECK_EQ(reader_damage(reader)->definitions_refused, 0);
	for (uint64_t id = 1; id < 1ULL << 32; id *= 2) {
		CHECK(reader_stack_known(reader, id));
		CHECK_EQ(reader_stack_parent(reader, id), id / 2);
		CHECK(id < 4 || !reader_stack_known(reader, id + 1));
	}
	close_log(reader, &file);
}

static int count_definitions(void *context, const struct reader_event *event)
{
	unsigned *counts = context;

	counts[event->record.type]++;
	return 0;
}

static void visits_definitions(void)
{
	unsigned counts[PMT_REC_COUNT + 1] = {0};
	struct logwriter *w = logwriter_create(PMT_CHUNK_BYTES_MIN);
	struct readlog file;

	log_frame(w, 0, log_code(w, "f", "a.py", 1), 0);
	log_mark(w, 1, "x");
	logwriter_finish(w, PMT_STATE_CLOSED);
	struct reader *reader = open_log(w, &file);

	CHECK_EQ(reader_definitions(reader, count_definitions, counts), 0);
	CHECK_EQ(counts[PMT_REC_string], 2);
	CHECK_EQ(counts[PMT_REC_code], 1);
	CHECK_EQ(counts[PMT_REC_frame], 1);
	CHECK_EQ(counts[PMT_REC_mark], 0);
	close_log(reader, &file);
}

/* The same events come again although the log grew meanwhile; opened again, it has them all. */
static void grows_while_read(void)
{
	struct logwriter *w = logwriter_create(PMT_CHUNK_BYTES_MIN);
	struct readlog file;
	size_t size;

	log_thread(w, 1, 10, 1);
	for (uint64_t i = 0; i < 100; i++)
		log_put(w, 1, alloc, 0, .addr = i);
	logwriter_finish(w, PMT_STATE_OPEN);
	uint8_t *data = logwriter_data(w, &size);

	file = readlog_create(data, size);
	struct pmt_chunk *chunk = (struct pmt_chunk *)(data + PMT_HEADER_BYTES);
	struct pmt_encoder e = {data + PMT_HEADER_BYTES + sizeof(*chunk) + chunk->committed, {0}};
	struct reader *reader;

	logwriter_destroy(w);
	CHECK_EQ(reader_open(file.path, &reader), 0);
	pmt_put_free(&e, 0, &(struct pmt_free){.addr = 1});
	chunk->committed = (uint32_t)(e.cur - (uint8_t *)(chunk + 1));
	chunk->sealed = 1;
	chunk->checksum = pmt_chunk_checksum(chunk);
	CHECK_EQ(pwrite(file.fd, data, size, 0), size);
	run(reader);
	CHECK_EQ(seen.count, 100);
	reader_close(reader);
	free(data);
	CHECK_EQ(reader_open(file.path, &reader), 0);
	run(reader);
	CHECK_EQ(seen.count, 100);
	close_log(reader, &file);
}

/* Chunks of zeros, allocated and not used, are nothing at all: at the end, in between, as holes. */
static void zero_chunks(void)
{
	struct logwriter *w = write_shuffled(2, 3000);
	struct readlog file;
	struct reader *reader;
	size_t size;

	logwriter_finish(w, PMT_STATE_OPEN);
	uint8_t *data = logwriter_data(w, &size);

	logwriter_destroy(w);
	file = readlog_create(data, size);
	CHECK_EQ(ftruncate(file.fd, (off_t)(size + 5 * PMT_CHUNK_BYTES_MIN + 100)), 0);
	CHECK_EQ(reader_open(file.path, &reader), 0);
	run(reader);
	CHECK_EQ(seen.count, 3000);
	reader_close(reader);
	/* a sparse file of 8 TB with its only chunks at the far end */
	CHECK_EQ(ftruncate(file.fd, PMT_HEADER_BYTES), 0);
	CHECK_EQ(pwrite(file.fd, data + PMT_HEADER_BYTES, size - PMT_HEADER_BYTES,
			PMT_HEADER_BYTES + (1LL << 43)),
		 size - PMT_HEADER_BYTES);
	CHECK_EQ(reader_open(file.path, &reader), 0);
	run(reader);
	CHECK_EQ(seen.count, 3000);
	close_log(reader, &file);
	free(data);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"merges slots", merges_slots},
		{"merges many slots", merges_many_slots},
		{"ends early", ends_early},
		{"definitions", definitions},
		{"lines of positions", lines_of_positions},
		{"unknown definitions", unknown_definitions},
		{"refused definitions", refused_definitions},
		{"sparse ids", sparse_ids},
		{"visits definitions", visits_definitions},
		{"grows while it is read", grows_while_read},
		{"chunks of zeros", zero_chunks},
		{0},
	};
	int status = check_run(tests);

	free(seen.addresses);
	return status;
}
