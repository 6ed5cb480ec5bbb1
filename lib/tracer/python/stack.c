/* SPDX-License-Identifier: MIT */
/* From a walk of the frames to the number of a stack. */
#include "stack.h"

#include <string.h>

#include "cache.h"
#include "code.h"
#include "lock.h"
#include "mark.h"
#include "names.h"
#include "python.h"
#include "table.h"
#include "tracing.h"
#include "walk.h"

/*
 * Frames that are known at most. Of a deeper stack only the innermost are; to look for the
 * outermost at every event would make deep recursion take minutes.
 */
#define FRAMES_MAX (16U << 10)

static struct {
	struct lock lock;
	struct writer writer; /* of the definitions */
	struct cache numbers; /* stack_key() -> number of the stack */
	uint32_t count;
	uint32_t depth; /* 0: no stacks */
} stacks;

int stack_init(uint64_t depth)
{
	stacks.depth = 0;
	writer_init(&stacks.writer, PMT_CHUNK_DEFINITIONS, writer_new_slot());
	/*
	 * Events of the interpreter name code objects, so these are numbered even where no stacks
	 * are wanted.
	 */
	if (!python.walkable || (depth == 0 && !tracing_wants_events()))
		return 0;
	if (code_init() != 0)
		return -1;
	stacks.depth = (uint32_t)depth;
	return 0;
}

void stack_reset(void)
{
	lock_reset(&stacks.lock);
	code_reset();
	cache_clear(&stacks.numbers);
	stacks.count = 0;
	stacks.depth = 0;
}

void stack_finish(void)
{
	if (lock_take_soon(&stacks.lock) != 0)
		return;
	writer_finish(&stacks.writer);
	lock_release(&stacks.lock);
}

void stack_code_died(const void *code)
{
	/*
	 * In a signal handler inside the tracer this thread may hold the lock: the table is then
	 * written without it, which can at worst be undone by a growing table at the same moment.
	 */
	int nested = atomic_load_explicit(&thread_self->state, memory_order_relaxed) == THREAD_BUSY;
	struct thread *t = nested ? NULL : thread_enter();

	if (!nested)
		lock_take(&stacks.lock);
	(void)table_set(&code_shared.numbers, (uintptr_t)code, 0);
	atomic_fetch_add(&code_shared.deaths, 1);
	if (!nested)
		lock_release(&stacks.lock);
	if (t != NULL)
		thread_leave(t);
}

uint32_t stack_position(const void *code, uintptr_t raw)
{
	const struct python_layout *l = &python.layout;
	intptr_t distance;

	switch (l->position_kind) {
	case PYTHON_INDEX_BYTES:
		return (intptr_t)raw < 0 ? 0 : (uint32_t)raw / 2 + 1;
	case PYTHON_INDEX_UNITS:
		return (intptr_t)raw < 0 ? 0 : (uint32_t)raw + 1;
	default:
		distance = (intptr_t)raw;
		if (l->tlbc == 0)
			distance -= (intptr_t)code + l->bytecode;
		return distance < 0 ? 0 : (uint32_t)(distance / 2) + 1;
	}
}

static uint64_t stack_key(uint32_t parent, uint32_t code, uint32_t position)
{
	uint64_t x = ((uint64_t)parent << 32 | code) * 0x9E3779B97F4A7C15ULL;

	x = (x ^ x >> 32) + position * 0xC2B2AE3D27D4EB4FULL;
	x = (x ^ x >> 29) * 0xBF58476D1CE4E5B9ULL;
	x ^= x >> 32;
	return x == 0 ? 1 : x;
}

uint32_t stack_code(const void *code)
{
	uint32_t number = (uint32_t)table_get(&code_shared.numbers, (uintptr_t)code);

	if (number != 0 || (void *)walk_word(code, python.layout.ob_type) != python.code_type)
		return number;
	lock_take(&stacks.lock);
	number = (uint32_t)table_get(&code_shared.numbers, (uintptr_t)code);
	if (number == 0)
		number = code_define(&stacks.writer, code);
	lock_release(&stacks.lock);
	return number;
}

struct writer *stack_definitions(void)
{
	lock_take(&stacks.lock);
	return &stacks.writer;
}

void stack_definitions_done(void)
{
	lock_release(&stacks.lock);
}

static uint32_t define_stack(uint64_t key, uint32_t parent, uint32_t code, uint32_t position)
{
	struct writer *w = &stacks.writer;
	uint32_t number;

	lock_take(&stacks.lock);
	number = (uint32_t)cache_get(&stacks.numbers, key);
	if (number == 0 && stacks.count != UINT32_MAX && writer_room(w, PMT_RECORD_MAX) == 0 &&
	    cache_set(&stacks.numbers, key, stacks.count + 1) == 0) {
		struct pmt_frame r = {++stacks.count, parent, code, position};

		pmt_put_frame(&w->enc, 0, &r);
		writer_commit(w);
		number = stacks.count;
	}
	lock_release(&stacks.lock);
	return number;
}

/*
 * The stack of one more frame on PARENT. NUMBER is that of its code, 0: look it up. A frame that
 * cannot be told is left out.
 */
static inline uint32_t push_node(uint32_t parent, const void *code, uintptr_t raw, uint32_t number)
{
	uint32_t position = 0, stack;
	uint64_t key;

	if (code != NULL) {
		if (number == 0 || number == CODE_LEFT_OUT)
			return parent;
		position = stack_position(code, raw);
	}
	key = stack_key(parent, number, position);
	stack = (uint32_t)cache_get(&stacks.numbers, key);
	if (stack == 0)
		stack = define_stack(key, parent, number, position);
	return stack == 0 ? parent : stack;
}

/* Stands for a frame's code and position as long as no code object dies. */
static inline uint64_t memo_key(const struct thread *t, const struct thread_frame *frame)
{
	return ((uint64_t)frame->position * 0x9E3779B97F4A7C15ULL ^ (uintptr_t)frame->code) +
	       t->stack_epoch * 0xD6E8FEB86659FD93ULL;
}

static inline uint32_t push_frame(struct thread *t, uint32_t parent, struct thread_frame *frame)
{
	const uint64_t key = memo_key(t, frame);
	/* Stacks of a recursion are numbered one after the other: their memos lie side by side. */
	const uint64_t hash = (key * 0xBF58476D1CE4E5B9ULL >> 48) + parent;
	struct thread_memo *memo = &t->memos[hash & t->memos_mask];

	if (__builtin_expect(memo->frame == key && memo->parent == parent, 1)) {
		frame->stack = memo->stack;
		return memo->stack;
	}
	if (frame->number == 0)
		frame->number = stack_code(frame->code);
	frame->stack = push_node(parent, frame->code, frame->position, frame->number);
	*memo = (struct thread_memo){key, parent, frame->stack};
	if (++t->memos_missed > 2 * t->memos_mask)
		thread_more_memos(t);
	return frame->stack;
}

/*
 * The list of the last stack becomes that of the walk. Returns how many frames of it are as they
 * were.
 */
static inline __attribute__((always_inline)) uint32_t
update(struct thread *t, const struct walk *w, enum walk_shape shape, int attached, uint64_t deaths)
{
	const struct python_layout *l = &python.layout;
	const uint32_t total = w->kept + w->count;
	const uint32_t known = t->stack_epoch == deaths ? t->frames_used : w->kept;
	const struct thread_frame *seen = &t->walked[w->count];
	struct thread_frame *frame = &t->frames[w->kept];
	struct thread_frame *end = &t->frames[total];
	struct thread_frame *old = &t->frames[known < total ? known : total];
	uint32_t same;

	for (; frame < old; frame++) {
		const void *code;

		seen--;
		code = walk_code(l, seen->frame);
		if (frame->code != code ||
		    frame->position != walk_position(l, shape, seen->frame, code))
			break;
		frame->frame = seen->frame;
		if (seen->place != NULL && attached)
			mark_put(t, seen->place, (uint32_t)(frame - t->frames));
	}
	same = (uint32_t)(frame - t->frames);
	seen = &t->walked[total - same];
	for (; frame < end; frame++) {
		const void *code;

		seen--;
		code = walk_code(l, seen->frame);
		if (seen->place != NULL && attached)
			mark_put(t, seen->place, (uint32_t)(frame - t->frames));
		if (frame >= old || frame->code != code)
			frame->number = 0;
		frame->frame = seen->frame;
		frame->code = code;
		frame->position = walk_position(l, shape, seen->frame, code);
	}
	return same;
}

/* The id of the stack of the outermost COUNT frames, none of them left out. */
static uint32_t outer_stack(struct thread *t, uint32_t count)
{
	uint32_t i = t->stacks_used;
	uint32_t stack = i == 0 ? 0 : t->frames[i - 1].stack;

	for (; i < count; i++)
		stack = push_frame(t, stack, &t->frames[i]);
	if (t->stacks_used < count)
		t->stacks_used = count;
	return count == 0 ? 0 : t->frames[count - 1].stack;
}

/* The id of the stack that consists of OUTER, a gap, and the COUNT frames from FIRST on inwards. */
static uint32_t gap_stack(uint32_t outer, const struct thread_frame *first, uint32_t count,
			  int step)
{
	uint32_t stack = push_node(outer, NULL, 0, 0);

	for (; count != 0; count--, first += step)
		stack = push_node(stack, first->code, first->position, stack_code(first->code));
	return stack;
}

/* Only the walk's innermost frames are known, or there is no memory for more. */
static uint32_t too_deep(struct thread *t, uint32_t walked)
{
	uint32_t half = (stacks.depth + 1) / 2;

	half = half < walked ? half : walked;
	for (uint32_t i = 0; i < half; i++)
		walk_look_at(&python.layout, t->walked[i].frame, &t->walked[i]);
	t->frames_used = 0;
	t->stacks_used = 0;
	t->quick.frame = NULL;
	t->stack = gap_stack(0, &t->walked[half - 1], half, -1);
	return t->stack;
}

static uint32_t number_of(struct thread *t, uint32_t total)
{
	const uint32_t half = (stacks.depth + 1) / 2;

	if (total <= stacks.depth)
		return outer_stack(t, total);
	return gap_stack(outer_stack(t, stacks.depth - half), &t->frames[total - half], half, 1);
}

/*
 * What same_call() would look at, put together: the innermost frame and the one that called it,
 * where that one has its mark on the value stack.
 */
static void note_quick(struct thread *t)
{
	const struct python_layout *l = &python.layout;
	const uint32_t last = t->frames_used - 1;
	struct thread_quick *q = &t->quick;
	const char *outer;

	q->frame = NULL;
	if (walk_shape_of(l) == WALK_ANY || t->frames_used < 2 || t->stacks_used < t->frames_used)
		return;
	outer = t->frames[last - 1].frame;
	if ((const char *)walk_word(t->frames[last].frame, l->previous) != outer ||
	    t->frames[last - 1].code ==
		    atomic_load_explicit(&code_shared.glue, memory_order_relaxed))
		return;
	q->executable = walk_word(t->frames[last].frame, l->executable);
	q->outer = outer;
	q->outer_executable = walk_word(outer, l->executable);
	q->mark = mark_word(t, last - 1);
	q->position = t->frames[last].position;
	q->frame = t->frames[last].frame;
}

/* Is FRAME, the innermost one, in the same call as when note_quick() saw it? */
static inline int is_quick(const struct thread *t, const struct python_layout *l, const char *frame)
{
	const struct thread_quick *q = &t->quick;
	const char *place;
	uint64_t mark;

	if (frame == NULL || frame != q->frame ||
	    walk_word(frame, l->executable) != q->executable ||
	    (const char *)walk_word(frame, l->previous) != q->outer ||
	    walk_word(q->outer, l->executable) != q->outer_executable)
		return 0;
	place = mark_place(l, l->mark_kind, (char *)q->outer, frame);
	if (place == NULL)
		return 0;
	memcpy(&mark, place, sizeof(mark));
	return mark == q->mark;
}

/* The slow way: walk the frames, compare them with those of the last walk, number what differs. */
static inline __attribute__((always_inline)) uint32_t find(struct thread *t, const char *tstate,
							   int attached, enum walk_shape shape)
{
	const uint64_t deaths = atomic_load_explicit(&code_shared.deaths, memory_order_acquire);
	struct walk w;
	uint32_t total, same;

	for (;;) {
		w = walk_frames(t, tstate, shape);
		total = w.kept + w.count;
		if (w.count < t->frames_room && total <= t->frames_room)
			break;
		if (t->frames_room >= FRAMES_MAX || thread_more_frames(t) != 0)
			return too_deep(t, w.count);
	}
	same = update(t, &w, shape, attached, deaths);
	if (same == total && total == t->frames_used)
		return t->stack;
	t->frames_used = total;
	t->stack_epoch = deaths;
	if (t->stacks_used > same)
		t->stacks_used = same;
	t->stack = number_of(t, total);
	return t->stack;
}

static __attribute__((noinline)) uint32_t find_stack(struct thread *t, const char *tstate,
						     int attached)
{
	uint32_t stack;

	switch (walk_shape_of(&python.layout)) {
	case WALK_CFRAME:
		stack = find(t, tstate, attached, WALK_CFRAME);
		break;
	case WALK_INDEX:
		stack = find(t, tstate, attached, WALK_INDEX);
		break;
	case WALK_POINTER:
		stack = find(t, tstate, attached, WALK_POINTER);
		break;
	default:
		stack = find(t, tstate, attached, WALK_ANY);
		break;
	}
	note_quick(t);
	return stack;
}

/* Is there nothing but the interpreter's own frame around, at OUTER? No code has died meanwhile. */
static inline int is_outermost(const struct thread *t, const struct python_layout *l,
			       const char *outer)
{
	if (outer != NULL && l->has_owner &&
	    (unsigned char)outer[l->owner] >= PYTHON_OWNER_INTERPRETER)
		outer = (const char *)walk_word(outer, l->previous);
	return outer == NULL &&
	       t->stack_epoch == atomic_load_explicit(&code_shared.deaths, memory_order_acquire);
}

/* Is the innermost frame, FRAME, in the same call as when it was the last of the list? */
static inline int same_call(const struct thread *t, const struct python_layout *l, char *frame)
{
	const uint32_t last = t->frames_used - 1;
	char *outer, *place;

	if (t->frames_used == 0 || t->frames[last].frame != frame ||
	    t->frames[last].code != walk_code(l, frame))
		return 0;
	if (l->mark_kind == PYTHON_MARK_BYTE) {
		place = mark_place(l, l->mark_kind, frame, NULL);
		return place != NULL && mark_is(t, place, last);
	}
	outer = (char *)walk_word(frame, l->previous);
	if (last == 0)
		return is_outermost(t, l, outer);
	if (outer != t->frames[last - 1].frame)
		return 0;
	if (t->frames[last - 1].code != walk_code(l, outer) ||
	    t->frames[last - 1].code ==
		    atomic_load_explicit(&code_shared.glue, memory_order_relaxed))
		return 0;
	place = mark_place(l, l->mark_kind, outer, frame);
	return place != NULL && mark_is(t, place, last - 1);
}

/* The innermost frame is at POSITION now, in the same call as before. */
static __attribute__((noinline)) uint32_t move_to(struct thread *t, uintptr_t position)
{
	struct thread_frame *last = &t->frames[t->frames_used - 1];

	last->position = position;
	t->quick.position = position;
	t->stack = push_frame(t, t->frames_used == 1 ? 0 : last[-1].stack, last);
	return t->stack;
}

/* Find the stack where is_quick() could not tell that it is the last one. */
static __attribute__((noinline)) uint32_t current(struct thread *t, const char *tstate,
						  int attached)
{
	const struct python_layout *l = &python.layout;
	char *frame = walk_innermost(l, WALK_ANY, tstate);
	const struct thread_frame *last;
	uintptr_t position;

	if (frame == NULL || !same_call(t, l, frame))
		return find_stack(t, tstate, attached);
	last = &t->frames[t->frames_used - 1];
	position = walk_raw_position(l, frame, last->code);
	if (last->position == position)
		return t->stack;
	if (t->stacks_used < t->frames_used)
		return find_stack(t, tstate, attached);
	return move_to(t, position);
}

static __attribute__((noinline)) uint32_t current_anyhow(struct thread *t, int held)
{
	int attached = 1;
	const char *tstate;

	if (stacks.depth == 0)
		return 0;
	tstate = held ? python_attached_state((uintptr_t)t->handle) : NULL;
	if (tstate == NULL)
		tstate = python_thread_state(&attached);
	return tstate == NULL ? 0 : current(t, tstate, attached);
}

uint32_t stack_current(struct thread *t, int held)
{
	const struct python_layout *l = &python.layout;
	const char *tstate, *frame;
	uintptr_t position;

	if (!held || t->quick.frame == NULL)
		return current_anyhow(t, held);
	tstate = python_attached_state((uintptr_t)t->handle);
	if (__builtin_expect(tstate == NULL, 0))
		return current_anyhow(t, 0);
	frame = walk_innermost(l, WALK_ANY, tstate);
	if (!is_quick(t, l, frame))
		return current(t, tstate, 1);
	position = walk_word(frame, l->position);
	return t->quick.position == position ? t->stack : move_to(t, position);
}

uint32_t stack_chosen(struct thread *t, int innermost_too,
		      int (*is_chosen)(struct thread *t, const void *code))
{
	uint32_t stack = 0;

	if (stack_current(t, 1) == 0)
		return 0;
	for (uint32_t i = 0; i + !innermost_too < t->frames_used; i++) {
		const struct thread_frame *frame = &t->frames[i];

		if (frame->code == NULL || is_chosen(t, frame->code))
			stack = push_node(stack, frame->code, frame->position,
					  frame->code == NULL ? 0 : stack_code(frame->code));
	}
	return stack;
}

/* This thread's innermost frame, as the interpreter has it. */
static const char *attached_frame(void)
{
	const char *state = python.current();

	return state == NULL ? NULL : walk_innermost(&python.layout, WALK_ANY, state);
}

uint32_t stack_innermost(const void *code, uint32_t otherwise)
{
	const char *frame = attached_frame();
	struct thread_frame seen = {0};

	if (frame == NULL)
		return otherwise;
	walk_look_at(&python.layout, frame, &seen);
	return seen.code == code ? stack_position(code, seen.position) : otherwise;
}

int stack_is_deeper(uint32_t frames)
{
	struct thread_frame seen;
	uint32_t count = 0;

	for (const char *frame = attached_frame(); frame != NULL && count <= frames;
	     frame = (const char *)walk_word(frame, python.layout.previous)) {
		walk_look_at(&python.layout, frame, &seen);
		count += seen.code != NULL &&
			 (void *)walk_word(seen.code, python.layout.ob_type) == python.code_type &&
			 !code_is_glue(seen.code);
	}
	return count > frames;
}
