/* SPDX-License-Identifier: MIT */
/* The header of the log: what process, what program, what options. */
#ifndef PMT_TRACER_PROCESS_HEADER_H
#define PMT_TRACER_PROCESS_HEADER_H

#include <stdint.h>

#include "log.h"

/*
 * Fill in H, the header of a log that was just created, and publish it. FLAGS: bit set of
 * PMT_FLAG_*; PARENT_LOG: path, "" if there is none; RSS_MODE: how the resident set at events is
 * read, NULL where no events are recorded.
 */
void process_fill_header(struct pmt_header *h, unsigned flags, const char *parent_log,
			 const char *rss_mode);
/* Distance of samples of the resident set, 0: none. */
uint64_t process_rss_interval_ns(void);

#endif
