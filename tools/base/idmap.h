/* SPDX-License-Identifier: MIT */
/*
 * Where the definition with some id is kept. Ids come from the log: they are dense from 1 in a good
 * log and anything in a hostile one, so memory grows with the ids that are put, not with their
 * value.
 */
#ifndef PMT_TOOLS_IDMAP_H
#define PMT_TOOLS_IDMAP_H

#include <stddef.h>
#include <stdint.h>

#include "hashindex.h"

struct idmap_entry {
	uint64_t id;
	uint32_t index;
};

/* All zero is an empty map. */
struct idmap {
	uint32_t *direct; /* by id: index plus one, 0: not there */
	uint64_t direct_size;
	struct idmap_entry *far; /* [1, far_count]: the ids that are too large for `direct` */
	uint32_t far_count;
	uint32_t far_room;
	struct hashindex far_index;
	uint64_t count;
};

void idmap_fini(struct idmap *map);
/* Returns 0, or -1 when ID is 0 or is there already, or there are too many. */
int idmap_put(struct idmap *map, uint64_t id, uint32_t index);
/* The slow part of idmap_get(). */
int64_t idmap_get_far(const struct idmap *map, uint64_t id);

/* The index of ID, or -1. */
static inline int64_t idmap_get(const struct idmap *map, uint64_t id)
{
	if (id < map->direct_size && map->direct[id] != 0)
		return (int64_t)map->direct[id] - 1;
	return map->far_count == 0 ? -1 : idmap_get_far(map, id);
}

#endif
