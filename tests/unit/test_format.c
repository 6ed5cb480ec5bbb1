/* SPDX-License-Identifier: MIT */
/* Names, options and header texts. */
#include "check.h"

#include "log.h"
#include "names.h"
#include "options.h"

static void names(void)
{
	CHECK_STR(pmt_name("ALLOCATOR", PMT_ALLOCATOR_CALLOC), "calloc");
	CHECK_STR(pmt_name("STATE", PMT_STATE_CLOSED), "closed");
	CHECK(pmt_name("STATE", 1000) == NULL);
	CHECK(pmt_name("NOSUCH", 0) == NULL);
}

/* A number means one thing in its set, and so does a name. */
static void names_are_unique(void)
{
	for (const struct pmt_name *a = pmt_name_table; a->set != NULL; a++)
		for (const struct pmt_name *b = a + 1; b->set != NULL; b++)
			CHECK(strcmp(a->set, b->set) != 0 ||
			      (a->number != b->number && strcmp(a->name, b->name) != 0));
}

static const struct pmt_option_info *option(const char *flag)
{
	const struct pmt_option_info *info = pmt_option_infos;

	while (info->env != NULL && strcmp(info->flag, flag) != 0)
		info++;
	return info;
}

/* What is allowed for FLAG when TEXT is refused; "" when it is taken. */
static const char *set(struct pmt_options *options, const char *flag, const char *text)
{
	static char allowed[200];

	allowed[0] = '\0';
	if (pmt_option_set(options, option(flag), text, allowed, sizeof(allowed)) == 0)
		return "";
	return allowed;
}

static void option_defaults(void)
{
	struct pmt_options o;

	memset(&o, 0xff, sizeof(o));
	pmt_options_init(&o);
	CHECK_STR(o.output, "pymemtrace.%p.pmt");
	CHECK_EQ(o.trace, 1U << PMT_TRACED_MALLOC | 1U << PMT_TRACED_MMAP | 1U << PMT_TRACED_RSS |
				  1U << PMT_TRACED_PYMEM);
	CHECK_EQ(o.chunk_size, 65536);
	CHECK_EQ(o.follow, 1);
	CHECK_EQ(o.non_python, 0);
	for (const struct pmt_option_info *i = pmt_option_infos; i->env != NULL; i++) {
		CHECK(strncmp(i->env, PMT_OPTION_PREFIX, strlen(PMT_OPTION_PREFIX)) == 0);
		CHECK_STR(set(&o, i->flag, i->standard), "");
	}
}

static void option_values(void)
{
	struct pmt_options o;

	pmt_options_init(&o);
	CHECK_STR(set(&o, "max-size", "12k"), "");
	CHECK_EQ(o.max_size, 12 << 10);
	CHECK_STR(set(&o, "max-size", "3M"), "");
	CHECK_EQ(o.max_size, 3 << 20);
	CHECK_STR(set(&o, "max-size", "2G"), "");
	CHECK_EQ(o.max_size, 2ULL << 30);
	CHECK_STR(set(&o, "trace", "rss,malloc"), "");
	CHECK_EQ(o.trace, 1U << PMT_TRACED_MALLOC | 1U << PMT_TRACED_RSS);
	CHECK_STR(set(&o, "follow", "no"), "");
	CHECK_EQ(o.follow, 0);
	CHECK_STR(set(&o, "stack-depth", "16384"), "");
	CHECK_EQ(o.stack_depth, 16384);
}

static void option_refusals(void)
{
	static const char *const wrong[][2] = {
		{"stack-depth", ""},
		{"stack-depth", "16385"},
		{"stack-depth", "-1"},
		{"stack-depth", "1K"},
		{"stack-depth", " 1"},
		{"stack-depth", "99999999999999999999999"},
		{"max-size", "1T"},
		{"max-size", "1KK"},
		{"max-size", "18014398509481985K"},
		{"chunk-size", "16K"},
		{"chunk-size", "100000"},
		{"trace", ""},
		{"trace", "malloc,"},
		{"trace", ",malloc"},
		{"trace", "mallo"},
		{"trace", "malloc rss"},
		{"follow", "maybe"},
		{"follow", ""},
		{"output", ""},
	};
	struct pmt_options before, after;

	pmt_options_init(&before);
	after = before;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK(set(&after, wrong[i][0], wrong[i][1])[0] != '\0');
	CHECK(memcmp(&before, &after, sizeof(before)) == 0);
	CHECK_STR(set(&after, "verbosity", "4"), "a number from 0 to 3");
	CHECK_STR(set(&after, "follow", "2"), "on or off");
}

/* A refusal must fit whatever room the caller has. */
static void short_room(void)
{
	char text[8];
	struct pmt_options o;

	memset(text, 'x', sizeof(text));
	CHECK_EQ(pmt_option_set(&o, option("follow"), "2", text, 4), -1);
	CHECK_STR(text, "on ");
	CHECK_EQ(text[4], 'x');
	CHECK_EQ(pmt_option_set(&o, option("follow"), "2", text, 0), -1);
	CHECK_STR(text, "on ");
}

union head {
	struct pmt_header header;
	uint8_t bytes[PMT_HEADER_BYTES];
};

static void header_texts(void)
{
	static union head h;
	const char *data = NULL;

	memset(&h, 0, sizeof(h));
	CHECK_EQ(pmt_header_get_text(&h.header, 1, &data), -1);
	CHECK_EQ(pmt_header_put_text(&h.header, 1, "a\0b", 3), 0);
	CHECK_EQ(pmt_header_put_text(&h.header, 2, "", 0), 0);
	CHECK_EQ(pmt_header_put_text(&h.header, 3, "xyz", 3), 0);
	CHECK_EQ(pmt_header_get_text(&h.header, 1, &data), 3);
	CHECK(memcmp(data, "a\0b", 3) == 0);
	CHECK_EQ(pmt_header_get_text(&h.header, 2, &data), 0);
	CHECK_EQ(pmt_header_get_text(&h.header, 3, &data), 3);
	CHECK(memcmp(data, "xyz", 3) == 0);
	CHECK_EQ(pmt_header_get_text(&h.header, 4, &data), -1);
}

/* Too long a text is cut and says so; nothing is written behind the header. */
static void header_full(void)
{
	static struct {
		union head h;
		uint8_t guard;
	} g;
	static char text[2 * PMT_HEADER_BYTES];
	const char *data = NULL;

	memset(&g, 0, sizeof(g));
	memset(text, 'a', sizeof(text));
	g.guard = 77;
	CHECK_EQ(pmt_header_put_text(&g.h.header, 1, text, sizeof(text)), 0);
	CHECK_EQ(pmt_header_put_text(&g.h.header, 2, text, 1), -1);
	CHECK_EQ(g.h.header.texts_bytes, PMT_TEXTS_MAX);
	CHECK_EQ(g.guard, 77);
	long size = pmt_header_get_text(&g.h.header, 1, &data);

	CHECK_EQ(size, PMT_TEXTS_MAX - 4);
	CHECK(size > 4 && memcmp(data + size - 4, "a...", 4) == 0);
}

/* Any bytes are safe to look through; a text never reaches beyond the header. */
static void header_hostile(void)
{
	static union head h;

	for (int round = 0; round < 2000; round++) {
		for (size_t i = 0; i < sizeof(h); i += 8) {
			uint64_t r = check_random() & 0x00ff000f00ff000f;

			memcpy(h.bytes + i, &r, 8);
		}
		h.header.texts_bytes = (uint32_t)(check_random() >> (32 + round % 32));
		for (unsigned key = 0; key < 16; key++) {
			const char *data = NULL;
			long size = pmt_header_get_text(&h.header, key, &data);

			CHECK(size < 0 || (const uint8_t *)data + size <= h.bytes + sizeof(h));
		}
	}
}

/* The checksum covers all but the part that changes while the log is written. */
static void header_checksum(void)
{
	static union head h;
	const size_t live = offsetof(struct pmt_header, live);

	memset(&h, 3, sizeof(h));
	h.header.texts_bytes = 100;
	uint64_t good = pmt_header_checksum(&h.header);

	for (size_t i = 0; i < PMT_TEXTS_OFFSET + 100; i++) {
		bool covered = i < offsetof(struct pmt_header, checksum) ||
			       i >= offsetof(struct pmt_header, checksum) + sizeof(uint64_t);

		if (i >= live && i < live + sizeof(h.header.live))
			covered = false;
		h.bytes[i] ^= 0x10;
		CHECK_EQ(pmt_header_checksum(&h.header) != good, covered);
		h.bytes[i] ^= 0x10;
	}
}

int main(void)
{
	static const struct check_test tests[] = {
		{"names", names},
		{"names are unique", names_are_unique},
		{"options: defaults", option_defaults},
		{"options: values", option_values},
		{"options: refusals", option_refusals},
		{"options: little room for the refusal", short_room},
		{"header: texts", header_texts},
		{"header: full", header_full},
		{"header: hostile", header_hostile},
		{"header: checksum", header_checksum},
		{0},
	};

	return check_run(tests);
}
