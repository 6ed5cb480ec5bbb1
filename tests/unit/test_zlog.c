/* SPDX-License-Identifier: MIT */
/*
 * Compressed logs: they read as the plain ones; cut, changed or made to do harm they lose what is
 * hit and nothing else, take little memory, and never crash (the sanitizers look).
 */
#include "check.h"

#include <zstd.h>

#include "hash.h"
#include "logwriter.h"
#include "pack.h"
#include "readlog.h"
#include "source.h"

#define CHUNK PMT_CHUNK_BYTES_MIN
#define FIRST PMT_HEADER_BYTES
#define INDEX_HEAD 32
#define INDEX_ENTRY 16
#define INDEX_TAIL 16
#define CHUNKS 5
#define EVENTS_EACH 3 /* in each of the chunks but the first, which is definitions */

struct bytes {
	uint8_t *data;
	size_t size;
};

/* A small log, plain and compressed. */
static struct {
	struct bytes plain;
	struct bytes packed;
	size_t index; /* where the index begins */
} log_;

struct outcome {
	bool opened;
	uint64_t events;
	struct reader_damage damage;
	char message[300];
};

static struct bytes pack_bytes(const struct bytes *plain)
{
	struct readlog file = readlog_create(plain->data, plain->size);
	struct bytes packed = {0};
	struct pack pack;
	FILE *out = open_memstream((char **)&packed.data, &packed.size);

	CHECK_EQ(pack_init(&pack, file.path), 0);
	CHECK_EQ(pack_compress(&pack, 3, out, "packed"), 0);
	fclose(out);
	pack_fini(&pack);
	readlog_destroy(&file);
	return packed;
}

static void make_log(void)
{
	struct logwriter *w = logwriter_create(CHUNK);

	log_frame(w, 0, log_code(w, "f", "a.py", 1), 1);
	for (uint64_t i = 0; i < CHUNKS - 1; i++) {
		log_put(w, 1, time, 0, .time_ns = LOGWRITER_START_NS + i);
		for (uint64_t k = 0; k < EVENTS_EACH; k++)
			log_put(w, 1, alloc, 0, .addr = check_random() >> 20, .size = 8,
				.stack = 1);
		logwriter_seal(w, 1);
	}
	logwriter_finish(w, PMT_STATE_CLOSED);
	free(log_.plain.data);
	free(log_.packed.data);
	log_.plain.data = logwriter_data(w, &log_.plain.size);
	logwriter_destroy(w);
	CHECK_EQ(log_.plain.size, FIRST + CHUNKS * CHUNK);
	log_.packed = pack_bytes(&log_.plain);
	log_.index = log_.packed.size - INDEX_HEAD - (CHUNKS + 1) * INDEX_ENTRY - INDEX_TAIL;
}

static struct __attribute__((packed)) zlog_entry {
	uint64_t offset;
	uint32_t packed_bytes;
	uint32_t bytes;
} * entry(struct bytes *packed, size_t number)
{
	return (struct zlog_entry *)(void *)(packed->data + log_.index + INDEX_HEAD) + number;
}

/* Give the index its checksum again. */
static void sum_index(struct bytes *packed, size_t frames)
{
	uint8_t *index = packed->data + log_.index;
	const uint64_t sum =
		pmt_hash(index + INDEX_HEAD, frames * INDEX_ENTRY, pmt_hash(index, INDEX_HEAD, 0));

	memcpy(index + INDEX_HEAD + frames * INDEX_ENTRY, &sum, sizeof(sum));
}

static struct bytes copy_packed(void)
{
	struct bytes copy = {malloc(log_.packed.size), log_.packed.size};

	memcpy(copy.data, log_.packed.data, copy.size);
	return copy;
}

static int count(void *context, const struct reader_event *event)
{
	uint64_t *events = context;

	(void)event;
	++*events;
	return 0;
}

static struct outcome read_data(const void *data, size_t size)
{
	struct readlog file = readlog_create(data, size);
	struct outcome o = {0};
	struct reader *reader;

	check_capture_begin();
	if (reader_open(file.path, &reader) == 0) {
		o.opened = true;
		CHECK_EQ(reader_run(reader, count, &o.events), 0);
		o.damage = *reader_damage(reader);
		reader_close(reader);
	}
	check_capture_end(o.message, sizeof(o.message));
	CHECK_EQ(o.message[0] != '\0', !o.opened);
	char *text = strstr(o.message, ": /proc/self/fd/");

	if (text != NULL)
		memmove(o.message, strchr(text + 2, ':') + 2,
			strlen(strchr(text + 2, ':') + 2) + 1);
	readlog_destroy(&file);
	return o;
}

static bool is_good(const struct outcome *o)
{
	return o->opened && o->damage.chunks_damaged == 0 && !o->damage.truncated &&
	       !o->damage.index_damaged && o->events == (CHUNKS - 1) * EVENTS_EACH;
}

/* Ranges of both sources are the same bytes. */
static void same_ranges(const struct bytes *plain, const struct bytes *packed)
{
	struct readlog file = readlog_create(packed->data, packed->size);
	struct source *source;
	uint8_t *data = malloc(plain->size + 1);
	uint64_t size;

	CHECK_EQ(source_open(file.path, &source), 0);
	CHECK(source_compressed(source));
	CHECK_EQ(source_size(source, &size), 0);
	CHECK_EQ(size, plain->size);
	for (int i = 0; i < 300; i++) {
		const uint64_t r = check_random();
		const size_t offset = r % (plain->size + 10);
		const size_t want = i == 0 ? plain->size : (r >> 40) % (3 * CHUNK);
		const int64_t got = source_read(source, data, want, offset);
		const size_t left = offset < plain->size ? plain->size - offset : 0;

		CHECK_EQ(got, want < left ? want : left);
		CHECK(memcmp(data, plain->data + (left == 0 ? 0 : offset), (size_t)got) == 0);
	}
	source_close(source);
	free(data);
	readlog_destroy(&file);
}

static void reads_as_plain(void)
{
	make_log();
	struct outcome o = read_data(log_.packed.data, log_.packed.size);

	CHECK(is_good(&o));
	same_ranges(&log_.plain, &log_.packed);
}

/* What zstd itself makes of the file: the index is skipped. */
static void zstd_reads_it(void)
{
	make_log();
	uint8_t *data = malloc(log_.plain.size);

	CHECK_EQ(ZSTD_decompress(data, log_.plain.size, log_.packed.data, log_.packed.size),
		 log_.plain.size);
	CHECK(memcmp(data, log_.plain.data, log_.plain.size) == 0);
	free(data);
}

/* Sizes that are no whole chunks, and chunks that were never begun. */
static void odd_sizes(void)
{
	static const size_t more[] = {0, 1, 63, CHUNK - 1, CHUNK, 40 * CHUNK + 5};

	make_log();
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		struct bytes plain = {calloc(1, log_.plain.size + more[i]),
				      log_.plain.size + more[i]};

		memcpy(plain.data, log_.plain.data, log_.plain.size);
		struct bytes packed = pack_bytes(&plain);

		same_ranges(&plain, &packed);
		CHECK(packed.size < log_.packed.size + (more[i] / CHUNK + 2) * 48);
		free(packed.data);
		plain.size = FIRST + more[i] % CHUNK;
		packed = pack_bytes(&plain);
		same_ranges(&plain, &packed);
		free(packed.data);
		free(plain.data);
	}
}

/* Chunks that cannot be made smaller, and no index: they are larger than what is looked at once. */
static void many_without_index(void)
{
	make_log();
	struct bytes plain = {calloc(1, FIRST + 40 * CHUNK), FIRST + 40 * CHUNK};

	memcpy(plain.data, log_.plain.data, FIRST);
	for (size_t at = FIRST; at < plain.size; at += 8) {
		const uint64_t r = check_random();

		if (at / CHUNK % 3 != 0)
			memcpy(plain.data + at, &r, 8);
	}
	struct bytes packed = pack_bytes(&plain);

	packed.size -= INDEX_HEAD + 41 * INDEX_ENTRY + INDEX_TAIL;
	same_ranges(&plain, &packed);
	packed.data[packed.size / 2] ^= 1;
	struct readlog file = readlog_create(packed.data, packed.size);
	struct source *source;
	uint8_t *data = malloc(CHUNK);
	int damaged = 0;

	CHECK_EQ(source_open(file.path, &source), 0);
	CHECK(source_cut(source));
	for (size_t at = FIRST; at < plain.size; at += CHUNK) {
		const int64_t got = source_read(source, data, CHUNK, at);

		damaged += got == SOURCE_DAMAGED;
		CHECK(got == SOURCE_DAMAGED || memcmp(data, plain.data + at, CHUNK) == 0);
	}
	CHECK_EQ(damaged, 1);
	source_close(source);
	readlog_destroy(&file);
	free(data);
	free(packed.data);
	free(plain.data);
}

/* Frames that lie before SIZE, the header's not counted. */
static size_t whole_frames(size_t size)
{
	size_t n = 0;

	while (n <= CHUNKS &&
	       entry(&log_.packed, n)->offset + entry(&log_.packed, n)->packed_bytes <= size)
		n++;
	return n == 0 ? 0 : n - 1;
}

static void cut_everywhere(void)
{
	make_log();
	for (size_t size = 0; size < log_.packed.size; size++) {
		struct outcome o = read_data(log_.packed.data, size);
		const size_t frames = whole_frames(size);

		if (size == 0) {
			CHECK_STR(o.message, "empty file\n");
		} else if (size < 4) {
			CHECK_STR(o.message, "not a pymemtrace log\n");
		} else if (size < entry(&log_.packed, 0)->packed_bytes) {
			CHECK_STR(o.message, "cut off within its header\n");
		} else {
			CHECK(o.opened && o.damage.truncated && o.damage.chunks_damaged == 0);
			CHECK_EQ(o.events, frames < 2 ? 0 : (frames - 1) * EVENTS_EACH);
			CHECK_EQ(o.damage.bytes_lost, (CHUNKS - frames) * CHUNK);
		}
	}
}

/* One chunk at most is lost, and that is told; or nothing is, and nothing is said. */
static void check_flip(const struct outcome *o, size_t at)
{
	const uint64_t all = (CHUNKS - 1) * EVENTS_EACH;

	if (at < entry(&log_.packed, 1)->offset) {
		CHECK(!o->opened || is_good(o));
		return;
	}
	CHECK(o->opened);
	if (at >= log_.index)
		CHECK(o->damage.index_damaged && !o->damage.truncated && o->events == all);
	else if (!is_good(o))
		CHECK(o->damage.chunks_damaged == 1 && o->damage.bytes_lost == CHUNK &&
		      o->events >= all - EVENTS_EACH && !o->damage.truncated);
}

static void flip_everywhere(void)
{
	static const uint8_t bits[] = {0x01, 0x10, 0x80, 0xff};

	make_log();
	struct bytes packed = copy_packed();

	for (size_t at = 0; at < packed.size; at++)
		for (size_t i = 0; i < sizeof(bits); i++) {
			packed.data[at] ^= bits[i];
			struct outcome o = read_data(packed.data, packed.size);

			check_flip(&o, at);
			packed.data[at] ^= bits[i];
		}
	free(packed.data);
}

/* The same when the index is lost, too: only the frame that is hit is not found. */
static void flip_without_index(void)
{
	make_log();
	struct bytes packed = copy_packed();

	packed.size = log_.index;
	for (size_t at = entry(&log_.packed, 1)->offset; at < packed.size; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			packed.data[at] ^= (uint8_t)(1 << bit);
			struct outcome o = read_data(packed.data, packed.size);

			CHECK(o.opened && o.damage.truncated);
			CHECK(o.damage.chunks_damaged <= 1);
			CHECK(o.events >= (CHUNKS - 2) * EVENTS_EACH);
			CHECK(o.damage.bytes_lost == CHUNK ||
			      o.events == (CHUNKS - 1) * EVENTS_EACH);
			packed.data[at] ^= (uint8_t)(1 << bit);
		}
	free(packed.data);
}

/* An index that is wrong, but has its checksum. */
static void index_lies(void)
{
	make_log();
	for (int round = 0; round < 3000; round++) {
		struct bytes packed = copy_packed();
		uint8_t *index = packed.data + log_.index;

		for (int i = 0; i <= round % 4; i++) {
			const uint64_t r = check_random();

			index[r % (packed.size - log_.index)] = (uint8_t)(r >> 40);
		}
		sum_index(&packed, CHUNKS + 1);
		struct outcome o = read_data(packed.data, packed.size);

		/* the last entry may lie about its size: a chunk may be shorter there */
		CHECK(o.opened && o.events >= (CHUNKS - 2) * EVENTS_EACH);
		CHECK(is_good(&o) || o.damage.index_damaged || o.damage.truncated ||
		      o.damage.chunks_damaged == 1);
		free(packed.data);
	}
	struct bytes packed = copy_packed();

	/* the border between two frames moved: fits, but both cannot be decompressed */
	entry(&packed, 2)->packed_bytes -= 3;
	entry(&packed, 3)->offset -= 3;
	entry(&packed, 3)->packed_bytes += 3;
	sum_index(&packed, CHUNKS + 1);
	struct outcome o = read_data(packed.data, packed.size);

	CHECK(o.opened);
	CHECK_EQ(o.damage.chunks_damaged, 2);
	CHECK_EQ(o.events, (CHUNKS - 3) * EVENTS_EACH);
	free(packed.data);
}

/* Counts and sizes as large as can be: the environment of this test forbids large memory. */
static void index_claims_much(void)
{
	static const uint32_t much[] = {0x7fffffff, 0x0ffffff0, 0xfffffff0, 0xffffffff, 0};

	make_log();
	for (size_t i = 0; i < sizeof(much) / sizeof(much[0]); i++)
		for (size_t at = 0; at < INDEX_HEAD + 2 * INDEX_ENTRY; at += 4) {
			struct bytes packed = copy_packed();
			uint8_t *tail = packed.data + packed.size - INDEX_TAIL;
			const uint32_t size = much[i] * INDEX_ENTRY + INDEX_HEAD + INDEX_TAIL;

			memcpy(packed.data + log_.index + at, &much[i], 4);
			if (at == 20)
				memcpy(tail + 8, &size, 4);
			sum_index(&packed, CHUNKS + 1);
			struct outcome o = read_data(packed.data, packed.size);

			CHECK(o.opened && o.events == (CHUNKS - 1) * EVENTS_EACH);
			free(packed.data);
		}
}

/* Replace the frame NUMBER by FRAME, without the index. */
static struct outcome read_with_frame(size_t number, const void *frame, size_t size)
{
	const size_t from = entry(&log_.packed, number)->offset;
	const size_t to = from + entry(&log_.packed, number)->packed_bytes;
	struct bytes packed = {malloc(log_.index + size), 0};

	memcpy(packed.data, log_.packed.data, from);
	memcpy(packed.data + from, frame, size);
	memcpy(packed.data + from + size, log_.packed.data + to, log_.index - to);
	packed.size = log_.index - (to - from) + size;
	struct outcome o = read_data(packed.data, packed.size);

	free(packed.data);
	return o;
}

/* A frame of so many zeros. UNKNOWN: it does not say how many. */
static struct bytes zero_frame(size_t zeros, bool unknown)
{
	struct bytes frame = {malloc(1 << 20), 0};
	uint8_t *data = calloc(1, zeros);
	ZSTD_CCtx *context = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, !unknown);
	frame.size = ZSTD_compress2(context, frame.data, 1 << 20, data, zeros);
	CHECK(!ZSTD_isError(frame.size));
	ZSTD_freeCCtx(context);
	free(data);
	return frame;
}

static void bombs(void)
{
	static const size_t zeros[] = {CHUNK + 1, 30 << 20};

	make_log();
	for (size_t i = 0; i < 2; i++)
		for (int unknown = 0; unknown < 2; unknown++) {
			struct bytes frame = zero_frame(zeros[i], unknown);
			struct outcome o = read_with_frame(2, frame.data, frame.size);

			CHECK(o.opened && o.damage.chunks_damaged == 1);
			CHECK_EQ(o.events, (CHUNKS - 2) * EVENTS_EACH);
			o = read_with_frame(0, frame.data, frame.size);
			CHECK(!o.opened);
			free(frame.data);
		}
	/* a frame that says it holds less than it does */
	struct bytes frame = zero_frame(100000, false);

	for (size_t at = 5; at < 9; at++) {
		uint8_t saved = frame.data[at];

		frame.data[at] = 0;
		struct outcome o = read_with_frame(2, frame.data, frame.size);

		CHECK(o.opened && o.damage.chunks_damaged == 1);
		frame.data[at] = saved;
	}
	free(frame.data);
}

/* Starts of frames everywhere: looking at each must not take for ever. */
static void false_frames(void)
{
	static const uint8_t start[] = {0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x00, 0x01};
	struct bytes rubbish = {calloc(1, 8 << 20), 8 << 20};

	make_log();
	for (size_t at = 0; at + sizeof(start) < rubbish.size; at += 16)
		memcpy(rubbish.data + at, start, sizeof(start));
	struct outcome o = read_with_frame(2, rubbish.data, rubbish.size);

	CHECK(o.opened && o.damage.chunks_damaged != 0);
	free(rubbish.data);
}

/* Files that zstd made, of a log and of other things. */
static void others(void)
{
	make_log();
	struct bytes frame = zero_frame(10000, false);
	struct outcome o = read_data(frame.data, frame.size);

	CHECK_STR(o.message, "not a pymemtrace log\n");
	free(frame.data);
	frame = (struct bytes){malloc(1 << 20), 0};
	frame.size = ZSTD_compress(frame.data, 1 << 20, log_.plain.data, log_.plain.size, 3);
	o = read_data(frame.data, frame.size);
	CHECK_STR(o.message, "compressed, but not by `pymemtrace compress`; decompress it first\n");
	free(frame.data);
}

/* What is lost becomes a place that counts as damaged. */
static void decompress_damaged(void)
{
	make_log();
	struct bytes packed = copy_packed(), plain = {0};
	struct pack_result result;
	struct pack pack;

	packed.data[entry(&log_.packed, 3)->offset + 20] ^= 4;
	struct readlog file = readlog_create(packed.data, packed.size);
	struct readlog copy = readlog_create("", 0);
	FILE *out = fopen(copy.path, "wb");

	CHECK_EQ(pack_init(&pack, file.path), 0);
	CHECK_EQ(pack_decompress(&pack, out, "plain", &result), 0);
	fclose(out);
	CHECK_EQ(result.lost, 1);
	CHECK_EQ(result.lost_bytes, CHUNK);
	plain = (struct bytes){malloc(log_.plain.size), log_.plain.size};
	CHECK_EQ(pread(copy.fd, plain.data, plain.size, 0), plain.size);
	struct outcome o = read_data(plain.data, plain.size);

	CHECK_EQ(o.damage.chunks_damaged, 1);
	CHECK_EQ(o.events, (CHUNKS - 2) * EVENTS_EACH);
	pack_fini(&pack);
	readlog_destroy(&file);
	readlog_destroy(&copy);
	free(packed.data);
	free(plain.data);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"reads as the plain one", reads_as_plain},
		{"zstd makes the log of it again", zstd_reads_it},
		{"odd sizes, and chunks of zeros", odd_sizes},
		{"large frames without an index", many_without_index},
		{"cut at every byte", cut_everywhere},
		{"every byte changed", flip_everywhere},
		{"every bit changed, no index", flip_without_index},
		{"an index that lies", index_lies},
		{"an index that claims much", index_claims_much},
		{"bombs", bombs},
		{"starts of frames everywhere", false_frames},
		{"what others compressed", others},
		{"decompressing a damaged one", decompress_damaged},
		{0},
	};
	int status = check_run(tests);

	free(log_.plain.data);
	free(log_.packed.data);
	return status;
}
