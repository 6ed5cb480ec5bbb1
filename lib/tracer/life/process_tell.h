/* SPDX-License-Identifier: MIT */
/* What was decided for a log, told line by line with PYMEMTRACE_VERBOSITY=3. */
#ifndef PMT_TRACER_PROCESS_TELL_H
#define PMT_TRACER_PROCESS_TELL_H

/*
 * The log has been opened. RSS_MODE: how the resident set at events is read, NULL where no events
 * are recorded; SAMPLER_HOW: bit set of sampler.h.
 */
void process_tell_log(const char *rss_mode, unsigned sampler_how);
/* The log has been closed. */
void process_tell_close(void);

#endif
