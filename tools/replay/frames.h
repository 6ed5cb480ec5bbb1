/* SPDX-License-Identifier: MIT */
/*
 * Python stacks of any number of logs, as text: equal frames and equal stacks have equal numbers,
 * in whichever log they are. Numbers stay valid for as long as the table, beyond that of the
 * readers.
 */
#ifndef PMT_TOOLS_FRAMES_H
#define PMT_TOOLS_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filter.h"
#include "hashindex.h"
#include "idmap.h"
#include "reader.h"

/* A stack: its innermost frame on top of its caller's stack. Number 0 is the empty stack. */
struct frame {
	uint32_t caller; /* number of the caller's stack */
	uint32_t file;	 /* text numbers */
	uint32_t function;
	uint32_t line; /* 0: not known */
};

struct frames {
	struct frame *frames; /* [1, count] */
	uint32_t count;
	uint32_t room;
	struct hashindex index;
	char **texts; /* [1, text_count] */
	uint32_t text_count;
	uint32_t text_room;
	struct hashindex text_index;
	uint8_t *looks; /* [1, look_count]: what a filter found in these stacks */
	uint32_t look_count;
	uint32_t look_room;
	/* Leave out the frames of the import system; set before the first stack. */
	bool hide_imports;
};

void frames_init(struct frames *frames);
void frames_fini(struct frames *frames);

/* The number of a text; equal texts have equal numbers. */
uint32_t frames_text(struct frames *frames, const char *text);
/* The number of the stack with FRAME on top. */
uint32_t frames_push(struct frames *frames, const struct frame *frame);

/*
 * The number of a log's stack. KNOWN remembers what was asked for: one map a log, all zero at
 * first. A stack that the log does not define is one frame of "?"; frames that were left out for
 * the stack's length are one frame FRAMES_LEFT_OUT.
 */
uint32_t frames_stack(struct frames *frames, struct reader *reader, struct idmap *known,
		      uint64_t stack);

/*
 * What FILTER finds in a stack's innermost frame, or in all of its frames; each stack is looked at
 * once, so it is the same filter each time.
 */
unsigned frames_look(struct frames *frames, const struct filter *filter, uint32_t stack);

#define FRAMES_LEFT_OUT "..."
/* File and function of the one frame that stands for imports without a frame that asked for them. */
#define FRAMES_IMPORT "<import>"
#define FRAMES_IMPORTER "<interpreter>"

#endif
