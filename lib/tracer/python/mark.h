/* SPDX-License-Identifier: MIT */
/*
 * Marks: knowing a frame again, so that a walk of the stack ends where nothing has changed.
 *
 * A stack changes at its inner end only. If one frame is known to be still in the same call as at
 * the last walk, then all frames outside of it are as they were then. A mark in the frame says so:
 * something that the interpreter overwrites before this frame, or another one in its place, can
 * call again, and that means nothing to the interpreter.
 *
 * 3.8 to 3.10: the byte f_trace_lines, a truth value that is set to 1 when a frame is made. Any
 * other value but 0 is as true. Not in frames of generators, which come back.
 *
 * 3.11 and later: the first free place of the frame's value stack, while the frame waits for a call
 * that the interpreter made by itself, without a C function between. The called function or its
 * arguments lay there when the call began, and its result is put there when it returns; so what we
 * wrote there after the call began is gone when the frame makes its next call. Not if the frame
 * called is a generator's: a loop over a generator takes nothing from the value stack.
 *
 * A mark is the frame's index in the list of the last walk. It counts only if the list has this
 * very frame there. Marks are left by the thread whose frames these are, with the interpreter's
 * lock. There are none with CPython's just-in-time compiler, which keeps values in registers, and
 * none in free-threaded builds, whose garbage collection looks at free places too.
 */
#ifndef PMT_TRACER_MARK_H
#define PMT_TRACER_MARK_H

#include <stdint.h>
#include <string.h>

#include "python.h"
#include "thread.h"

#define MARK_NONE UINT32_MAX

/* Of a byte: 0 is false and 1 is what the interpreter sets. */
#define MARK_BYTE_FIRST 2U
#define MARK_BYTES 253U

/* In the upper half of a word, so that it can be neither a pointer nor another thread's mark. */
#define MARK_COOKIE 0x9D4D0000U

/*
 * Where FRAME can have a mark of this KIND, NULL: nowhere now. INNER: the frame that FRAME called,
 * NULL when there is none or the interpreter's own frames are between.
 */
static inline char *mark_place(const struct python_layout *l, enum python_mark kind, char *frame,
			       const char *inner)
{
	void *pointer;
	int32_t top;

	switch (kind) {
	case PYTHON_MARK_BYTE:
		memcpy(&pointer, frame + l->generator, sizeof(pointer));
		return pointer == NULL ? frame + l->mark : NULL;
	case PYTHON_MARK_INDEX:
		if (inner == NULL || inner[l->owner] != 0 || (l->entry && inner[l->entry] != 0))
			return NULL;
		memcpy(&top, frame + l->mark, sizeof(top));
		return top < 0 ? NULL : frame + l->locals + (size_t)top * sizeof(void *);
	case PYTHON_MARK_POINTER:
		if (inner == NULL || inner[l->owner] != 0)
			return NULL;
		memcpy(&pointer, frame + l->mark, sizeof(pointer));
		return pointer;
	default:
		return NULL;
	}
}

static inline uint64_t mark_word(const struct thread *t, uint32_t index)
{
	return (uint64_t)(MARK_COOKIE | (t->number & 0xffff)) << 32 | index;
}

static inline uint32_t mark_index_byte(const struct thread *t, const char *frame,
				       unsigned char mark)
{
	const uint32_t last = t->frames_used - 1; /* of no use when there are none */
	uint32_t i;

	if (mark < MARK_BYTE_FIRST || t->frames_used == 0)
		return MARK_NONE;
	/* The greatest index with this remainder. */
	i = last - (last + MARK_BYTES - (mark - MARK_BYTE_FIRST)) % MARK_BYTES;
	for (; i <= last; i -= MARK_BYTES)
		if (t->frames[i].frame == frame)
			return i;
	return MARK_NONE;
}

/* Index of FRAME in t->frames, if the mark of this KIND at PLACE proves it; else MARK_NONE. */
static inline uint32_t mark_index(const struct thread *t, enum python_mark kind, const char *frame,
				  const char *place)
{
	uint64_t word;
	uint32_t index;

	if (kind == PYTHON_MARK_BYTE)
		return mark_index_byte(t, frame, (unsigned char)*place);
	memcpy(&word, place, sizeof(word));
	index = (uint32_t)word;
	if (word != mark_word(t, index) || index >= t->frames_used ||
	    t->frames[index].frame != frame)
		return MARK_NONE;
	return index;
}

/* Does the mark at PLACE say that its frame is the one at INDEX? */
static inline int mark_is(const struct thread *t, const char *place, uint32_t index)
{
	uint64_t word;

	if (python.layout.mark_kind == PYTHON_MARK_BYTE)
		return (unsigned char)*place == MARK_BYTE_FIRST + index % MARK_BYTES;
	memcpy(&word, place, sizeof(word));
	return word == mark_word(t, index);
}

static inline void mark_put(const struct thread *t, char *place, uint32_t index)
{
	const uint64_t word = mark_word(t, index);

	if (python.layout.mark_kind != PYTHON_MARK_BYTE)
		memcpy(place, &word, sizeof(word));
	else if (*place != 0)
		*place = (char)(MARK_BYTE_FIRST + index % MARK_BYTES);
}

#endif
