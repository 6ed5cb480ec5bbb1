/* SPDX-License-Identifier: MIT */
/*
 * Python objects by type and by where they were made, from `create` and `destroy` events of any
 * number of logs.
 *
 * An object is destroyed by a `destroy` event at its address, or inferred to be when another one
 * is made there. A `destroy` where no object is known is of an object that was made before the
 * events begin; such are counted apart.
 */
#ifndef PMT_TOOLS_OBJECTS_H
#define PMT_TOOLS_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filter.h"
#include "frames.h"
#include "moments.h"
#include "hashindex.h"
#include "objmap.h"
#include "stack_filter.h"
#include "text_list.h"

enum objects_by { OBJECTS_BY_TYPE, OBJECTS_BY_SITE, OBJECTS_BY_FUNCTION, OBJECTS_BY_FILE };

#define OBJECTS_BY_WORDS "type|site|function|file"

struct objects_options {
	int by; /* enum objects_by */
	struct moment moment;
	struct filter filter;	/* of the frames and threads that made them */
	struct text_list types; /* globs */
	struct text_list other_types;
};

struct objects_counts {
	uint64_t created;
	uint64_t created_bytes;
	uint64_t live;
	uint64_t live_bytes;
	uint64_t inferred; /* of those created and destroyed: not said by Python */
	uint64_t before;   /* destroyed, but not created in the log */
};

/* Objects of one log that have these in common. */
struct objects_site {
	uint64_t stack;
	uint64_t type;	 /* id */
	uint32_t thread; /* that made them */
	bool unknown;	 /* made before the log: of `stack` and `thread` nothing is known */
	bool wanted;
	struct objects_counts counts;
};

/* A death, or an object that is live. */
struct objects_object {
	uint64_t addr;
	uint64_t size;
	uint64_t born_ns;		 /* since the start */
	uint64_t age_ns;		 /* up to its death, or to the moment of the report */
	const struct objects_site *site; /* where it was made */
	bool inferred;
	bool reused;	 /* there was no `destroy`: another object is at its address */
	uint64_t stack;	 /* that destroyed it */
	uint32_t thread; /* the same */
};

struct objects_log;

/* Called with each object; must not keep it. Returns nonzero to end the reading. */
typedef int (*objects_visit)(void *context, struct objects_log *log,
			     const struct objects_object *object);

enum objects_kind { OBJECTS_CREATE, OBJECTS_DESTROY, OBJECTS_INFERRED };

#define OBJECTS_WAITING_MAX 32

/* A `create` or `destroy`, until it is its turn. */
struct objects_event {
	uint64_t addr;
	uint64_t type;
	uint64_t size;
	uint64_t stack;
	uint64_t time_ns; /* since the start */
	uint64_t number;
	uint64_t rss;
	uint32_t thread;
	enum objects_kind kind;
};

/* One log while it is read. */
struct objects_log {
	const struct objects_options *options;
	struct reader *reader;
	struct objmap map;
	struct stack_filter stack_filter;
	struct objects_site *sites; /* [1, site_count] */
	uint32_t site_count;
	uint32_t site_room;
	struct hashindex index;
	struct objects_counts counts; /* of wanted sites */
	uint64_t seen;		      /* create and destroy events */
	uint64_t last_ns;	      /* time of the moment that the counts are of */
	uint64_t read_ns;	      /* time of the last event that was read */
	struct objects_event waiting[OBJECTS_WAITING_MAX];
	uint32_t waiting_count;
	uint64_t peak_live; /* most live objects so far: the first moment of it */
	uint64_t peak_bytes;
	uint64_t peak_ns;
	uint64_t peak_rss;    /* 0: not known */
	uint64_t peak_number; /* of its event */
	uint64_t until_ns;    /* absolute; later events are not read */
	uint64_t until_number;
	objects_visit visit_death; /* NULL: none */
	void *context;
};

/*
 * Read the log up to the moment of the options. DEATH is called for each wanted object that dies.
 * Returns the exit status: EXIT_DATA after a message, or when the log lacks objects; then `reader` is
 * NULL. objects_log_fini() in any case.
 */
int objects_log_init(struct objects_log *log, const struct moments_log *moment,
		     const struct objects_options *options, objects_visit death, void *context);
void objects_log_fini(struct objects_log *log);
/* Visit the wanted live objects, oldest first, of equal age by address. */
void objects_log_live(struct objects_log *log, objects_visit visit, void *context);

/* --- all logs --- */

/* What is equal in a row; 0 where the report does not tell it apart. */
struct objects_key {
	uint32_t type; /* text numbers */
	uint32_t file;
	uint32_t function;
	uint32_t line;
	uint32_t unknown; /* 1: made before the log */
};

struct objects_row {
	struct objects_key key;
	struct objects_counts counts;
};

struct objects_process {
	char *path;
	uint32_t pid;
	struct objects_counts counts;
	uint64_t moment_ns; /* since the start, as below */
	uint64_t peak_live;
	uint64_t peak_bytes;
	uint64_t peak_ns;
	uint64_t peak_rss;
};

struct objects {
	struct objects_options options;
	struct frames frames;
	struct objects_row *rows; /* [0, count) */
	uint32_t count;
	uint32_t room;
	struct hashindex index; /* of positions plus one */
	struct objects_counts counts;
	struct objects_process *processes;
	size_t process_count;
};

void objects_init(struct objects *objects, const struct objects_options *options);
void objects_fini(struct objects *objects);
/* Add what a log was found to have. */
void objects_add(struct objects *objects, struct objects_log *log);
/* After the last log: sort the rows, most live objects first. */
void objects_finish(struct objects *objects);

#define OBJECTS_NO_FRAME FILTER_NO_FRAME
#define OBJECTS_BEFORE "<before the log>"

/* The innermost function of a stack that is not 0. */
void objects_code(const struct objects_log *log, uint64_t stack, struct reader_code *code);

/* Objects that were destroyed, of those that were created. */
static inline uint64_t objects_destroyed(const struct objects_counts *counts)
{
	return counts->created - counts->live;
}

#endif
