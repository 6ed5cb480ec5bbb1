/* SPDX-License-Identifier: MIT */
/* The resident set at the interpreter's events. */
#include "rss.h"

#include <sys/auxv.h>

#include "names.h"
#include "proc.h"

static struct {
	unsigned mode;
	uint64_t page;
} rss;

unsigned rss_start(unsigned mode)
{
	rss.mode = mode == PMT_RSS_OFF ? PMT_RSS_OFF : PMT_RSS_EXACT;
	rss.page = getauxval(AT_PAGESZ);
	return rss.mode;
}

uint64_t rss_at_event(struct thread *t)
{
	char text[256];
	const char *p = text;

	(void)t;
	if (rss.mode == PMT_RSS_OFF ||
	    proc_read(0, "/proc/thread-self/statm", text, sizeof(text)) == 0)
		return 0;
	(void)proc_number(&p);
	return proc_number(&p) * rss.page;
}

void rss_put_memory(struct thread *t)
{
	(void)t;
}

void rss_gave_back(void)
{
}

void rss_reset(void)
{
	rss.mode = PMT_RSS_OFF;
}
