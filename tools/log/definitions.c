/* SPDX-License-Identifier: MIT */
/* Strings, code objects and stacks of a log. */
#include "definitions.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "linetable.h"

void definitions_fini(struct definitions *d)
{
	for (uint64_t i = 0; i < d->code_ids.count; i++)
		free(d->codes[i].lines);
	free(d->texts);
	free(d->strings);
	free(d->codes);
	free(d->frames);
	free(d->c_functions);
	free(d->types);
	free(d->memos);
	idmap_fini(&d->string_ids);
	idmap_fini(&d->code_ids);
	idmap_fini(&d->frame_ids);
	idmap_fini(&d->c_function_ids);
	idmap_fini(&d->type_ids);
	*d = (struct definitions){0};
}

/* Make ARRAY long enough for USED and MORE items. */
static void *make_room(void *array, size_t *room, size_t used, size_t more, size_t item)
{
	if (*room - used >= more)
		return array;
	*room = used + more > *room * 2 ? used + more + 64 : *room * 2;
	return need_resize(array, *room * item);
}

static uint32_t clamp_number(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static int add_string(struct definitions *d, const struct pmt_string *r)
{
	size_t count = d->string_ids.count;

	if (idmap_put(&d->string_ids, r->id, (uint32_t)count) != 0)
		return -1;
	d->strings = make_room(d->strings, &d->strings_room, count, 1, sizeof(*d->strings));
	d->texts = make_room(d->texts, &d->texts_room, d->texts_size, r->text.size + 1U, 1);
	d->strings[count] = d->texts_size;
	if (r->text.size != 0)
		memcpy(d->texts + d->texts_size, r->text.data, r->text.size);
	d->texts_size += r->text.size;
	d->texts[d->texts_size++] = '\0';
	return 1;
}

static int add_lines(struct code_definition *code, const struct pmt_bytes *part)
{
	if (part->size > code->lines_announced - code->lines_size)
		return -1;
	if (part->size == 0)
		return 1;
	code->lines = need_resize(code->lines, code->lines_size + part->size);
	memcpy(code->lines + code->lines_size, part->data, part->size);
	code->lines_size += part->size;
	return 1;
}

static int add_code(struct definitions *d, const struct pmt_code *r)
{
	size_t count = d->code_ids.count;

	if (r->id > UINT32_MAX || r->lines.size > r->table_size ||
	    idmap_put(&d->code_ids, r->id, (uint32_t)count) != 0)
		return -1;
	d->codes = make_room(d->codes, &d->codes_room, count, 1, sizeof(*d->codes));
	d->codes[count] = (struct code_definition){
		.name = r->name,
		.qualname = r->qualname,
		.file = r->file,
		.lines_announced = clamp_number(r->table_size),
		.first_line = clamp_number(r->first_line),
		.table = r->table < UINT8_MAX ? (uint8_t)r->table : UINT8_MAX,
	};
	return add_lines(&d->codes[count], &r->lines);
}

static int add_code_lines(struct definitions *d, const struct pmt_code_lines *r)
{
	int64_t i = idmap_get(&d->code_ids, r->code);

	return i < 0 ? -1 : add_lines(&d->codes[i], &r->lines);
}

/* Parents are smaller than their children, so that no walk can run in a circle. */
static int add_frame(struct definitions *d, const struct pmt_frame *r)
{
	size_t count = d->frame_ids.count;

	if (r->stack > UINT32_MAX || r->parent >= r->stack || r->code > UINT32_MAX ||
	    idmap_put(&d->frame_ids, r->stack, (uint32_t)count) != 0)
		return -1;
	d->frames = make_room(d->frames, &d->frames_room, count, 1, sizeof(*d->frames));
	d->frames[count] = (struct frame_definition){
		.parent = (uint32_t)r->parent,
		.code = (uint32_t)r->code,
		.position = clamp_number(r->position),
		.line = DEFINITIONS_NO_LINE_YET,
	};
	return 1;
}

static int add_c_function(struct definitions *d, const struct pmt_c_function *r)
{
	size_t count = d->c_function_ids.count;

	if (idmap_put(&d->c_function_ids, r->id, (uint32_t)count) != 0)
		return -1;
	d->c_functions =
		make_room(d->c_functions, &d->c_functions_room, count, 1, sizeof(*d->c_functions));
	d->c_functions[count] = (struct c_function_definition){r->name, r->owner};
	return 1;
}

static int add_type(struct definitions *d, const struct pmt_object_type *r)
{
	size_t count = d->type_ids.count;

	if (idmap_put(&d->type_ids, r->id, (uint32_t)count) != 0)
		return -1;
	d->types = make_room(d->types, &d->types_room, count, 1, sizeof(*d->types));
	d->types[count] = (struct type_definition){r->name, r->builtin != 0};
	return 1;
}

int definitions_add(struct definitions *d, const struct pmt_record *record)
{
	switch (record->type) {
	case PMT_REC_string:
		return add_string(d, &record->string);
	case PMT_REC_code:
		return add_code(d, &record->code);
	case PMT_REC_code_lines:
		return add_code_lines(d, &record->code_lines);
	case PMT_REC_frame:
		return add_frame(d, &record->frame);
	case PMT_REC_c_function:
		return add_c_function(d, &record->c_function);
	case PMT_REC_object_type:
		return add_type(d, &record->object_type);
	default:
		return 0;
	}
}

const char *definitions_string(const struct definitions *d, uint64_t id)
{
	int64_t i = idmap_get(&d->string_ids, id);

	return i < 0 ? "?" : d->texts + d->strings[i];
}

const struct code_definition *definitions_code(const struct definitions *d, uint64_t id)
{
	int64_t i = idmap_get(&d->code_ids, id);

	return i < 0 ? NULL : &d->codes[i];
}

const struct frame_definition *definitions_frame(const struct definitions *d, uint64_t id)
{
	int64_t i = idmap_get(&d->frame_ids, id);

	return i < 0 ? NULL : &d->frames[i];
}

const struct c_function_definition *definitions_c_function(const struct definitions *d, uint64_t id)
{
	int64_t i = idmap_get(&d->c_function_ids, id);

	return i < 0 ? NULL : &d->c_functions[i];
}

const struct type_definition *definitions_type(const struct definitions *d, uint64_t id)
{
	int64_t i = idmap_get(&d->type_ids, id);

	return i < 0 ? NULL : &d->types[i];
}

/* Where the line of a position is kept, if it is. Ids of codes fit 32 bits, see add_code(). */
static struct line_memo *memo_of(struct definitions *d, uint64_t code, uint64_t position)
{
	const uint64_t hash = (code << 32 | (uint32_t)position) * 0x9e3779b97f4a7c15ULL;

	if (d->memos == NULL)
		d->memos = calloc(DEFINITIONS_MEMOS, sizeof(*d->memos));
	if (d->memos == NULL)
		die(EXIT_DATA, "out of memory");
	return &d->memos[(hash >> 32) % DEFINITIONS_MEMOS];
}

uint32_t definitions_position_line(struct definitions *d, uint64_t id, uint64_t position)
{
	const struct code_definition *code = definitions_code(d, id);

	if (code == NULL)
		return 0;
	if (position == 0)
		return code->first_line;
	const struct linetable table = {code->table, code->first_line, code->lines,
					code->lines_size};

	if (position > UINT32_MAX)
		return linetable_line(&table, (position - 1) * 2);
	struct line_memo *memo = memo_of(d, id, position);

	if (memo->code != id || memo->position != position)
		*memo = (struct line_memo){(uint32_t)id, (uint32_t)position,
					   linetable_line(&table, (position - 1) * 2)};
	return memo->line;
}

uint32_t definitions_line(struct definitions *d, uint64_t id)
{
	int64_t i = idmap_get(&d->frame_ids, id);
	struct frame_definition *frame = i < 0 ? NULL : &d->frames[i];

	if (frame == NULL)
		return 0;
	if (frame->line == DEFINITIONS_NO_LINE_YET)
		frame->line = definitions_position_line(d, frame->code, frame->position);
	return frame->line;
}
