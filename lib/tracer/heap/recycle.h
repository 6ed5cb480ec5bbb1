/* SPDX-License-Identifier: MIT */
/*
 * At the size limit: the oldest chunk of events is added to the totals (lib/format/totals.h), and
 * its place is used again. Called when a writer needs a chunk, never on the event path.
 */
#ifndef PMT_TRACER_RECYCLE_H
#define PMT_TRACER_RECYCLE_H

#include <stdint.h>

#include "log.h"

/*
 * A zeroed chunk, mapped, at a place that was used before; *NUMBER becomes its number in the file.
 * At least KEEP other sealed chunks of events stay. NULL: the file has to grow, or has been
 * stopped.
 */
struct pmt_chunk *recycle_chunk(uint64_t keep, uint64_t *number);
/* Before logfile_close(): seal the totals. Nothing is dropped afterwards. */
void recycle_finish(void);
/* After logfile_forget(): forget the totals of the earlier log. */
void recycle_reset(void);

#endif
