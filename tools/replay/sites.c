/* SPDX-License-Identifier: MIT */
/* Sites: a growing array, found through a hash table of numbers. */
#include "sites.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "mix.h"

enum { INDEX_FIRST = 1024 };

void sites_init(struct sites *sites)
{
	memset(sites, 0, sizeof(*sites));
	sites->peak_number = 1;
	sites->factors[0] = mix_factor();
	sites->factors[1] = mix_factor();
}

void sites_fini(struct sites *sites)
{
	free(sites->sites);
	free(sites->index);
	memset(sites, 0, sizeof(*sites));
}

static inline uint32_t hash_key(const struct sites *sites, uint64_t stack, uint32_t thread,
				uint32_t kind)
{
	const uint64_t rest = (uint64_t)thread << 32 | kind;

	return (uint32_t)(mix(sites->factors[0], stack + rest * sites->factors[1]) >> 32);
}

/* The cell of the index that holds the site or is free for it. */
static uint32_t *find_cell(const struct sites *sites, uint64_t stack, uint32_t thread,
			   uint32_t kind)
{
	for (uint32_t i = hash_key(sites, stack, thread, kind);; i++) {
		uint32_t *cell = &sites->index[i & sites->index_mask];
		const struct site *site = &sites->sites[*cell];

		if (*cell == 0 ||
		    (site->stack == stack && site->thread == thread && site->kind == kind))
			return cell;
	}
}

/* Twice the cells, and as many sites as fill half of them. */
static void grow(struct sites *sites)
{
	const size_t cells = sites->index == NULL ? INDEX_FIRST : (sites->index_mask + 1UL) * 2;

	if (cells > UINT32_MAX)
		die(EXIT_DATA, "too many stacks");
	sites->sites = need_resize(sites->sites, (cells / 2 + 1) * sizeof(*sites->sites));
	sites->index = need_resize(sites->index, cells * sizeof(*sites->index));
	memset(sites->index, 0, cells * sizeof(*sites->index));
	sites->index_mask = (uint32_t)(cells - 1);
	sites->room = (uint32_t)(cells / 2);
	for (uint32_t i = 1; i <= sites->count; i++) {
		const struct site *site = &sites->sites[i];

		*find_cell(sites, site->stack, site->thread, site->kind) = i;
	}
}

uint32_t sites_find(struct sites *sites, uint64_t stack, uint32_t thread, uint32_t kind)
{
	if (sites->count >= sites->room)
		grow(sites);
	uint32_t *cell = find_cell(sites, stack, thread, kind);

	if (*cell == 0) {
		struct site *site = &sites->sites[++sites->count];

		memset(site, 0, sizeof(*site));
		site->stack = stack;
		site->thread = thread;
		site->kind = kind;
		*cell = sites->count;
	}
	return *cell;
}

void sites_prefetch(const struct sites *sites, uint64_t stack, uint32_t thread, uint32_t kind)
{
	if (sites->index != NULL)
		__builtin_prefetch(
			&sites->index[hash_key(sites, stack, thread, kind) & sites->index_mask]);
}

struct amount sites_at_peak(const struct sites *sites, const struct site *site)
{
	/* Before the first peak all sites are empty, so number 1 needs no exception. */
	return site->saved_for == sites->peak_number ? site->saved : site->live;
}
