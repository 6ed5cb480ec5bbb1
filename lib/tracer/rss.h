/* SPDX-License-Identifier: MIT */
/* The resident set at the interpreter's events, mostly without a system call. */
#ifndef PMT_TRACER_RSS_H
#define PMT_TRACER_RSS_H

#include <stdint.h>

#include "thread.h"

/* At the start of a log: MODE is PMT_RSS_*. Returns the mode that is in use (never AUTO). */
unsigned rss_start(unsigned mode);

/* The resident set of the process in bytes, 0 when it is not known. Between enter and leave. */
uint64_t rss_at_event(struct thread *t);

/* Put a `resident` record if BYTES is not what this chunk has said last. Between enter and leave.
 */
static inline void rss_put(struct thread *t, uint64_t bytes)
{
	if (bytes != t->writer.enc.state.resident) {
		const struct pmt_resident r = {bytes};

		pmt_put_resident(&t->writer.enc, 0, &r);
	}
}

/* Put a `memory` record, for the `line` event that follows. Between enter and leave. */
void rss_put_memory(struct thread *t);

/* Memory has been given back to the system, or may have been. Any thread, any time. */
void rss_gave_back(void);

/* In a forked child, before the new log. */
void rss_reset(void);

#endif
