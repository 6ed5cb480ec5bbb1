/* SPDX-License-Identifier: MIT */
/* The resident set of this process, quickly. */
#ifndef PMT_EXT_CPM_RSS_H
#define PMT_EXT_CPM_RSS_H

/* Bytes; -1: the system does not say. The caller holds the interpreter's lock, or its own. */
long long cpm_rss(void);
/* The largest so far, at least what cpm_rss() has ever returned. */
long long cpm_rss_peak(void);

#endif
