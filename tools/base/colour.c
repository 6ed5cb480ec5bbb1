/* SPDX-License-Identifier: MIT */
/* Whether output is coloured. */
#include "colour.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(const char *variable)
{
	const char *value = getenv(variable);

	return value == NULL ? "" : value;
}

bool colour_wanted(FILE *out)
{
	const char *terminal = text_of("TERM");

	return *text_of("NO_COLOR") == '\0' && *terminal != '\0' && strcmp(terminal, "dumb") != 0 &&
	       isatty(fileno(out));
}
