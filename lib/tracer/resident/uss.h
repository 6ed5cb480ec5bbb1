/* SPDX-License-Identifier: MIT */
/* What only this process has in memory, and the resident set by kind. */
#ifndef PMT_TRACER_USS_H
#define PMT_TRACER_USS_H

#include "record.h"

/*
 * Read smaps_rollup (smaps, where the system lacks it) and status: tens of microseconds and more,
 * by the size of the process. Returns 0, or -1 when they cannot be read. Any thread; no memory but
 * the stack, 5 KiB of it.
 */
int uss_read(struct pmt_memory *memory);

#endif
