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
	*map = (struct idmap){0};
}

/* The place of ID, or the free place where it belongs. */
static struct idmap_entry *find(const struct idmap *map, uint64_t id)
{
	size_t i = (size_t)(id * 0x9e3779b97f4a7c15ULL >> 20) & (map->far_size - 1);

	while (map->far[i].id != 0 && map->far[i].id != id)
		i = (i + 1) & (map->far_size - 1);
	return &map->far[i];
}

int64_t idmap_get_far(const struct idmap *map, uint64_t id)
{
	const struct idmap_entry *e = find(map, id);

	return e->id == 0 || id == 0 ? -1 : (int64_t)e->index;
}

static void grow_far(struct idmap *map)
{
	struct idmap old = *map;

	map->far_size = old.far_size == 0 ? 64 : old.far_size * 2;
	map->far = need_memory(map->far_size * sizeof(*map->far));
	memset(map->far, 0, map->far_size * sizeof(*map->far));
	for (size_t i = 0; i < old.far_size; i++)
		if (old.far[i].id != 0)
			*find(map, old.far[i].id) = old.far[i];
	free(old.far);
}

static void put_far(struct idmap *map, uint64_t id, uint32_t index)
{
	if (map->far_count * 2 >= map->far_size)
		grow_far(map);
	*find(map, id) = (struct idmap_entry){id, index};
	map->far_count++;
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
