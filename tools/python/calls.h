/* SPDX-License-Identifier: MIT */
/*
 * Where the resident set grew, and where the time went, by function and by chain of calls, of any
 * number of logs with the interpreter's events.
 *
 * Rules:
 *	- What the resident set has moved since the event before, of any thread, is charged to the
 *	  function that was running in the thread of the event until then: its own amount. The set
 *	  is that of the process, so what one thread did may be seen by another one first.
 *	- Time is that since the thread's own last event.
 *	- A function's whole amount has that of everything it called, too; where it is on a stack
 *	  more than once, everything counts once.
 *	- Stacks are made from the events: call, resume, throw and c-call put a function on it;
 *	  return, yield, unwind, c-return and c-exception take it down. Every event but a call names the
 *	  function that runs: what stands above it on the stack has ended unseen. One that is not on
 *	  the stack at all was called unseen: it is put there, and no call is counted.
 *	- `events_begin` says what stack a thread has. Without it, and without any function, amounts
 *	  are those of CALLS_OUTSIDE.
 *	- Calls are `call` and `c-call` events.
 *	- A filter that looks at any frame leaves out what happens where the stack does not pass,
 *	  calls included; one that looks at the innermost leaves out functions, when they are printed.
 * So without a filter: own amounts of all functions add up to what the resident set moved in all.
 */
#ifndef PMT_TOOLS_CALLS_H
#define PMT_TOOLS_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "calltree.h"
#include "filter.h"
#include "frames.h"
#include "reader.h"

enum calls_by { CALLS_BY_INCLUSIVE, CALLS_BY_EXCLUSIVE, CALLS_BY_CALLS, CALLS_BY_TIME };

#define CALLS_BY_WORDS "inclusive|exclusive|calls|time"

#define CALLS_OUTSIDE "<outside of functions>"
/* Deeper stacks are not followed; what happens there is charged to the function at this depth. */
#define CALLS_DEPTH_MAX (1U << 20)
/* The `line` of a C function in `names`; its `file` is the module or type. */
#define CALLS_IS_C UINT32_MAX

struct calls_options {
	int by; /* enum calls_by */
	bool tree;
	struct filter filter;
	uint64_t limit; /* rows or lines */
	uint64_t depth; /* of the tree that is printed */
	uint64_t least; /* bytes that a line of the tree has grown by at least */
};

struct calls_function {
	uint64_t calls;
	struct call_amount own;
	struct call_amount all;
};

struct calls_process {
	char *path;
	char *rss_at_events; /* as the header has it, "" if it does not; not to be trusted */
	uint32_t pid;
	uint64_t seen;	  /* events of the interpreter, of any thread */
	uint64_t events;  /* of the interpreter, with those passed over */
	uint64_t skipped; /* passed over */
	uint64_t lost;
	uint64_t first_bytes; /* resident set at the first and at the last event that tells it */
	uint64_t last_bytes;
	uint64_t threads;     /* that had events */
	uint64_t duration_ns; /* from the first to the last event */
};

struct calls {
	struct calls_options options;
	struct frames names; /* functions are frames without callers; numbers as in `functions` */
	struct calls_function *functions; /* [0, function_room); 0: outside */
	uint32_t function_room;
	struct calltree tree; /* only the root without options.tree */
	struct call_amount total;
	struct call_amount shown; /* without what the filter leaves out */
	struct calls_process *processes;
	size_t process_count;
	double dropped_seconds; /* up to then some log has no events, it reached its limit; or 0 */
	bool cut; /* a stack was deeper than CALLS_DEPTH_MAX, or than the tree's depth */
};

void calls_init(struct calls *calls, const struct calls_options *options);
void calls_fini(struct calls *calls);

/*
 * Read a log and add it. Returns the exit status: EXIT_DATA after a message, or when the log is
 * among those that lack the events.
 */
int calls_add(struct calls *calls, const char *path);
/* The same with a log that is open: reads it, and prints nothing. Returns as reader_run(). */
int calls_read(struct calls *calls, struct reader *reader);
/* Whether a filter that looks at the innermost frame passes FUNCTION. */
bool calls_passes(struct calls *calls, uint32_t function);

#endif
