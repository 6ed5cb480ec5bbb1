/* SPDX-License-Identifier: MIT */
/* An array for dense ids, a hash table for the others. */
#include "idmap.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

void idmap_fini(struct idmap *map)
{
	free(map->direct);
	free(map->far);
	hashindex_fini(&map->far_index);
	*map = (struct idmap){0};
}

struct key {
	const struct idmap_entry *far;
	uint64_t id;
};

static bool is_same(const void *context, uint32_t number)
{
	const struct key *key = context;

	return key->far[number].id == key->id;
}

int64_t idmap_get_far(const struct idmap *map, uint64_t id)
{
	const struct key key = {map->far, id};
	const uint64_t hash = hashindex_mix(&map->far_index, 0, id);
	const uint32_t number = hashindex_find(&map->far_index, hash, is_same, &key);

	return number == 0 ? -1 : (int64_t)map->far[number].index;
}

static void put_far(struct idmap *map, uint64_t id, uint32_t index)
{
	if (map->far_count == 0)
		hashindex_init(&map->far_index, "definitions");
	map->far_count++;
	map->far = need_room(map->far, map->far_count, &map->far_room, sizeof(*map->far));
	map->far[map->far_count] = (struct idmap_entry){id, index};
	hashindex_add(&map->far_index, hashindex_mix(&map->far_index, 0, id), map->far_count);
}

/* Make the array long enough for ID, if that many definitions justify it. */
static void grow_direct(struct idmap *map, uint64_t id)
{
	const uint64_t most = map->count * 4 + 1024;
	uint64_t size = map->direct_size * 2;

	if (id >= most)
		return;
	if (size <= id)
		size = id + 1;
	if (size > most)
		size = most;
	map->direct = need_resize(map->direct, size * sizeof(*map->direct));
	memset(map->direct + map->direct_size, 0, (size - map->direct_size) * sizeof(*map->direct));
	map->direct_size = size;
}

int idmap_put(struct idmap *map, uint64_t id, uint32_t index)
{
	if (id == 0 || index == UINT32_MAX || idmap_get(map, id) >= 0)
		return -1;
	if (id >= map->direct_size)
		grow_direct(map, id);
	if (id < map->direct_size)
		map->direct[id] = index + 1;
	else
		put_far(map, id, index);
	map->count++;
	return 0;
}
