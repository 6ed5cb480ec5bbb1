/* SPDX-License-Identifier: MIT */
/* The moment that a report is about. */
#include "moment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

#define MARK "mark:"

static const struct {
	const char *word;
	enum moment_kind kind;
} words[] = {
	{"peak", MOMENT_PEAK},
	{"end", MOMENT_END},
	{"exit", MOMENT_EXIT},
	{"rss-peak", MOMENT_RSS_PEAK},
};

int moment_parse(const char *text, struct moment *moment)
{
	char *end;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(text, words[i].word) == 0) {
			moment->kind = words[i].kind;
			return 0;
		}
	if (strncmp(text, MARK, strlen(MARK)) == 0) {
		moment->kind = MOMENT_MARK;
		moment->label = text + strlen(MARK);
		return 0;
	}
	const double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= 0) || seconds > 1e9)
		return error(
			"--at: '%s' is not 'peak', 'rss-peak', 'end', 'exit', 'mark:LABEL' or a number of seconds",
			text);
	moment->kind = MOMENT_TIME;
	moment->at_ns = (uint64_t)llround(seconds * 1e9);
	return 0;
}
