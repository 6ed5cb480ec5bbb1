/* SPDX-License-Identifier: MIT */
/* Small parts of the tools: command lines, near words, ids. */
#include "check.h"

#include <stdlib.h>

#include "command_line.h"
#include "filter.h"
#include "hashindex.h"
#include "idmap.h"
#include "nearest.h"
#include "text_list.h"

static struct {
	bool all, brief;
	const char *output;
	uint64_t count;
	int by;
	struct text_list include;
	char called[100];
} got;

static int call(const struct command_option *o, const char *value, bool negated)
{
	snprintf(got.called, sizeof(got.called), "%s %s %d", o->name, value == NULL ? "-" : value,
		 negated);
	return value != NULL && strcmp(value, "bad") == 0 ? -1 : 0;
}

static const struct command_option options[] = {
	{.name = "all", .letter = 'a', .kind = COMMAND_SWITCH, .target = &got.all},
	{.name = "brief", .letter = 'b', .kind = COMMAND_SWITCH, .target = &got.brief},
	{.name = "output",
	 .letter = 'o',
	 .value = "FILE",
	 .kind = COMMAND_TEXT,
	 .target = &got.output},
	{.name = "count", .letter = 'n', .value = "N", .kind = COMMAND_COUNT, .target = &got.count},
	{.name = "by", .value = "line|function|file", .kind = COMMAND_CHOICE, .target = &got.by},
	{.name = "include", .value = "GLOB", .kind = COMMAND_LIST, .target = &got.include},
	{.name = "follow",
	 .letter = 'f',
	 .value = "on|off",
	 .kind = COMMAND_CALL,
	 .set = call,
	 .optional = true,
	 .negatable = true},
	{0},
};

static const struct command_line usual = {.name = "usual", .options = options};
static const struct command_line stopping = {
	.name = "stopping", .options = options, .stop_at_operand = true};

static char *arguments[20];
static bool help;
static char message[300];

/* Parse a line of words with single spaces; arguments[] is what is left. */
static int parse(const struct command_line *of, const char *line)
{
	static char words[300];
	int count = 0;

	free(got.include.items);
	memset(&got, 0, sizeof(got));
	snprintf(words, sizeof(words), "%s", line);
	for (char *p = strtok(words, " "); p != NULL; p = strtok(NULL, " "))
		arguments[count++] = p;
	check_capture_begin();
	struct command_line parsed = *of;

	parsed.count = count;
	parsed.arguments = arguments;
	const int rc = command_line_parse(&parsed);

	help = parsed.help;
	check_capture_end(message, sizeof(message));
	CHECK_EQ(message[0] != '\0', rc < 0);
	return rc;
}

static void arguments_taken(void)
{
	CHECK_EQ(parse(&usual, ""), 0);
	CHECK_EQ(parse(&usual, "x -a y --output=f z"), 3);
	CHECK(got.all && !got.brief);
	CHECK_STR(got.output, "f");
	CHECK_STR(arguments[0], "x");
	CHECK_STR(arguments[2], "z");
	CHECK_EQ(parse(&usual, "-abn5 --by function --include a --include=b -"), 1);
	CHECK(got.all && got.brief);
	CHECK_EQ(got.count, 5);
	CHECK_EQ(got.by, 1);
	CHECK_EQ(got.include.count, 2);
	CHECK_STR(got.include.items[1], "b");
	CHECK_STR(arguments[0], "-");
	CHECK_EQ(parse(&usual, "-o -a"), 0);
	CHECK_STR(got.output, "-a");
	CHECK_EQ(parse(&usual, "--output= x"), 1);
	CHECK_STR(got.output, "");
	CHECK_EQ(parse(&usual, "-- -a --nosuch"), 2);
	CHECK(!got.all);
}

static void optional_values(void)
{
	CHECK_EQ(parse(&usual, "--follow x"), 1);
	CHECK_STR(got.called, "follow - 0");
	CHECK_EQ(parse(&usual, "--follow off"), 0);
	CHECK_STR(got.called, "follow off 0");
	CHECK_EQ(parse(&stopping, "--follow on x"), 1);
	CHECK_STR(got.called, "follow on 0");
	CHECK_EQ(parse(&stopping, "--follow -- on"), 1);
	CHECK_STR(got.called, "follow - 0");
	CHECK_EQ(parse(&usual, "--follow=off"), 0);
	CHECK_STR(got.called, "follow off 0");
	CHECK_EQ(parse(&usual, "--no-follow"), 0);
	CHECK_STR(got.called, "follow - 1");
	CHECK_EQ(parse(&usual, "-f x"), 1);
	CHECK_STR(got.called, "follow - 0");
}

/* A switch is on or off, however it is written; the last one counts. */
static void switches(void)
{
	CHECK_EQ(parse(&usual, "--all=on"), 0);
	CHECK(got.all);
	CHECK_EQ(parse(&usual, "--all --all=off"), 0);
	CHECK(!got.all);
	CHECK_EQ(parse(&usual, "--all on x"), 1);
	CHECK(got.all);
	CHECK_EQ(parse(&usual, "-a --all off x"), 1);
	CHECK(!got.all);
	CHECK_EQ(parse(&usual, "--all --no-all"), 0);
	CHECK(!got.all);
	CHECK_EQ(parse(&usual, "-a off"), 1);
	CHECK(got.all);
}

static void arguments_refused(void)
{
	static const char *const wrong[][2] = {
		{"--nosuch",
		 "pymemtrace: usual: no option --nosuch; `pymemtrace usual --help` lists them\n"},
		{"--outptu x", "pymemtrace: usual: no option --outptu; did you mean --output?\n"},
		{"-x", "pymemtrace: usual: no option -x; `pymemtrace usual --help` lists them\n"},
		{"-ax", "pymemtrace: usual: no option -x; `pymemtrace usual --help` lists them\n"},
		{"--output", "pymemtrace: --output wants a value: FILE\n"},
		{"-o", "pymemtrace: --output wants a value: FILE\n"},
		{"--all=1", "pymemtrace: --all 1: not allowed, wants on or off\n"},
		{"--no-all=on", "pymemtrace: --no-all takes no value\n"},
		{"--no-count", "pymemtrace: usual: no option --no-count; did you mean --count?\n"},
		{"-n x", "pymemtrace: --count x: not allowed, wants a whole number\n"},
		{"-n -1", "pymemtrace: --count -1: not allowed, wants a whole number\n"},
		{"-n 99999999999999999999",
		 "pymemtrace: --count 99999999999999999999: not allowed, wants a whole number\n"},
		{"--by lin",
		 "pymemtrace: --by lin: not allowed, wants one of line|function|file\n"},
		{"--by line|function",
		 "pymemtrace: --by line|function: not allowed, wants one of line|function|file\n"},
		{"--no-follow=on", "pymemtrace: --no-follow takes no value\n"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CHECK_EQ(parse(&usual, wrong[i][0]), -1);
		if (wrong[i][1] != NULL)
			CHECK_STR(message, wrong[i][1]);
	}
}

static void stops_at_operand(void)
{
	CHECK_EQ(parse(&stopping, "-a cmd -b --nosuch"), 3);
	CHECK(got.all && !got.brief);
	CHECK_STR(arguments[1], "-b");
	CHECK_EQ(parse(&stopping, "-a -- -b x"), 2);
	CHECK(!got.brief);
}

static void asks_for_help(void)
{
	CHECK_EQ(parse(&usual, "x --help --nosuch"), 0);
	CHECK(help);
	CHECK_EQ(parse(&stopping, "x --help"), 2);
	CHECK(!help);
}

/* Whether the filter that includes PATTERN passes a frame. */
static bool passes(const char *pattern, const char *file, const char *function)
{
	const struct filter filter = {.include = {&pattern, 1}};

	return filter_passes(&filter, filter_look(&filter, file, function));
}

static void filters(void)
{
	static const char numpy[] = "/venv/lib/python3.11/site-packages/numpy/core/numeric.py";
	static const char egg[] = "/x/site-packages/requests-2.31-py3.11.egg/requests/api.py";
	static const char six[] = "/usr/lib/python3/dist-packages/six.py";
	static const char *const yes[][3] = {
		{"/app/shop.py", "/app/shop.py", "main"},
		{"*/shop.py", "/app/shop.py", "main"},
		{"shop.py", "/app/shop.py", "main"},
		{"file:shop.*", "/app/shop.py", "main"},
		{"main", "/app/shop.py", "main"},
		{"load", "/app/shop.py", "Shop.load"},
		{"function:Shop.*", "/app/shop.py", "Shop.load"},
		{"<lambda>", "/app/shop.py", "f.<locals>.<lambda>"},
		{"numpy", numpy, "full"},
		{"package:num*", numpy, "full"},
		{"package:requests", egg, "get"},
		{"package:six", six, "u"},
		{"package:six", "/x/six-1.16-py2.py3-none-any.whl/six.py", "u"},
		{"package:yaml", "/x/PyYAML-6.0-py3.9.egg/yaml/a.py", "f"},
		{"package:PyYAML", "/x/PyYAML-6.0-py3.9.egg/yaml/a.py", "f"},
	};
	static const char *const no[][3] = {
		{"/shop.py", "/app/shop.py", "main"},
		{"app", "/app/shop.py", "main"},
		{"file:main", "/app/shop.py", "main"},
		{"function:shop.py", "/app/shop.py", "main"},
		{"package:core", numpy, "full"},
		{"package:full", numpy, "full"},
		{"package:numpy", "/home/numpy/app.py", "main"},
		{"package:*", "/usr/lib/python3.11/json/decoder.py", "decode"},
		{"package:site-packages", numpy, "full"},
		{"package:requests-2.31-py3.11.egg", egg, "get"},
		{"", "/app/shop.py", "main"},
	};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		CHECK(passes(yes[i][0], yes[i][1], yes[i][2]));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		CHECK(!passes(no[i][0], no[i][1], no[i][2]));
}

static void near_words(void)
{
	static const char *const words[] = {"text", "json", "gnuplot", "stats", "top"};
	static const char *const cases[][2] = {{"tex", "text"},	       {"jsno", "json"},
					       {"gnupolt", "gnuplot"}, {"stat", "stats"},
					       {"xyzzy", NULL},	       {"", NULL}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nearest n = nearest_begin(cases[i][0]);
		const char *found = NULL;

		for (size_t j = 0; j < sizeof(words) / sizeof(words[0]); j++)
			if (nearest_try(&n, words[j]))
				found = words[j];
		CHECK_STR(found == NULL ? "none" : found,
			  cases[i][1] == NULL ? "none" : cases[i][1]);
	}
}

/* Ids in any order, near and far: found again, refused twice, absent ones absent. */
static void ids(void)
{
	struct idmap map = {0};
	enum { COUNT = 5000 };
	static uint64_t put[COUNT];

	for (uint32_t i = 0; i < COUNT; i++) {
		uint64_t id = i % 3 == 0 ? check_random() | 1ULL << 50 : (i + 1) ^ 64;

		put[i] = id;
		CHECK_EQ(idmap_put(&map, id, i), 0);
		CHECK_EQ(idmap_put(&map, id, i), -1);
	}
	for (uint32_t i = 0; i < COUNT; i++)
		CHECK_EQ(idmap_get(&map, put[i]), i);
	CHECK_EQ(idmap_get(&map, 0), -1);
	CHECK_EQ(idmap_get(&map, 1ULL << 40), -1);
	CHECK_EQ(idmap_get(&map, 10 * COUNT), -1);
	CHECK_EQ(idmap_put(&map, 0, 1), -1);
	CHECK_EQ(map.count, COUNT);
	CHECK(map.direct_size <= COUNT * 8);
	idmap_fini(&map);
	CHECK_EQ(idmap_get(&map, put[1]), -1);
}

/* The number N for which N * ODD is 1, modulo 2^64. */
static uint64_t inverse(uint64_t odd)
{
	uint64_t n = odd;

	for (int i = 0; i < 5; i++)
		n *= 2 - odd * n;
	return n;
}

/* How many cells in a row are in use at most: so far may a search go. */
static size_t longest_run(const struct hashindex *index)
{
	size_t longest = 0;
	size_t run = 0;

	for (size_t i = 0; i <= index->mask; i++) {
		run = index->cells[i].number == 0 ? 0 : run + 1;
		longest = run > longest ? run : longest;
	}
	return longest;
}

/* A log may choose its ids so that products with a number that is known begin with equal bits. */
static void chosen_ids_do_not_collide(void)
{
	const uint64_t known = inverse(0x9e3779b97f4a7c15ULL);
	struct idmap map = {0};
	uint32_t count = 0;

	for (uint64_t i = 1; count < 10000; i++)
		if (i * known >> 40 != 0)
			CHECK_EQ(idmap_put(&map, i * known, count++), 0);
	CHECK(map.far_count > 9000);
	CHECK(longest_run(&map.far_index) < 500);
	CHECK_EQ(idmap_put(&map, 1ULL << 62, count), 0);
	CHECK_EQ(idmap_get(&map, 1ULL << 62), count);
	idmap_fini(&map);
}

/* Texts that differ in their length, or in the order of their parts, have different hashes. */
static void hashes_of_texts_differ(void)
{
	static const char *const texts[] = {
		"",	    "a",	"a\0",	    "abcdefgh",		"abcdefghi",
		"hgfedcba", "abbabaab", "baababba", "aaaaaaaabbbbbbbb", "bbbbbbbbaaaaaaaa"};
	static const size_t sizes[] = {0, 1, 2, 8, 9, 8, 8, 8, 16, 16};
	enum { COUNT = sizeof(texts) / sizeof(texts[0]) };
	struct hashindex index, other;

	hashindex_init(&index, "texts");
	hashindex_init(&other, "texts");
	for (size_t i = 0; i < COUNT; i++) {
		const uint64_t hash = hashindex_mix_text(&index, 0, texts[i], sizes[i]);

		CHECK_EQ(hashindex_mix_text(&index, 0, texts[i], sizes[i]), hash);
		CHECK(i == 0 || hashindex_mix_text(&other, 0, texts[i], sizes[i]) != hash);
		for (size_t j = 0; j < i; j++)
			CHECK(hashindex_mix_text(&index, 0, texts[j], sizes[j]) != hash);
	}
	hashindex_fini(&index);
	hashindex_fini(&other);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"arguments: taken", arguments_taken},
		{"arguments: optional values", optional_values},
		{"arguments: switches", switches},
		{"arguments: refused", arguments_refused},
		{"arguments: stop at the first operand", stops_at_operand},
		{"arguments: help", asks_for_help},
		{"filters: files, functions, packages", filters},
		{"near words", near_words},
		{"ids", ids},
		{"ids that were chosen to collide", chosen_ids_do_not_collide},
		{"hashes of texts", hashes_of_texts_differ},
		{0},
	};
	int status = check_run(tests);

	free(got.include.items);
	return status;
}
