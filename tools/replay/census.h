/* SPDX-License-Identifier: MIT */
/*
 * A census of a log, joined with the replay: the live blocks of Python's object domain by type,
 * with the bytes that were asked for and the sites that asked. Of several censuses that are wanted
 * the last one stays.
 *
 * A block that a thread held back when the census was taken has no record yet at that place of the
 * log. The tracer takes care that it gets one: late, when it leaves the thread's table, or at the
 * end of the log. So the census keeps the addresses that met no block, and takes late blocks in
 * that were made before it and ended after it. Whether a block was made before follows from the
 * order numbers: that of a census is above those of all earlier events of other threads, and all
 * later ones of theirs are above it.
 *
 * Always: all blocks of all sites together are what the replay had live in that domain at the
 * census, and such late ones.
 */
#ifndef PMT_TOOLS_CENSUS_H
#define PMT_TOOLS_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

#include "early.h"
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
	struct heap missing;   /* listed, but no block was there: address -> type, as the site */
	uint64_t order;	       /* of the census */
	uint32_t early_number; /* `number` of the frees that waited when it was taken */
	struct idmap ids;      /* id of a type -> position in `names` */
	char **names;
	size_t names_room;
	uint64_t listed;    /* blocks */
	uint64_t announced; /* blocks, by the records with the names */
	bool damaged;	    /* lists of blocks that make no sense */
};

void census_init(struct census *census, const char *wanted);
void census_fini(struct census *census);

/* The replay at one record of a census. */
struct census_place {
	uint64_t time_ns; /* since the start */
	uint64_t order;
	const struct heap *heap;
	const struct sites *blocks;
	const struct early *early;
};

/* Take in one record of a census. */
void census_add(struct census *census, const struct pmt_record *record,
		const struct census_place *place);

/* A block that has its record behind the census. */
struct census_late {
	uint64_t addr;
	const struct site *site;
	uint64_t size_bytes;
	bool ended;	      /* by a free that waited: */
	uint32_t early_taken; /* which one that was */
};

/* Take it in if it was live at the census. */
void census_add_late(struct census *census, const struct census_late *late);

/* Can late blocks concern a census made under ORDER? */
static inline bool census_wants_late(const struct census *census, uint64_t order)
{
	return census != NULL && census->found && order < census->order;
}

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
