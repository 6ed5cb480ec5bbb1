/* SPDX-License-Identifier: MIT */
/*
 * The tracer's own memory: from the kernel only, and counted, so that
 * reports can subtract it from the resident set.
 */
#ifndef PMT_TRACER_ARENA_H
#define PMT_TRACER_ARENA_H

#include <stddef.h>
#include <stdint.h>

/*
 * SIZE zeroed bytes in pages of their own, or NULL. FORGET: a forked child sees them as zeros again
 * (that is how a fork past our handlers is noticed). Any thread.
 */
void *arena_pages(size_t size, int forget);
/* Count pages that come and go by other ways (the log's mapped chunks). */
void arena_account(long bytes);
/* Upper bound of what the tracer holds of the resident set, bytes. */
uint64_t arena_bytes(void);
/* These pages are the tracer's too, though they are not counted. */
void arena_remember(const void *pages, size_t size);
/*
 * Is ADDR in pages of arena_pages() or arena_remember()? *END becomes the address up to which the
 * answer is the same, at most LIMIT.
 */
int arena_owns(uint64_t addr, uint64_t limit, uint64_t *end);
/* Give back SIZE bytes of arena_pages(), all that were asked for at once. Nobody looks at them. */
void arena_give_back(void *pages, size_t size);
/* In a forked child: forget the count; the pages are still there. */
void arena_reset(void);

#endif
