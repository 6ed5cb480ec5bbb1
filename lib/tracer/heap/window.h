/* SPDX-License-Identifier: MIT */
/*
 * The beginning of the kept window: when the oldest chunk is dropped, all records up to its end, of
 * all slots, are taken in to what was live there (held.h).
 */
#ifndef PMT_TRACER_WINDOW_H
#define PMT_TRACER_WINDOW_H

#include <stdint.h>

/*
 * Chunk NUMBER, the sealed one that ended first, is about to be dropped, as drop DROP. Returns 0,
 * or -1 when the log has been stopped.
 */
int window_take_in(uint32_t number, uint32_t drop);
/* In a forked child: forget all. */
void window_reset(void);

#endif
