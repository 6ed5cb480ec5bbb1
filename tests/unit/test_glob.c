/* SPDX-License-Identifier: MIT */
/* Lists of shell patterns: what they match, and that no pattern takes long. */
#include "check.h"

#include <fnmatch.h>
#include <stdlib.h>

#include "glob.h"

static void single_patterns(void)
{
	static const struct {
		const char *pattern, *text;
		int matches;
	} cases[] = {
		{"abc", "abc", 1},
		{"abc", "ab", 0},
		{"abc", "abcd", 0},
		{"*", "", 1},
		{"*", "anything", 1},
		{"a*", "a", 1},
		{"a*c", "abc", 1},
		{"a*c", "abcd", 0},
		{"a*b*c", "aXbXbXc", 1},
		{"*.py", "x.py", 1},
		{"*.py", "x.pyc", 0},
		{"?", "", 0},
		{"?", "x", 1},
		{"a?c", "abc", 1},
		{"a?c", "ac", 0},
		{"[abc]", "b", 1},
		{"[abc]", "d", 0},
		{"[a-c]x", "bx", 1},
		{"[!a-c]", "b", 0},
		{"[!a-c]", "d", 1},
		{"[]]", "]", 1},
		{"[a-]", "-", 1},
		{"[", "[", 1},
		{"[a", "[a", 1},
		{"\\*", "*", 1},
		{"\\*", "x", 0},
		{"/a/*/b", "/a/x/y/b", 1},
		{"A[0-9]?", "A5x", 1},
		{"*a*a*", "banana", 1},
		{"*a*a*a*a*", "banana", 0},
		{"[\xc3][\xa9]", "é", 1},
		{"é*", "été", 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if ((glob_list_match(cases[i].pattern, cases[i].text) != 0) != cases[i].matches) {
			printf("# %s with %s\n", cases[i].pattern, cases[i].text);
			CHECK(!"as expected");
		}
}

static void lists(void)
{
	CHECK(!glob_list_match("", "x"));
	CHECK(!glob_list_match("", ""));
	CHECK(!glob_list_match(",,", ""));
	CHECK(glob_list_match("a,b", "a"));
	CHECK(glob_list_match("a,b", "b"));
	CHECK(!glob_list_match("a,b", "a,b"));
	CHECK(!glob_list_match("a,b", "c"));
	CHECK(glob_list_match("a,,*z,", "xyz"));
	CHECK(!glob_list_match("[a,b]", "a"));
}

/* The C library's matcher says the same of all short patterns of a small alphabet. */
static void as_fnmatch(void)
{
	static const char letters[] = "ab*?[]!-\\";
	static const char *const texts[] = {"", "a", "b", "ab", "ba", "aab", "abab", "-", "]", "!"};
	char pattern[6] = "";
	unsigned long checked = 0;

	for (unsigned long n = 0; n < 9 * 9 * 9 * 9 * 9; n++) {
		unsigned long rest = n;

		for (int i = 0; i < 5; i++, rest /= 9)
			pattern[i] = letters[rest % 9];
		/* Sets with odd borders are not the same in each C library. */
		if (strpbrk(pattern, "[\\") != NULL)
			continue;
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			const int same = (fnmatch(pattern, texts[i], 0) == 0) ==
					 (glob_list_match(pattern, texts[i]) != 0);

			if (!same)
				printf("# %s with %s\n", pattern, texts[i]);
			CHECK(same);
			checked++;
		}
	}
	CHECK(checked > 100000);
}

/* Matchers that go back for each star would take until the end of time. */
static void hostile_patterns(void)
{
	static char pattern[4001], text[4001];

	for (int i = 0; i + 1 < 4000; i += 2)
		memcpy(pattern + i, "*a", 2);
	memset(text, 'a', 4000);
	CHECK(glob_list_match(pattern, text));
	text[3999] = 'b';
	CHECK(!glob_list_match(pattern, text));
	memset(pattern, '*', 4000);
	CHECK(glob_list_match(pattern, text));
	memset(pattern, '[', 4000);
	CHECK(!glob_list_match(pattern, text));
	/* Brackets that are never closed, each of which could be the beginning of a set. */
	memset(text, '[', 4000);
	pattern[0] = '*';
	strcpy(pattern + 2000, "x");
	CHECK(!glob_list_match(pattern, text));
	memset(pattern, ',', 4000);
	pattern[4000] = '\0';
	CHECK(!glob_list_match(pattern, text));
}

int main(void)
{
	static const struct check_test tests[] = {{"single patterns", single_patterns},
						  {"lists", lists},
						  {"as fnmatch", as_fnmatch},
						  {"hostile patterns", hostile_patterns},
						  {0}};

	return check_run(tests);
}
