/* SPDX-License-Identifier: MIT */
/*
 * What the log defines: strings, code objects, stacks. Filled once when the log is opened; look-ups
 * take any id. A definition that makes no sense (id 0, id taken, a stack on top of itself or of a
 * later one, a line table longer than announced) is refused.
 */
#ifndef PMT_TOOLS_DEFINITIONS_H
#define PMT_TOOLS_DEFINITIONS_H

#include "idmap.h"
#include "reader.h"

/* A code object; ids of strings are checked when they are looked up. */
struct code_definition {
	uint64_t name;
	uint64_t qualname;
	uint64_t file;
	uint8_t *lines; /* line table, the part of it that is there */
	uint32_t lines_size;
	uint32_t lines_announced;
	uint32_t first_line;
	uint8_t table; /* PMT_LINETABLE_* */
};

struct frame_definition {
	uint32_t parent; /* stack id, smaller than its own */
	uint32_t code;	 /* code id, defined or not */
	uint32_t position;
	uint32_t line; /* DEFINITIONS_NO_LINE_YET, or what the table says */
};

struct c_function_definition {
	uint64_t name; /* string ids */
	uint64_t owner;
};

struct type_definition {
	uint64_t name;
	bool builtin;
};

#define DEFINITIONS_NO_LINE_YET UINT32_MAX

/* What a line table has said: events ask for the same positions again and again. */
struct line_memo {
	uint32_t code; /* 0: empty */
	uint32_t position;
	uint32_t line;
};

#define DEFINITIONS_MEMOS 16384

/* All zero is empty. */
struct definitions {
	struct idmap string_ids;
	struct idmap code_ids;
	struct idmap frame_ids;
	struct idmap c_function_ids;
	struct idmap type_ids;
	char *texts; /* all strings, each with a NUL behind it */
	size_t texts_size, texts_room;
	size_t *strings; /* offsets in `texts` */
	struct code_definition *codes;
	struct frame_definition *frames;
	struct c_function_definition *c_functions;
	struct type_definition *types;
	struct line_memo *memos; /* DEFINITIONS_MEMOS of them once there is one */
	size_t strings_room, codes_room, frames_room, c_functions_room, types_room;
};

void definitions_fini(struct definitions *d);

/* Take in one record. Returns 1, 0 when it is not a definition, -1 when it is refused. */
int definitions_add(struct definitions *d, const struct pmt_record *record);

/* "?" when it is not defined. */
const char *definitions_string(const struct definitions *d, uint64_t id);
/* NULL when it is not defined. */
const struct code_definition *definitions_code(const struct definitions *d, uint64_t id);
const struct frame_definition *definitions_frame(const struct definitions *d, uint64_t id);
const struct c_function_definition *definitions_c_function(const struct definitions *d,
							   uint64_t id);
const struct type_definition *definitions_type(const struct definitions *d, uint64_t id);
/* The line of a position (as in a `frame` record) of a code object, 0 when it is not known. Reads
 * the line table the first time, and when another position has taken its memo's place. */
uint32_t definitions_position_line(struct definitions *d, uint64_t code, uint64_t position);
/* The line of a stack's innermost frame, 0 when it is not known; looked up once a frame. */
uint32_t definitions_line(struct definitions *d, uint64_t id);

#endif
