/* SPDX-License-Identifier: MIT */
/* Python's str objects, read straight from their memory. */
#ifndef PMT_TRACER_PYTEXT_H
#define PMT_TRACER_PYTEXT_H

#include <stdint.h>

/*
 * The str object at TEXT, or a copy of its first bytes, as UTF-8 into OUT, which has room for SIZE
 * bytes and three more. At most LIMIT characters are looked at. Returns how many bytes there are; 0
 * for NULL or for what is no compact str.
 */
uint32_t pytext_utf8(const void *text, uint64_t limit, uint8_t *out, uint32_t size);

#endif
