/* SPDX-License-Identifier: MIT */
/* Sites: a growing array, found through a hash table of numbers. */
#include "sites.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

void sites_init(struct sites *sites)
{
	memset(sites, 0, sizeof(*sites));
	sites->peak_number = 1;
	hashindex_init(&sites->index, "stacks");
}

void sites_fini(struct sites *sites)
{
	free(sites->sites);
	hashindex_fini(&sites->index);
	memset(sites, 0, sizeof(*sites));
}

static inline uint64_t hash_key(const struct sites *sites, uint64_t stack, uint32_t thread,
				uint32_t kind)
{
	return hashindex_mix(&sites->index, stack, (uint64_t)thread << 32 | kind);
}

struct key {
	const struct site *sites;
	uint64_t stack;
	uint32_t thread;
	uint32_t kind;
};

static bool is_same(const void *context, uint32_t number)
{
	const struct key *key = context;
	const struct site *site = &key->sites[number];

	return site->stack == key->stack && site->thread == key->thread && site->kind == key->kind;
}

static uint32_t add_site(struct sites *sites, uint64_t hash, const struct key *key)
{
	const uint32_t number = ++sites->count;

	sites->sites = need_room(sites->sites, number, &sites->room, sizeof(*sites->sites));
	sites->sites[number] = (struct site){
		.stack = key->stack,
		.thread = key->thread,
		.kind = key->kind,
	};
	hashindex_add(&sites->index, hash, number);
	return number;
}

uint32_t sites_find(struct sites *sites, uint64_t stack, uint32_t thread, uint32_t kind)
{
	const struct key key = {sites->sites, stack, thread, kind};
	const uint64_t hash = hash_key(sites, stack, thread, kind);
	const uint32_t found = hashindex_find(&sites->index, hash, is_same, &key);

	return __builtin_expect(found != 0, 1) ? found : add_site(sites, hash, &key);
}

void sites_prefetch(const struct sites *sites, uint64_t stack, uint32_t thread, uint32_t kind)
{
	hashindex_prefetch(&sites->index, hash_key(sites, stack, thread, kind));
}

struct amount sites_at_peak(const struct sites *sites, const struct site *site)
{
	/* Before the first peak all sites are empty, so number 1 needs no exception. */
	return site->saved_for == sites->peak_number ? site->saved : site->live;
}
