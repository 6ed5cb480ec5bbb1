/* SPDX-License-Identifier: MIT */
/* The moment of a report in words, for its first line. */
#ifndef PMT_TOOLS_MOMENT_PRINT_H
#define PMT_TOOLS_MOMENT_PRINT_H

#include <stdbool.h>

#include "moment.h"

/* "at the peak", "0.300 s after the start"; SEVERAL: of more processes than one. */
void moment_print(const struct moment *moment, bool several);

#endif
