/* SPDX-License-Identifier: MIT */
/*
 * A census of a log, joined with the replay: the live blocks of Python's object domain by type,
 * with the bytes that were asked for and the sites that asked. Of several censuses that are wanted
 * the last one stays. Always: all blocks of all sites together are what the replay had live in that
 * domain.
 */
#ifndef PMT_TOOLS_CENSUS_H
#define PMT_TOOLS_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

#include "heap.h"
#include "idmap.h"
#include "record.h"
#include "sites.h"

/* In place of the id of a type: live blocks that the census does not have. */
#define CENSUS_UNSEEN UINT32_MAX

struct census {
	const char *wanted; /* label or number; NULL: any */
	bool found;
	bool taking; /* the records that come now belong to it */
	uint64_t number;
	uint64_t moment;  /* PMT_MOMENT_* */
	uint64_t time_ns; /* since the start */
	char *label;
	struct sites sites; /* `kind` is the id of a type */
	struct site *left;  /* what the census has not named yet, by the replay's sites */
	uint32_t left_count;
	struct idmap ids; /* id of a type -> position in `names` */
	char **names;
	size_t names_room;
	uint64_t listed;    /* blocks */
	uint64_t announced; /* blocks, by the records with the names */
	bool damaged;	    /* lists of blocks that make no sense */
};

void census_init(struct census *census, const char *wanted);
void census_fini(struct census *census);

/*
 * Take in one record of a census, TIME_NS after the start. HEAP and BLOCKS are the replay's at this
 * moment.
 */
void census_add(struct census *census, const struct pmt_record *record, uint64_t time_ns,
		const struct heap *heap, const struct sites *blocks);
/* After the last record: what is left goes to CENSUS_UNSEEN. */
void census_finish(struct census *census);
/* Whether the log has the whole census. */
bool census_complete(const struct census *census);

/*
 * "module.Name", without the module builtins, or in angle brackets what is no type. BUFFER takes
 * the name of one that has none.
 */
const char *census_name(const struct census *census, uint32_t type, char buffer[32]);

#endif
