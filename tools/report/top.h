/* SPDX-License-Identifier: MIT */
/* Who holds the memory: blocks of any number of logs added up by where they come from. */
#ifndef PMT_TOOLS_TOP_H
#define PMT_TOOLS_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filter.h"
#include "frames.h"
#include "moments.h"
#include "hashindex.h"
#include "lacking.h"
#include "report.h"
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
	TOP_AT_MOMENT,
	TOP_TEMPORARY,
	TOP_AT_CENSUS, /* only by type */
};

struct top_options {
	int by; /* enum top_by */
	enum top_what what;
	struct moment moment; /* TOP_AT_MOMENT */
	const char *at;	      /* the same as --at has it */
	const char *census;   /* TOP_AT_CENSUS: label or number; NULL: the last one */
	uint64_t threshold;
	bool heap;	  /* blocks of the heap only */
	bool mappings;	  /* memory mappings only, of files, too */
	bool per_process; /* tell processes apart in whatever BY says */
	bool hide_imports;
	struct filter filter;
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
	bool alive;	    /* the process lived at the moment; else nothing of it counts */
	uint64_t moment_ns; /* the peak's, or the last event's that counts; since the start */
	uint64_t told_ns;   /* the account that told what of mappings was resident, 0: none had */
	uint64_t untold_bytes; /* of mappings that no account had told of: they count in full */
	uint64_t grown_bytes;  /* of mappings, what became resident after the account, reckoned */
	uint64_t after_ns;     /* from a census to the last event of the log */
	struct amount amount;  /* all, also what the filter leaves out */
	char *stopped;	       /* when and why tracing stopped early; NULL: it did not */
	char *census;	       /* which it was: "the end", "snapshot 2 'label'"; NULL: none */
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
	struct hashindex index; /* of positions plus one */
	struct top_part *parts; /* what one stack adds to one row */
	size_t part_count;
	size_t part_room;
	struct top_process *processes;
	size_t process_count;
	size_t lacking; /* of these, such whose logs have nothing of what the report is about */
	const struct moments *moments; /* where the logs stand; top_add() */
	struct amount all;	       /* of all logs */
	struct amount mapped;	       /* of these, mappings */
	struct top_rss {
		uint64_t bytes; /* of a single log: its largest resident set */
		uint64_t at_ns;
		uint64_t then_bytes; /* and the one at the moment */
	} rss;
	struct amount shown; /* without what the filter leaves out */
	struct amount shown_mapped;
	uint64_t held_bytes;  /* more of them may have been in short-lived blocks, of all logs */
	bool hides_blocks;    /* see report_hides_blocks() */
	bool dropped;	      /* some logs reached their size limit, the latest at: */
	bool dropped_unknown; /* what was live before is not known */
	uint64_t dropped_missing; /* of that, so much at most */
	double dropped_seconds;
	struct log_names unfinished; /* logs of which the moment is the last record, not the end */
	char unfinished_state[REPORT_STATE]; /* of the only one */
};

#define TOP_NO_FRAME FILTER_NO_FRAME

void top_init(struct top *top, const struct top_options *options);
void top_fini(struct top *top);

/*
 * Read the log NUMBER of MOMENTS, which is readable and stays, and add it. Returns the exit status:
 * EXIT_DATA after a message, or when the log lacks what is asked for, which top_say() says.
 */
int top_add(struct top *top, const struct moments *moments, size_t number);

/*
 * After the last log: sort the rows by bytes, count and name, largest first, and find the stack of
 * each. The order is the same for the same logs in whatever order their records were hashed.
 */
void top_finish(struct top *top);

/* A row's process, or NULL where rows are not of one; and its thread, or NULL. */
const struct top_process *top_row_process(const struct top *top, const struct top_row *row);
const struct thread *top_row_thread(const struct top *top, const struct top_row *row);
/* The frame to print for a row that stands for one; false when it does not. */
bool top_row_frame(const struct top *top, const struct top_row *row, struct frame *frame);

/* Print the first LIMIT rows to stdout. */
void top_print(const struct top *top, uint64_t limit);
void top_print_json(const struct top *top, uint64_t limit);
/* After that: the warnings that are about several logs, once. */
void top_say(struct top *top);

#endif
