/* SPDX-License-Identifier: MIT */
/*
 * Reading the interpreter's frames, and the walk from the innermost one outwards. Only stack.c
 * includes it: everything is inline, because a walk is part of each event.
 */
#ifndef PMT_TRACER_WALK_H
#define PMT_TRACER_WALK_H

#include <stdint.h>
#include <string.h>

#include "code.h"
#include "mark.h"
#include "python.h"
#include "thread.h"

static inline uintptr_t walk_word(const void *object, uint32_t offset)
{
	uintptr_t value;

	memcpy(&value, (const char *)object + offset, sizeof(value));
	return value;
}

static inline int32_t walk_int(const void *object, uint32_t offset)
{
	int32_t value;

	memcpy(&value, (const char *)object + offset, sizeof(value));
	return value;
}

/* Free-threaded builds copy the bytecode for each thread; the distance is what compares. */
static inline uintptr_t walk_copied_position(const struct python_layout *l, const char *frame,
					     const char *code)
{
	const char *copies = (const char *)walk_word(code, l->tlbc);
	uintptr_t instruction = walk_word(frame, l->position);
	int32_t index = walk_int(frame, l->tlbc_index);

	if (copies == NULL || index < 0 || (uintptr_t)index >= walk_word(copies, 0))
		return 0;
	return instruction - walk_word(copies, 8 + 8 * (uint32_t)index);
}

static inline const void *walk_code(const struct python_layout *l, const char *frame)
{
	return (const void *)(walk_word(frame, l->executable) & ~(uintptr_t)7);
}

static inline uintptr_t walk_raw_position(const struct python_layout *l, const char *frame,
					  const void *code)
{
	if (l->position_kind <= PYTHON_INDEX_UNITS)
		return (uintptr_t)(intptr_t)walk_int(frame, l->position);
	if (l->tlbc == 0 || code == NULL)
		return walk_word(frame, l->position);
	return walk_copied_position(l, frame, code);
}

/*
 * How frames are read. A walk is compiled once for each of these, so that it does not ask again at
 * each frame: the branches on SHAPE are gone, and offsets alone are left.
 */
enum walk_shape {
	WALK_ANY,     /* asks the layout for everything */
	WALK_CFRAME,  /* 3.11, 3.12 */
	WALK_INDEX,   /* 3.13 */
	WALK_POINTER, /* 3.14 and later */
};

static inline enum walk_shape walk_shape_of(const struct python_layout *l)
{
	if (l->tlbc != 0 || !l->has_owner || l->position_kind <= PYTHON_INDEX_UNITS)
		return WALK_ANY;
	switch (l->mark_kind) {
	case PYTHON_MARK_INDEX:
		return l->has_cframe ? WALK_CFRAME : WALK_INDEX;
	case PYTHON_MARK_POINTER:
		return l->has_cframe ? WALK_ANY : WALK_POINTER;
	default:
		return WALK_ANY;
	}
}

static inline int walk_has_cframe(const struct python_layout *l, enum walk_shape shape)
{
	return shape == WALK_ANY ? l->has_cframe != 0 : shape == WALK_CFRAME;
}

static inline enum python_mark walk_mark_kind(const struct python_layout *l, enum walk_shape shape)
{
	if (shape == WALK_ANY)
		return l->mark_kind;
	return shape == WALK_POINTER ? PYTHON_MARK_POINTER : PYTHON_MARK_INDEX;
}

static inline uintptr_t walk_position(const struct python_layout *l, enum walk_shape shape,
				      const char *frame, const void *code)
{
	return shape == WALK_ANY ? walk_raw_position(l, frame, code)
				 : walk_word(frame, l->position);
}

/* Does FRAME belong to the interpreter itself? */
static inline int walk_is_interpreters(const struct python_layout *l, enum walk_shape shape,
				       const char *frame)
{
	return (shape != WALK_ANY || l->has_owner) &&
	       (unsigned char)frame[l->owner] >= PYTHON_OWNER_INTERPRETER;
}

/* What a frame says of itself; CODE is NULL for the interpreter's own frames. */
static inline void walk_look_at(const struct python_layout *l, const char *frame,
				struct thread_frame *out)
{
	out->code = NULL;
	if (walk_is_interpreters(l, WALK_ANY, frame))
		return;
	out->code = walk_code(l, frame);
	out->position = walk_raw_position(l, frame, out->code);
}

/* A walk. The frames are in t->walked, innermost first; only their `frame` and `place` are set. */
struct walk {
	uint32_t count; /* t->frames_room: there may be more */
	uint32_t kept;	/* so many of t->frames, from the outermost on, are around them */
};

static inline char *walk_innermost(const struct python_layout *l, enum walk_shape shape,
				   const char *tstate)
{
	char *frame = (char *)walk_word(tstate, l->tstate_frame);

	if (walk_has_cframe(l, shape) && frame != NULL)
		frame = (char *)walk_word(frame, l->cframe_frame);
	return frame;
}

/* Walk from TSTATE's innermost frame to the first one with a mark, which is part of the walk. */
static inline __attribute__((always_inline)) struct walk
walk_frames(struct thread *t, const char *tstate, enum walk_shape shape)
{
	const struct python_layout *l = &python.layout;
	const void *glue = atomic_load_explicit(&code_shared.glue, memory_order_relaxed);
	struct thread_frame *seen = t->walked;
	const struct thread_frame *end = seen + t->frames_room;
	const char *inner = NULL;
	struct walk w = {0, 0};
	char *previous;

	for (char *frame = walk_innermost(l, shape, tstate); frame != NULL; frame = previous) {
		char *place;

		previous = (char *)walk_word(frame, l->previous);
		if (walk_is_interpreters(l, shape, frame)) {
			inner = NULL;
			continue;
		}
		seen->frame = frame;
		seen->place = NULL;
		place = mark_place(l, walk_mark_kind(l, shape), frame, inner);
		/*
		 * The interpreter's own glue is waiting for a call from its start on, when nothing
		 * is on its value stack yet, so its mark would prove nothing.
		 */
		if (place != NULL && walk_code(l, frame) != glue) {
			uint32_t index = mark_index(t, walk_mark_kind(l, shape), frame, place);

			if (index != MARK_NONE && t->frames[index].code == walk_code(l, frame)) {
				w.kept = index;
				seen++;
				break;
			}
			seen->place = place;
		}
		inner = frame;
		if (++seen == end)
			break;
	}
	w.count = (uint32_t)(seen - t->walked);
	return w;
}

#endif
