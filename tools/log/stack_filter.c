/* SPDX-License-Identifier: MIT */
/* The filter of a report on the stacks and functions of one log. */
#include "stack_filter.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

enum {
	DEPTH_MAX = 100000, /* a log may say that a stack is its own caller */
};

void stack_filter_init(struct stack_filter *s, const struct filter *filter, struct reader *reader)
{
	memset(s, 0, sizeof(*s));
	s->filter = filter;
	s->reader = reader;
}

void stack_filter_fini(struct stack_filter *s)
{
	idmap_fini(&s->stacks);
	idmap_fini(&s->codes);
}

unsigned stack_filter_code(struct stack_filter *s, uint64_t id)
{
	const int64_t known = idmap_get(&s->codes, id);
	struct reader_code code;

	if (known >= 0)
		return (unsigned)known;
	reader_code(s->reader, id, &code);
	const unsigned found = filter_look(s->filter, code.file, code.qualname);

	idmap_put(&s->codes, id, found); /* refuses 0, which then is asked for each time */
	return found;
}

static unsigned look_at(struct stack_filter *s, uint64_t stack)
{
	return stack_filter_code(s, reader_stack_code(s->reader, stack));
}

/* The bits of STACK and all its callers. */
static unsigned look_at_all(struct stack_filter *s, uint64_t stack)
{
	uint64_t *todo = NULL;
	size_t depth = 0, room = 0;
	unsigned found = 0;

	for (; stack != 0 && depth < DEPTH_MAX; stack = reader_stack_parent(s->reader, stack)) {
		const int64_t known = idmap_get(&s->stacks, stack);

		if (known >= 0) {
			found = (unsigned)known;
			break;
		}
		if (depth == room) {
			room = room * 2 + 64;
			todo = need_resize(todo, room * sizeof(*todo));
		}
		todo[depth++] = stack;
	}
	while (depth-- > 0) {
		found |= look_at(s, todo[depth]);
		idmap_put(&s->stacks, todo[depth], found);
	}
	free(todo);
	return found;
}

unsigned stack_filter_stack(struct stack_filter *s, uint64_t stack)
{
	if (stack == 0)
		return filter_look_at_none(s->filter);
	return s->filter->frame == FILTER_ANY ? look_at_all(s, stack) : look_at(s, stack);
}

bool stack_filter_passes(struct stack_filter *s, uint64_t stack)
{
	return !filter_has_patterns(s->filter) ||
	       filter_passes(s->filter, stack_filter_stack(s, stack));
}

/* --- events: where their frames are, records.def says --- */

enum frame_kind { NO_FRAME, HAS_STACK, HAS_CODE };

/* Where the id of a record's stack or code object is. */
struct frame_field {
	enum frame_kind kind;
	size_t offset;
};

#define KIND_variant NO_FRAME
#define KIND_uint NO_FRAME
#define KIND_addr NO_FRAME
#define KIND_stack HAS_STACK
#define KIND_time NO_FRAME
#define KIND_order NO_FRAME
#define KIND_bytes NO_FRAME
#define KIND_resident NO_FRAME
#define KIND_code HAS_CODE
#define KIND_line NO_FRAME
#define KIND_type NO_FRAME

/* fields_NAME[]: the fields of a record; the last one says whether there was none. */
#define PMT_RECORD(name, tag, variants, form, doc)                                                 \
	static const struct frame_field fields_##name[] = {
#define PMT_FIELD(record, codec, field, show, doc)                                                 \
	{KIND_##codec, offsetof(struct pmt_record, record.field)},
#define PMT_END(name)                                                                              \
	{                                                                                          \
		NO_FRAME, SIZE_MAX                                                                 \
	}                                                                                          \
	}                                                                                          \
	;
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END

static const struct frame_field *const fields_of[PMT_REC_COUNT] = {
#define PMT_RECORD(name, tag, variants, form, doc) fields_##name,
#define PMT_FIELD(record, codec, field, show, doc)
#define PMT_END(name)
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END
};

static unsigned look_at_event(struct stack_filter *filter, const struct pmt_record *record)
{
	const struct frame_field *field = fields_of[record->type];

	while (field->kind == NO_FRAME && field->offset != SIZE_MAX)
		field++;
	if (field->kind == NO_FRAME)
		return filter_look_at_none(filter->filter);
	const uint64_t *id = (const void *)((const char *)record + field->offset);

	return field->kind == HAS_STACK ? stack_filter_stack(filter, *id)
					: stack_filter_code(filter, *id);
}

bool stack_filter_passes_event(struct stack_filter *filter, const struct pmt_record *record,
			       uint32_t thread)
{
	if (!filter_has_thread(filter->filter, thread))
		return false;
	return !filter_has_patterns(filter->filter) ||
	       filter_passes(filter->filter, look_at_event(filter, record));
}
