/* SPDX-License-Identifier: MIT */
/*
 * Encoder and decoder fit together: for each record of records.def, with random and extreme values;
 * every cut record is refused, and a refused or skipped record leaves no trace in the decoder.
 */
#include "check.h"

#include "record.h"

/* Fields are compared by these tables, so a new record is tested without a line here. */
typedef void put_function(struct pmt_encoder *e, unsigned variant, const struct pmt_record *r);

#define PMT_RECORD(name, tag, variants, form, doc)                                                 \
	static void put_##name(struct pmt_encoder *e, unsigned variant,                            \
			       const struct pmt_record *r)                                         \
	{                                                                                          \
		pmt_put_##name(e, variant, &r->name);                                              \
	}
#define PMT_FIELD(record, codec, field, show, doc)
#define PMT_END(name)
#include "records.def"
#undef PMT_RECORD

static put_function *const put_functions[PMT_REC_COUNT] = {
#define PMT_RECORD(name, tag, variants, form, doc) put_##name,
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END
};

static const uint64_t edges[] = {
	0,
	1,
	0x7f,
	0x80,
	0x3fff,
	0x4000,
	UINT32_MAX,
	1ULL << 32,
	1ULL << 47,
	1ULL << 61,
	INT64_MAX,
	1ULL << 63,
	UINT64_MAX,
	UINT64_MAX - 1,
	0x7fffffffff,
	4095,
	0x12345678,
	0xfedcba9876543210,
};

static uint64_t any_number(void)
{
	uint64_t r = check_random();

	if (r % 3 == 0)
		return edges[(r >> 8) % (sizeof(edges) / sizeof(edges[0]))];
	return check_random() >> (r >> 8) % 64;
}

/* Random fields. Addresses stay below 2^62; times and orders grow from STATE's. */
static void fill(struct pmt_record *r, unsigned variant, const struct pmt_state *state)
{
	static uint8_t bytes[PMT_PAYLOAD_MAX];

	for (const struct pmt_field *f = pmt_record_infos[r->type].fields; f->name != NULL; f++) {
		char *at = (char *)r + f->offset;
		uint64_t n = any_number();

		if (strcmp(f->codec, "bytes") == 0) {
			struct pmt_bytes b = {bytes, (uint32_t)(n % 300)};

			for (uint32_t i = 0; i < b.size; i++)
				bytes[i] = (uint8_t)check_random();
			memcpy(at, &b, sizeof(b));
			continue;
		}
		if (strcmp(f->codec, "variant") == 0)
			n = variant;
		if (strcmp(f->codec, "resident") == 0)
			n &= ~4095ULL;
		if (strcmp(f->codec, "addr") == 0)
			n &= (1ULL << 62) - 1;
		if (strcmp(f->codec, "time") == 0)
			n = state->time_ns + n % (UINT64_MAX - state->time_ns);
		if (strcmp(f->codec, "order") == 0)
			n = state->order + n % (UINT64_MAX - state->order);
		memcpy(at, &n, sizeof(n));
	}
}

static void compare(const struct pmt_record *a, const struct pmt_record *b)
{
	const struct pmt_record_info *info = &pmt_record_infos[a->type];

	CHECK_EQ(a->type, b->type);
	for (const struct pmt_field *f = info->fields; f->name != NULL; f++) {
		const char *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;

		if (strcmp(f->codec, "bytes") == 0) {
			const struct pmt_bytes *p = (const void *)x, *q = (const void *)y;

			CHECK_EQ(p->size, q->size);
			CHECK(p->size == q->size && memcmp(p->data, q->data, p->size) == 0);
		} else if (memcmp(x, y, sizeof(uint64_t)) != 0 && check_fail(__FILE__, __LINE__)) {
			printf("%s.%s differs\n", info->name, f->name);
		}
	}
}

/* Each byte of the record missing: refused, and the decoder is as before. */
static void cut(const uint8_t *data, size_t size, const struct pmt_state *state)
{
	for (size_t kept = 0; kept < size; kept++) {
		struct pmt_decoder d = {data, data + kept, *state};
		struct pmt_decoder before = d;
		struct pmt_record r;

		CHECK_EQ(pmt_get_record(&d, &r), kept == 0 ? 0 : -1);
		CHECK(d.cur == before.cur && d.end == before.end);
		CHECK(memcmp(&d.state, &before.state, sizeof(d.state)) == 0);
	}
}

static void round_trip(enum pmt_type type, unsigned variant, struct pmt_state *state)
{
	uint8_t data[PMT_RECORD_MAX + 1024];
	struct pmt_encoder e = {data, *state};
	struct pmt_record in = {.type = type}, out;

	fill(&in, variant, state);
	put_functions[type](&e, variant, &in);
	size_t size = (size_t)(e.cur - data);
	struct pmt_decoder d = {data, data + size, *state};

	CHECK_EQ(pmt_get_record(&d, &out), 1);
	CHECK(d.cur == d.end);
	compare(&in, &out);
	CHECK(memcmp(&d.state, &e.state, sizeof(d.state)) == 0);
	cut(data, size, state);
	*state = e.state;
	if (state->time_ns > INT64_MAX || state->order > INT64_MAX)
		memset(state, 0, sizeof(*state));
}

static void every_record(void)
{
	struct pmt_state state = {0};

	for (int round = 0; round < 300; round++)
		for (enum pmt_type type = 0; type < PMT_REC_COUNT; type++) {
			unsigned variants = pmt_record_infos[type].variants;

			round_trip(type, (unsigned)(check_random() % variants), &state);
		}
}

/* Every record without byte strings keeps within PMT_RECORD_MAX, whatever its values. */
static void largest_records(void)
{
	for (enum pmt_type type = 0; type < PMT_REC_COUNT; type++) {
		uint8_t data[1024];
		struct pmt_encoder e = {data, {0}};
		struct pmt_record r = {.type = type};

		for (const struct pmt_field *f = pmt_record_infos[type].fields; f->name != NULL;
		     f++) {
			uint64_t n = strcmp(f->codec, "addr") == 0 ? (1ULL << 62) - 1 : UINT64_MAX;

			if (strcmp(f->codec, "stack") == 0)
				n = 1ULL << 63;
			if (strcmp(f->codec, "bytes") != 0)
				memcpy((char *)&r + f->offset, &n, sizeof(n));
		}
		put_functions[type](&e, 0, &r);
		CHECK(e.cur - data <= PMT_RECORD_MAX);
	}
}

/* A record of a later version is skipped by its length and leaves the deltas alone, whatever its
 * tag. */
static void unknown_records(void)
{
	for (unsigned tag = 0x7e; tag <= 0xff; tag++) {
		const uint8_t data[] = {(uint8_t)tag, 0x83, 0x00, 1, 2, 3, 0x40, 0x10};
		struct pmt_decoder d = {data, data + sizeof(data), {.addr = 4096}};
		struct pmt_record r;

		CHECK_EQ(pmt_get_record(&d, &r), 1);
		CHECK_EQ(r.type, PMT_REC_UNKNOWN);
		CHECK(d.cur == data + 6);
		CHECK_EQ(pmt_get_record(&d, &r), 1);
		CHECK_EQ(r.type, PMT_REC_free);
		CHECK_EQ(r.free.addr, 4096 + 64);
		CHECK_EQ(pmt_get_record(&d, &r), 0);
	}
}

/* A record of a later version with more fields, and one of an earlier version with fewer. */
static void other_versions(void)
{
	static const uint8_t longer[] = {PMT_TAG_lost, 0x84, 0x00, 7, 1, 9, 9};
	static const uint8_t shorter[] = {PMT_TAG_lost, 0x81, 0x00, 7};
	struct pmt_decoder d = {longer, longer + sizeof(longer), {0}};
	struct pmt_record r;

	CHECK_EQ(pmt_get_record(&d, &r), 1);
	CHECK_EQ(r.lost.count, 7);
	CHECK_EQ(r.lost.reason, 1);
	CHECK(d.cur == d.end);
	d = (struct pmt_decoder){shorter, shorter + sizeof(shorter), {0}};
	CHECK_EQ(pmt_get_record(&d, &r), 1);
	CHECK_EQ(r.lost.count, 7);
	CHECK_EQ(r.lost.reason, 0);
}

static void refused(const uint8_t *data, size_t size)
{
	struct pmt_decoder d = {data, data + size, {.time_ns = 5, .order = 5}};
	struct pmt_record r;

	CHECK_EQ(pmt_get_record(&d, &r), -1);
	CHECK(d.cur == data);
}

#define REFUSED(...) refused((const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

/* What no encoder writes: tags that do not exist, lengths not of two bytes, numbers too long. */
static void nonsense(void)
{
	REFUSED(0x00);
	REFUSED(0x07, 0, 0, 0);
	REFUSED(0x80, 0x00, 0);
	REFUSED(0x80, 0x82, 0, 1);
	REFUSED(0xff, 0xff, 0xff);
	REFUSED(PMT_TAG_lost, 0x02, 0x00, 7, 1);
	REFUSED(PMT_TAG_lost, 0x82, 0x80, 7, 1);
	REFUSED(PMT_TAG_mark, 0x82, 0x00, 5, 1, 1, 1, 1, 1, 1);
	REFUSED(PMT_TAG_time, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02);
	REFUSED(PMT_TAG_time, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01);
	REFUSED(PMT_TAG_time, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
	REFUSED(PMT_TAG_order, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
}

/* Bytes that are mostly small numbers, or anything. */
static void near_bytes(uint8_t bytes[PMT_NEAR_MAX])
{
	const uint64_t often = check_random() % 3;

	for (size_t i = 0; i < PMT_NEAR_MAX; i++) {
		bytes[i] = (uint8_t)check_random();
		if (often == 0 || (often == 1 && check_random() % 2))
			bytes[i] &= 0x7f;
	}
}

/* The fast decoder of NAME against the other one. Returns whether it decoded. */
#define CHECK_NEAR(name, bytes)                                                                    \
	do {                                                                                       \
		struct pmt_decoder slow = {bytes,                                                  \
					   bytes + PMT_NEAR_MAX,                                   \
					   {.addr = 1000, .stack = 50, .time_ns = 7, .order = 9}}; \
		struct pmt_decoder fast = slow;                                                    \
		struct pmt_record want = {0};                                                      \
		struct pmt_##name got;                                                             \
		const unsigned variant = (unsigned)check_random() % PMT_VARIANTS_##name;           \
                                                                                                   \
		bytes[0] = (uint8_t)(PMT_TAG_##name + variant);                                    \
		fast.cur++;                                                                        \
		if (pmt_near_##name(&fast, variant, &got) != 0)                                    \
			break;                                                                     \
		done++;                                                                            \
		CHECK_EQ(pmt_get_record(&slow, &want), 1);                                         \
		CHECK_EQ(want.type, PMT_REC_##name);                                               \
		CHECK(memcmp(&got, &want.name, sizeof(got)) == 0);                                 \
		CHECK(fast.cur == slow.cur);                                                       \
		CHECK(memcmp(&fast.state, &slow.state, sizeof(slow.state)) == 0);                  \
	} while (0)

static void near_is_the_same(void)
{
	uint64_t done = 0;

	for (int round = 0; round < 20000; round++) {
		uint8_t bytes[PMT_NEAR_MAX];

		near_bytes(bytes);
		CHECK_NEAR(alloc, bytes);
		CHECK_NEAR(free, bytes);
		CHECK_NEAR(realloc, bytes);
		CHECK_NEAR(birth, bytes);
		CHECK_NEAR(soon, bytes);
	}
	CHECK(done > 80000);
}

/* Numbers of each length: up to eight bytes are near. */
static void near_lengths(void)
{
	for (unsigned bits = 0; bits < 64; bits++) {
		uint8_t bytes[PMT_NEAR_MAX] = {0};
		struct pmt_encoder e = {.cur = bytes};
		struct pmt_decoder d = {bytes, bytes + PMT_NEAR_MAX, {0}};
		uint64_t value = 0;

		codec_put_uint(&e, 1ULL << bits | 1);
		CHECK_EQ(codec_near_uint(&d, 0, &value), bits < 56 ? 0 : -1);
		CHECK_EQ(value, bits < 56 ? (1ULL << bits | 1) : 0);
		CHECK(bits >= 56 || d.cur == e.cur);
	}
}

int main(void)
{
	static const struct check_test tests[] = {
		{"every record, every cut", every_record},
		{"largest records", largest_records},
		{"unknown records are skipped", unknown_records},
		{"records of other versions", other_versions},
		{"nonsense is refused", nonsense},
		{"the fast decoder does the same", near_is_the_same},
		{"the fast decoder of numbers", near_lengths},
		{0},
	};

	return check_run(tests);
}
