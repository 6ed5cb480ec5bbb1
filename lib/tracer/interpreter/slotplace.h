/* SPDX-License-Identifier: MIT */
/*
 * Where an event of a profile or trace function is, and what kind of event it is: a profile
 * function is only told "call" and "return", also where a generator goes on and where it stops.
 */
#ifndef PMT_TRACER_SLOTPLACE_H
#define PMT_TRACER_SLOTPLACE_H

#include <stdint.h>
#include <string.h>

#include "names.h"
#include "python.h"
#include "stack.h"

/* CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR. */
#define FLAGS_GENERATOR 0x2a0U

struct slotplace {
	const char *code;
	uint32_t position; /* as stack_position() */
};

/* The place of a frame object whose thread is attached. */
static inline struct slotplace slotplace_of(const char *frame)
{
	const struct python_layout *l = &python.layout;
	struct slotplace p;
	uintptr_t raw = 0;
	int32_t index;

	if (python.known->slots.frame != 0)
		memcpy(&frame, frame + python.known->slots.frame, sizeof(frame));
	memcpy(&p.code, frame + l->executable, sizeof(p.code));
	if (l->position_kind == PYTHON_INDEX_BYTES || l->position_kind == PYTHON_INDEX_UNITS) {
		memcpy(&index, frame + l->position, sizeof(index));
		raw = (uintptr_t)(intptr_t)index;
	} else {
		memcpy(&raw, frame + l->position, sizeof(raw));
	}
	p.position = stack_position(p.code, raw);
	return p;
}

static inline int slotplace_is_generator(const char *code)
{
	uint32_t flags;

	memcpy(&flags, code + python.known->slots.flags, sizeof(flags));
	return (flags & FLAGS_GENERATOR) != 0;
}

/* The instruction of a position that is not 0, and its argument. */
static inline const unsigned char *slotplace_instruction(const char *code, uint32_t position)
{
	const char *first = code + python.layout.bytecode;

	if (python.known->slots.bytecode != 0) {
		memcpy(&first, code + python.known->slots.bytecode, sizeof(first));
		first += python.layout.bytes_data;
	}
	return (const unsigned char *)first + 2 * (position - 1);
}

/* Does a generator stop at the position? YIELD_FROM is left with the one before as the last. */
static inline int slotplace_at_yield(const struct slotplace *p)
{
	const struct python_slots *s = &python.known->slots;
	const unsigned char *at;

	if (p->position == 0 || !slotplace_is_generator(p->code))
		return 0;
	at = slotplace_instruction(p->code, p->position);
	return at[0] == s->yield_value ||
	       (s->yield_from != 0 && (at[0] == s->yield_from || at[2] == s->yield_from));
}

/* The kind of a "call": PMT_PYEVENT_*. */
static inline unsigned slotplace_call(const struct slotplace *p)
{
	const struct python_slots *s = &python.known->slots;
	const unsigned char *at;

	if (s->resume == 0)
		return slotplace_at_yield(p) ? PMT_PYEVENT_RESUME : PMT_PYEVENT_CALL;
	if (p->position == 0)
		return PMT_PYEVENT_CALL;
	at = slotplace_instruction(p->code, p->position);
	/* An exception does not pass the instruction at which a generator begins or goes on. */
	if (at[0] != s->resume && at[0] != s->resume_quick)
		return PMT_PYEVENT_THROW;
	return at[1] != 0 ? PMT_PYEVENT_RESUME : PMT_PYEVENT_CALL;
}

/* The kind of a "return"; ARG: what is returned, NULL: there is an exception. */
static inline unsigned slotplace_return(const struct slotplace *p, const void *arg)
{
	if (arg == NULL)
		return PMT_PYEVENT_UNWIND;
	return slotplace_at_yield(p) ? PMT_PYEVENT_YIELD : PMT_PYEVENT_RETURN;
}

#endif
