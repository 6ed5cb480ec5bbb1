/* SPDX-License-Identifier: MIT */
/* Who holds the memory: blocks of any number of logs added up by where they come from. */
#ifndef PMT_TOOLS_TOP_H
#define PMT_TOOLS_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"
#include "frames.h"
#include "sites.h"
#include "threads.h"

enum top_by {
	TOP_BY_LINE,
	TOP_BY_FUNCTION,
	TOP_BY_FILE,
	TOP_BY_STACK,
	TOP_BY_THREAD,
	TOP_BY_ALLOCATOR,
	TOP_BY_PROCESS,
	TOP_BY_TYPE,
};

#define TOP_BY_WORDS "line|function|file|stack|thread|allocator|process|type"

enum top_what {
	TOP_AT_PEAK,
	TOP_AT_END,
	TOP_AT_TIME,
	TOP_TEMPORARY,
	TOP_AT_CENSUS, /* only by type */
};

struct top_options {
	int by; /* enum top_by */
	enum top_what what;
	uint64_t at_ns;	    /* TOP_AT_TIME: since the start of each log */
	const char *census; /* TOP_AT_CENSUS: label or number; NULL: the last one */
	uint64_t threshold;
	bool mappings;	  /* memory mappings in place of the heap's blocks */
	bool per_process; /* tell processes apart in whatever BY says */
	bool hide_imports;
	struct command_list include; /* globs for the file of the innermost frame */
	struct command_list exclude;
};

/* What rows have in common is equal here; what BY does not tell apart is 0. */
struct top_key {
	uint32_t process; /* position in `processes` plus one */
	uint32_t thread;
	uint32_t kind;
	uint32_t stack;
	uint32_t file;
	uint32_t function;
	uint32_t line;
	uint32_t type; /* text number */
};

struct top_row {
	struct top_key key;
	struct amount amount;
	uint32_t stack; /* the one with most of the bytes */
};

struct top_process {
	char *path;
	uint32_t pid;
	uint64_t moment_ns;   /* the peak's, or the last event's that counts; since the start */
	struct amount amount; /* all, also what include and exclude leave out */
	char *census;	      /* which it was: "the end", "snapshot 2, 'label'"; NULL: none */
	struct threads threads;
};

struct top_part;

struct top {
	struct top_options options;
	struct frames frames;
	uint32_t no_frame; /* text number of TOP_NO_FRAME */
	struct top_row *rows;
	uint32_t count;
	uint32_t room;
	uint32_t *index;
	uint32_t index_mask;
	uint64_t factor;
	struct top_part *parts; /* what one stack adds to one row */
	size_t part_count;
	size_t part_room;
	struct top_process *processes;
	size_t process_count;
	struct amount all;    /* of all logs */
	struct amount shown;  /* without what include and exclude leave out */
	uint64_t held_bytes;  /* more of them may have been in short-lived blocks, of all logs */
	bool hides_blocks;    /* see report_hides_blocks() */
	bool dropped;	      /* some logs reached their size limit, the latest at: */
	bool dropped_unknown; /* what was live before is not known */
	uint64_t dropped_missing; /* of that, so much at most */
	double dropped_seconds;
};

#define TOP_NO_FRAME "<no Python frame>"

void top_init(struct top *top, const struct top_options *options);
void top_fini(struct top *top);

/* Read a log and add it. Returns the exit status, after a message when it is not 0; what could be
 * read is added in any case. */
int top_add(struct top *top, const char *path);

/*
 * After the last log: sort the rows by bytes, count and name, largest first, and find the stack of
 * each. The order is the same for the same logs in whatever order their records were hashed.
 */
void top_finish(struct top *top);

/* Print the first LIMIT rows to stdout. */
void top_print(const struct top *top, uint64_t limit);
void top_print_json(const struct top *top, uint64_t limit);

#endif
