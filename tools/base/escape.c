/* SPDX-License-Identifier: MIT */
/* Escaping of hostile text. */
#include "escape.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

size_t escape_decode(const uint8_t *text, size_t size, int32_t *point)
{
	static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t lead = text[0];
	size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	int32_t value = length == 1 ? lead : lead & (0x7f >> length);

	*point = -1;
	if (length == 0 || lead > 0xf4 || length > size)
		return 1;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 1;
		value = value << 6 | (text[i] & 0x3f);
	}
	if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 1;
	*point = value;
	return length;
}

/* Characters that a terminal would act on, or that change or hide what stands beside them. */
static bool is_control(int32_t point)
{
	static const int32_t ranges[][2] = {
		{0x0000, 0x001f}, {0x007f, 0x009f},   /* C0, delete, C1 */
		{0x00ad, 0x00ad},		      /* soft hyphen */
		{0x061c, 0x061c}, {0x180e, 0x180e},   /* Arabic letter mark, vowel separator */
		{0x200b, 0x200f}, {0x2028, 0x202e},   /* zero width, marks, line ends, bidi */
		{0x2060, 0x206f}, {0xfe00, 0xfe0f},   /* invisible operators, isolates, selectors */
		{0xfeff, 0xfeff}, {0xfff0, 0xfffb},   /* byte order mark, annotations */
		{0xfffe, 0xffff}, {0xe0000, 0xe0fff}, /* non-characters, tags */
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (point >= ranges[i][0] && point <= ranges[i][1])
			return true;
	return false;
}

static void put_control(FILE *out, int32_t point)
{
	static const char names[] = "abtnvfr"; /* 7 to 13 */

	if (point >= 7 && point <= 13)
		fprintf(out, "\\%c", names[point - 7]);
	else if (point < 0x100)
		fprintf(out, "\\x%02x", (unsigned)point);
	else if (point < 0x10000)
		fprintf(out, "\\u%04x", (unsigned)point);
	else
		fprintf(out, "\\U%08x", (unsigned)point);
}

/* How many bytes from TEXT on are printable ASCII that no kind of escaping touches. */
static size_t plain_bytes(const uint8_t *text, size_t size)
{
	size_t i = 0;

	while (i < size && text[i] >= 0x20 && text[i] < 0x7f && text[i] != '"' && text[i] != '\\')
		i++;
	return i;
}

/* Print the plain bytes at the front; returns their number. */
static size_t put_plain(FILE *out, const uint8_t *text, size_t size)
{
	size_t count = plain_bytes(text, size);

	if (count != 0)
		fwrite_unlocked(text, 1, count, out);
	return count;
}

void escape_terminal_sized(FILE *out, const void *text, size_t size, size_t limit)
{
	const uint8_t *p = text;
	size_t most = size < limit ? size : limit;
	size_t done = 0;

	/* an empty text may have no address: nothing may be added to that, not even 0 */
	while (done < most) {
		int32_t point;
		size_t length;

		done += put_plain(out, p + done, most - done);
		if (done == most)
			break;
		length = escape_decode(p + done, size - done, &point);
		if (point < 0)
			fprintf(out, "\\x%02x", p[done]);
		else if (is_control(point))
			put_control(out, point);
		else
			fwrite(p + done, 1, length, out);
		done += length;
	}
	if (done < size)
		fputs("…", out);
}

void escape_terminal(FILE *out, const char *text, size_t limit)
{
	escape_terminal_sized(out, text, strlen(text), limit);
}

static void put_json_control(FILE *out, int32_t point)
{
	switch (point) {
	case '\n':
		fputs("\\n", out);
		break;
	case '\t':
		fputs("\\t", out);
		break;
	case '\r':
		fputs("\\r", out);
		break;
	default:
		fprintf(out, "\\u%04x", (unsigned)point);
		break;
	}
}

void escape_json(FILE *out, const void *text, size_t size)
{
	const uint8_t *p = text;
	size_t length;

	for (size_t done = 0; done < size; done += length) {
		int32_t point;

		length = put_plain(out, p + done, size - done);
		if (length != 0)
			continue;
		length = escape_decode(p + done, size - done, &point);
		if (point < 0)
			fputs("\\ufffd", out);
		else if (point == '"' || point == '\\')
			fprintf(out, "\\%c", (char)point);
		else if (point < 0x10000 && is_control(point))
			put_json_control(out, point);
		else
			fwrite(p + done, 1, length, out);
	}
}

/*
 * Inside gnuplot's double quotes a backslash escapes, and enhanced text gives meaning to the
 * others, so what it is to see takes two. A backslash itself is an octal number to it: of two
 * backslashes the terminals for SVG and for PNG make different things.
 */
void escape_gnuplot(FILE *out, const char *text, size_t limit)
{
	char *plain = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&plain, &size);

	if (memory == NULL)
		return;
	escape_terminal(memory, text, limit);
	if (fclose(memory) != 0)
		return;
	for (size_t i = 0; i < size; i++) {
		if (plain[i] == '\\')
			fputs("\\\\134", out);
		else if (plain[i] == '"')
			fputs("\\\"", out);
		else if (plain[i] == '`')
			fputs("\\140", out); /* as itself, gnuplot would run a command */
		else if (strchr("_^@&~{}", plain[i]) != NULL)
			fprintf(out, "\\\\%c", plain[i]);
		else
			fputc(plain[i], out);
	}
	free(plain);
}
