/* SPDX-License-Identifier: MIT */
/* Matching of shell patterns without recursion. */
#include "glob.h"

#include <stddef.h>
#include <string.h>

/* Behind the set that begins at P (past the bracket), or NULL when it has no end. */
static const char *set_end(const char *p, const char *end)
{
	const char *first = p + (p != end && *p == '!');

	for (p = first; p != end; p++)
		if (*p == ']' && p != first)
			return p + 1;
	return NULL;
}

static int in_set(const char *p, const char *end, unsigned char byte)
{
	const int inverted = *p == '!';
	int found = 0;

	for (p += inverted; p != end - 1; p++) {
		const unsigned char low = (unsigned char)*p;

		if (p + 2 < end - 1 && p[1] == '-') {
			found |= low <= byte && byte <= (unsigned char)p[2];
			p += 2;
		} else {
			found |= low == byte;
		}
	}
	return found != inverted;
}

/*
 * Does the one element at *P match BYTE? Moves *P behind it. LAST is where the last bracket closes:
 * those behind it are not looked for an end again and again.
 */
static int matches_one(const char **p, const char *end, const char *last, char byte)
{
	const char *at = (*p)++;

	if (*at == '?')
		return 1;
	if (*at == '[' && at < last) {
		const char *behind = set_end(at + 1, end);

		if (behind != NULL) {
			*p = behind;
			return in_set(at + 1, behind, (unsigned char)byte);
		}
	}
	if (*at == '\\' && *p != end)
		at = (*p)++;
	return *at == byte;
}

/* The pattern from P to END against all of TEXT: after a mismatch the last star takes a byte more.
 */
static int pattern_matches(const char *p, const char *end, const char *text)
{
	const char *star = NULL, *retry = NULL, *last = end;

	while (last != p && *last != ']')
		last--;

	while (*text != '\0') {
		if (p != end && *p == '*') {
			star = ++p;
			retry = text;
			continue;
		}
		if (p != end && matches_one(&p, end, last, *text)) {
			text++;
			continue;
		}
		if (star == NULL)
			return 0;
		p = star;
		text = ++retry;
	}
	while (p != end && *p == '*')
		p++;
	return p == end;
}

int glob_list_match(const char *patterns, const char *text)
{
	while (*patterns != '\0') {
		const size_t size = strcspn(patterns, ",");

		if (size != 0 && pattern_matches(patterns, patterns + size, text))
			return 1;
		patterns += size + (patterns[size] == ',');
	}
	return 0;
}
