/* SPDX-License-Identifier: MIT */
/* Whether output is coloured: one rule for all commands, the same as the Python package's. */
#ifndef PMT_TOOLS_COLOUR_H
#define PMT_TOOLS_COLOUR_H

#include <stdbool.h>
#include <stdio.h>

#define COLOUR_RED "\033[31m"
#define COLOUR_GREEN "\033[32m"
#define COLOUR_PLAIN "\033[0m"

/* Whether OUT is a terminal that shows colours: TERM is set and not "dumb", NO_COLOR is not set or empty. */
bool colour_wanted(FILE *out);

#endif
