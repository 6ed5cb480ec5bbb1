/* SPDX-License-Identifier: MIT */
/* The figures of one log: one replay, then sums over its sites. */
#include "inherit.h"
#include "stats.h"

#include <stdlib.h>
#include <string.h>

#include "damage.h"
#include "error.h"
#include "names.h"
#include "report.h"

static void add_amount(struct amount *to, const struct amount *amount)
{
	to->bytes += amount->bytes;
	to->count += amount->count;
}

static struct amount *mapped_by(struct stats *stats, uint32_t kind)
{
	switch (kind - REPLAY_KIND_MAPPING) {
	case MAPPING_ARENA:
		return &stats->arenas;
	case MAPPING_MALLOC:
		return &stats->pools;
	default:
		return &stats->mapped;
	}
}

static void sum_sites(struct stats *stats)
{
	const struct sites *blocks = &stats->replay.blocks;
	const struct sites *mapped = &stats->replay.mapped;
	const struct threads *threads = &stats->replay.threads;

	stats->threads = calloc(threads->count + 1UL, sizeof(*stats->threads));
	if (stats->threads == NULL)
		die(EXIT_DATA, "out of memory");
	for (uint32_t i = 1; i <= blocks->count; i++) {
		const struct site *site = &blocks->sites[i];
		const struct thread *thread = threads_lookup(threads, site->thread);

		add_amount(&stats->kinds[site->kind], &site->total);
		add_amount(&stats->total, &site->total);
		add_amount(&stats->threads[thread - threads->threads], &site->total);
	}
	for (uint32_t i = 1; i <= mapped->count; i++) {
		add_amount(&stats->kinds[mapped->sites[i].kind], &mapped->sites[i].total);
		add_amount(mapped_by(stats, mapped->sites[i].kind), &mapped->sites[i].total);
	}
}

/* The kernel saw the largest resident set even when no sample did. */
static void find_peak_rss(struct stats *stats)
{
	const struct replay_rss *rss = &stats->replay.rss;
	const bool sampled = rss->peak_bytes >= rss->peak.peak;

	stats->peak_rss_bytes = sampled ? rss->peak_bytes : rss->peak.peak;
	stats->own_bytes = rss->peak_own_bytes;
}

int stats_init(struct stats *stats, const char *path)
{
	memset(stats, 0, sizeof(*stats));
	if (reader_open(path, &stats->reader) != 0)
		return EXIT_DATA;
	replay_init(&stats->replay, reader_header(stats->reader));
	inherit(&stats->replay.account, stats->reader, path);
	const int result = replay_run(&stats->replay, stats->reader);

	if (report_lost(stats->reader, &stats->replay) != 0 ||
	    reader_header(stats->reader)->live.state == PMT_STATE_STOPPED)
		account_lacks_events(&stats->replay.account);
	sum_sites(stats);
	find_peak_rss(stats);
	damage_warn(stats->reader);
	return result != 0 ? EXIT_DATA : EXIT_OK;
}

void stats_fini(struct stats *stats)
{
	if (stats->reader == NULL)
		return;
	replay_fini(&stats->replay);
	reader_close(stats->reader);
	free(stats->threads);
}
