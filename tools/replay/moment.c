/* SPDX-License-Identifier: MIT */
/* The moment that a report is about. */
#include "moment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

int moment_parse(const char *text, struct moment *moment)
{
	char *end;

	if (strcmp(text, "peak") == 0 || strcmp(text, "end") == 0) {
		moment->kind = text[0] == 'p' ? MOMENT_PEAK : MOMENT_END;
		return 0;
	}
	const double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= 0) || seconds > 1e9)
		return error("--at: '%s' is not 'peak', 'end' or a number of seconds", text);
	moment->kind = MOMENT_TIME;
	moment->at_ns = (uint64_t)llround(seconds * 1e9);
	return 0;
}
