/* SPDX-License-Identifier: MIT */
/*
 * What belongs to each site: bytes and blocks now, at the peak, in all, and short-lived.
 *
 * A site is a stack, a thread and an allocator. The peak is the first moment at which the bytes of
 * all sites together were largest; a later, equal total is not a new peak. One pass over a log is
 * enough: a site's values are put aside when they are about to change for the first time since the
 * last peak.
 */
#ifndef PMT_TOOLS_SITES_H
#define PMT_TOOLS_SITES_H

#include <stdbool.h>
#include <stdint.h>

#include "hashindex.h"

struct amount {
	uint64_t bytes;
	uint64_t count;
};

struct site {
	uint64_t stack;
	uint32_t thread;
	uint32_t kind; /* allocator; the caller's numbers */
	struct amount live;
	struct amount saved;	 /* `live` at the peak number saved_for */
	uint64_t saved_for;	 /* 0: not yet */
	struct amount total;	 /* all that was ever added */
	struct amount temporary; /* of these, short-lived */
};

struct sites {
	struct site *sites; /* [1, count]; number 0 is no site */
	uint32_t count;
	uint32_t room;
	struct hashindex index;
	uint64_t peak_number; /* from 1 */
	struct amount live;
	struct amount peak;
};

void sites_init(struct sites *sites);
void sites_fini(struct sites *sites);

/* The number of a site, made when it is new. Without memory the program ends. */
uint32_t sites_find(struct sites *sites, uint64_t stack, uint32_t thread, uint32_t kind);

/* Bring the index of a site into the processor's cache, for a call that comes soon. */
void sites_prefetch(const struct sites *sites, uint64_t stack, uint32_t thread, uint32_t kind);

/* Before a site changes: keep what it had at the peak. */
static inline void sites_save(struct sites *sites, struct site *site)
{
	if (site->saved_for != sites->peak_number) {
		site->saved = site->live;
		site->saved_for = sites->peak_number;
	}
}

/* Add a signed change of bytes and blocks to what is live at SITE. */
static inline void sites_change(struct sites *sites, uint32_t number, int64_t bytes, int64_t count)
{
	struct site *site = &sites->sites[number];

	sites_save(sites, site);
	site->live.bytes += (uint64_t)bytes;
	site->live.count += (uint64_t)count;
	sites->live.bytes += (uint64_t)bytes;
	sites->live.count += (uint64_t)count;
}

/* This moment is the peak from now on. */
static inline void sites_mark_peak(struct sites *sites)
{
	sites->peak = sites->live;
	sites->peak_number++;
}

/*
 * Close an event: all its changes are in. Returns true when this moment is a new peak. Changes
 * within one event (the two halves of a realloc) make no peak of their own.
 */
static inline bool sites_settle(struct sites *sites)
{
	if (sites->live.bytes <= sites->peak.bytes)
		return false;
	sites_mark_peak(sites);
	return true;
}

/* What SITE had at the peak; nothing when there was no peak. */
struct amount sites_at_peak(const struct sites *sites, const struct site *site);

#endif
