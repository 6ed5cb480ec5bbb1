/* SPDX-License-Identifier: MIT */
/* Text of the traced program must not reach a terminal, a JSON reader or gnuplot as anything else.
 */
#include "check.h"

#include <jansson.h>
#include <stdlib.h>

#include "escape.h"

static char *result;
static size_t result_size;

static FILE *begin(void)
{
	free(result);
	result = NULL;
	return open_memstream(&result, &result_size);
}

static const char *terminal(const char *text, size_t size, size_t limit)
{
	FILE *out = begin();

	escape_terminal_sized(out, text, size, limit);
	fclose(out);
	return result;
}

static const char *json(const void *text, size_t size)
{
	FILE *out = begin();

	fputs("[\"", out);
	escape_json(out, text, size);
	fputs("\"]", out);
	fclose(out);
	return result;
}

static const char *gnuplot(const char *text)
{
	FILE *out = begin();

	escape_gnuplot(out, text, 100);
	fclose(out);
	return result;
}

#define TERMINAL(text) terminal(text, sizeof(text) - 1, 1000)
#define JSON(text) json(text, sizeof(text) - 1)

static void terminal_text(void)
{
	CHECK_STR(TERMINAL("plain text, ünïcödé, 漢字, 🐍"), "plain text, ünïcödé, 漢字, 🐍");
	CHECK_STR(TERMINAL("a\tb\nc\rd\033[31m\177\0e"), "a\\tb\\nc\\rd\\x1b[31m\\x7f\\x00e");
	CHECK_STR(TERMINAL("\302\233"), "\\x9b");
	CHECK_STR(TERMINAL("a\u202eb\u2066c\u200b\ufeff\u2028"),
		  "a\\u202eb\\u2066c\\u200b\\ufeff\\u2028");
	CHECK_STR(TERMINAL("\xf3\xa0\x81\x81"), "\\U000e0041");
	CHECK_STR(TERMINAL(""), "");
}

static void terminal_invalid(void)
{
	CHECK_STR(TERMINAL("\xff\x80z"), "\\xff\\x80z");
	CHECK_STR(TERMINAL("\xc0\xaf"), "\\xc0\\xaf");
	CHECK_STR(TERMINAL("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");
	CHECK_STR(TERMINAL("\xed\xa0\x80"), "\\xed\\xa0\\x80");
	CHECK_STR(TERMINAL("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
	CHECK_STR(TERMINAL("\xe6\xbc"), "\\xe6\\xbc");
	CHECK_STR(TERMINAL("\xf0\x9f\x90"), "\\xf0\\x9f\\x90");
}

static void terminal_long(void)
{
	CHECK_STR(terminal("abcdef", 6, 3), "abc…");
	CHECK_STR(terminal("abcdef", 6, 6), "abcdef");
	CHECK_STR(terminal("漢字漢字", 12, 4), "漢字…");
	CHECK_STR(terminal("abc", 3, 0), "…");
}

static void json_text(void)
{
	CHECK_STR(JSON("a\"b\\c\nd\033\177/ü"), "[\"a\\\"b\\\\c\\nd\\u001b\\u007f/ü\"]");
	CHECK_STR(JSON("\xff\xed\xa0\x80"), "[\"\\ufffd\\ufffd\\ufffd\\ufffd\"]");
	CHECK_STR(JSON("a\0b"), "[\"a\\u0000b\"]");
}

/* Any bytes give JSON that a strict parser takes, and valid text comes back as it was. */
static void json_any_bytes(void)
{
	for (int round = 0; round < 20000; round++) {
		uint8_t text[24];
		size_t size = check_random() % (sizeof(text) + 1);
		json_error_t problem;

		for (size_t i = 0; i < size; i++)
			text[i] = (uint8_t)(check_random() >> (round % 8));
		json_t *parsed = json_loads(json(text, size), JSON_ALLOW_NUL, &problem);

		CHECK(parsed != NULL);
		json_t *string = json_array_get(parsed, 0);
		bool valid = true;

		for (size_t i = 0, length; i < size; i += length) {
			int32_t point;

			length = escape_decode(text + i, size - i, &point);
			valid &= point >= 0;
		}
		if (valid && string != NULL) {
			CHECK_EQ(json_string_length(string), size);
			CHECK(memcmp(json_string_value(string), text, size) == 0);
		}
		json_decref(parsed);
	}
}

/* No control character and no invalid UTF-8 passes, whatever comes. */
static void terminal_any_bytes(void)
{
	for (int round = 0; round < 20000; round++) {
		uint8_t text[24];
		size_t size = check_random() % (sizeof(text) + 1);

		for (size_t i = 0; i < size; i++)
			text[i] = (uint8_t)(check_random() >> (round % 8));
		const char *out = terminal((const char *)text, size, 20);
		size_t length;

		for (size_t i = 0; i < result_size; i += length) {
			int32_t point;

			length = escape_decode((const uint8_t *)out + i, result_size - i, &point);
			CHECK(point >= 0x20 && !(point >= 0x7f && point < 0xa0));
		}
	}
}

/* Every code point is decoded to itself, and surrogates are none. */
static void all_code_points(void)
{
	for (int32_t c = 0; c <= 0x10ffff; c++) {
		uint8_t t[4];
		int32_t point;
		size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};

		for (size_t i = length; i-- > 1;)
			t[i] = (uint8_t)(0x80 | (c >> 6 * (length - 1 - i) & 0x3f));
		t[0] = (uint8_t)(leads[length] | c >> 6 * (length - 1));
		size_t got = escape_decode(t, length, &point);

		if (c >= 0xd800 && c < 0xe000)
			CHECK(point == -1 && got == 1);
		else
			CHECK(point == c && got == length);
	}
}

static void gnuplot_text(void)
{
	CHECK_STR(gnuplot("plain"), "plain");
	CHECK_STR(gnuplot("a\"b"), "a\\\"b");
	CHECK_STR(gnuplot("a_b^{c}@d&e~"), "a\\\\_b\\\\^\\\\{c\\\\}\\\\@d\\\\&e\\\\~");
	CHECK_STR(gnuplot("x\n"), "x\\\\134n");
	CHECK_STR(gnuplot("`touch x`"), "\\140touch x\\140"); /* no command is run */
}

int main(void)
{
	static const struct check_test tests[] = {
		{"terminal: text and controls", terminal_text},
		{"terminal: invalid UTF-8", terminal_invalid},
		{"terminal: long", terminal_long},
		{"terminal: any bytes", terminal_any_bytes},
		{"JSON: text", json_text},
		{"JSON: any bytes", json_any_bytes},
		{"UTF-8: all code points", all_code_points},
		{"gnuplot", gnuplot_text},
		{0},
	};
	int status = check_run(tests);

	free(result);
	return status;
}
