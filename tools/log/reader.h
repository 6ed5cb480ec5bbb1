/* SPDX-License-Identifier: MIT */
/*
 * The one reader of logs: opens a log, knows its definitions, and hands its events to a visitor in
 * the order in which they happened. Every command reads through it; no command decodes by itself.
 *
 * Everything in a log is hostile: ids may point anywhere, texts hold any bytes. The look-ups below
 * take any number. Memory is bounded by definitions and one buffer a slot, not by the log's size.
 */
#ifndef PMT_TOOLS_READER_H
#define PMT_TOOLS_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include "record.h"

struct reader;
struct dropped;

/* What could not be read. A log that was cut or killed is not damaged: see `truncated`. */
struct reader_damage {
	uint64_t chunks_damaged;      /* checksum wrong, or head not understood: skipped */
	uint64_t records_damaged;     /* chunks whose records stopped making sense: rest skipped */
	uint64_t bytes_lost;	      /* bytes in these */
	uint64_t unknown_records;     /* of a later version, skipped by length */
	uint64_t definitions_refused; /* they contradict themselves or others */
	bool truncated;		      /* the file ends within a chunk */
	bool index_damaged;	      /* of a compressed log; this alone costs nothing */
};

/* A Python code object, as far as the log tells. Texts are never NULL, "?" where unknown. */
struct reader_code {
	const char *name;
	const char *qualname; /* same as name where the version has none */
	const char *file;
	uint32_t first_line;
};

/* One event, in its place and time. */
struct reader_event {
	struct pmt_record record; /* byte strings are valid during the call only */
	uint64_t time_ns;	  /* CLOCK_MONOTONIC; resolution is header->rss_interval_ns or so */
	uint64_t order;		  /* of a `late` alloc: that under which it was made */
	uint64_t number;	  /* of the event in the merged log, from 0 */
	uint32_t slot;
	uint32_t thread; /* thread number, 0: the tracer itself */
	bool late;	 /* alloc: a `birth` came before it, or it is of a fold chunk */
	bool taken;	 /* from before the kept window: what was live there has it already */
	bool held;	 /* no event, but what was live where the kept window begins */
	uint8_t soon;	 /* free, realloc: 1 + the distance of a `soon` before it; 0: none */
	/* Of the interpreter's events (reader_is_python_event) only; 0 at others. */
	bool previous;	    /* here only to show what came before the next one of its thread */
	uint64_t rss_bytes; /* the resident set at it; 0: not known */
	uint64_t skipped;   /* so many before it were passed over by filters */
};

/* An alloc or free, as short as can be. */
struct reader_block {
	uint64_t addr;
	uint64_t size_bytes;
	uint64_t stack;
	uint64_t order;
	uint32_t kind; /* allocator; READER_FREE: a free, of which only address, order and soon
			  count */
	uint32_t soon; /* as in struct reader_event */
};

#define READER_FREE UINT32_MAX
#define READER_BLOCKS_MAX 64

/* Blocks' events in a row, of one thread and time. */
struct reader_blocks {
	uint64_t time_ns;
	uint64_t number; /* of the first one */
	uint32_t slot;
	uint32_t thread;
	uint32_t count;
	struct reader_block blocks[READER_BLOCKS_MAX];
};

typedef int (*reader_visit_blocks)(void *context, const struct reader_blocks *blocks);

/*
 * Called for each event record: not for definitions, for time and order, and for the prefixes
 * birth, soon, resident and skipped, which are fields of the event they belong to. Non-zero ends
 * the reading.
 */
typedef int (*reader_visit)(void *context, const struct reader_event *event);

/*
 * Open a log: check the header, index its chunks, read its definitions. Returns 0 and READER, or -1
 * after one message through error() that names the file and what is wrong.
 */
int reader_open(const char *path, struct reader **reader);
void reader_close(struct reader *reader);

const char *reader_path(const struct reader *reader);
const struct pmt_header *reader_header(const struct reader *reader);
/* A text of the header (PMT_TEXT_*): its size, or -1; not terminated. */
long reader_text(const struct reader *reader, unsigned key, const char **data);
/* Complete after reader_run(). */
const struct reader_damage *reader_damage(const struct reader *reader);
/* Whether short-lived blocks were counted and not written. */
bool reader_folded(const struct reader *reader);
/* What is known of events that were dropped at the size limit; NULL: none were. */
const struct dropped *reader_dropped(const struct reader *reader);
/* Up to when events were dropped, in ns since the start; 0: none were. */
uint64_t reader_dropped_ns(const struct reader *reader);
/* At no moment were so many bytes in blocks that had no record yet, but existed. */
uint64_t reader_held_bytes(const struct reader *reader);
/* Whether a block may be written late by another slot than SLOT. */
bool reader_late_elsewhere(const struct reader *reader, uint32_t slot);

/*
 * Visit all events, merged over the slots by (time, order); then what the fold chunks hold, slot
 * after slot: a `folded` event for each site that has counts, a late `alloc` for each block. Can be
 * called again and gives the same events again. Returns 0, what the visitor returned if not zero,
 * or -1 after an I/O error.
 */
int reader_run(struct reader *reader, reader_visit visit, void *context);
/* The same, but BLOCKS gets most alloc and free events, all in their place among the others. */
int reader_run_blocks(struct reader *reader, reader_visit visit, reader_visit_blocks blocks,
		      void *context);

/*
 * Visit all definition records (string, code, code_lines, frame), in the order in which they were
 * written. Look-ups do not need this: definitions are known once the log is open.
 */
int reader_definitions(struct reader *reader, reader_visit visit, void *context);

/* Stacks: id 0 is the empty stack. An id that is not defined has no frames and parent 0. */
uint64_t reader_stack_parent(const struct reader *reader, uint64_t stack);
/* Code id of the innermost frame (0: left-out frames or unknown) and its line (0: not known). */
uint64_t reader_stack_code(const struct reader *reader, uint64_t stack);
uint32_t reader_stack_line(struct reader *reader, uint64_t stack);
bool reader_stack_known(const struct reader *reader, uint64_t stack);
/* Fills CODE, with "?" for what is not known. */
void reader_code(const struct reader *reader, uint64_t code, struct reader_code *out);
/* The line of a position in a code object, 0: not known. */
uint32_t reader_position_line(struct reader *reader, uint64_t code, uint64_t position);
/* A C function; texts are never NULL, name "?" where unknown, owner empty. */
struct reader_c_function {
	const char *name;
	const char *owner; /* module or type */
};
void reader_c_function(const struct reader *reader, uint64_t id, struct reader_c_function *out);
/* The name of a type of `create` and `destroy`; "?" if not defined. */
const char *reader_object_type(const struct reader *reader, uint64_t id);
/* Whether it is a type of the interpreter itself. */
bool reader_object_type_builtin(const struct reader *reader, uint64_t id);
/* Is it one of the interpreter's events: pyevent, c_event, line, create, destroy? */
static inline bool reader_is_python_event(enum pmt_type type)
{
	return type == PMT_REC_pyevent || type == PMT_REC_c_event || type == PMT_REC_line ||
	       type == PMT_REC_create || type == PMT_REC_destroy;
}
/* A string by id; "?" if not defined. Unescaped, terminated (a NUL in it cuts it). */
const char *reader_string(const struct reader *reader, uint64_t id);

#endif
