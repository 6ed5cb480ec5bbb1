/* SPDX-License-Identifier: MIT */
/* Line tables as the log has them. */
#ifndef PMT_TRACER_LINES_H
#define PMT_TRACER_LINES_H

#include <stddef.h>

#include "record.h"

/*
 * The lines of LOCATIONS, a location table of CPython 3.11 or later, as a table of 3.10 has them:
 * without columns, a quarter of the size and less. Returns the bytes that it put at OUT, or -1 when
 * ROOM bytes are not enough.
 */
long lines_compact(struct pmt_bytes locations, uint8_t *out, size_t room);

#endif
