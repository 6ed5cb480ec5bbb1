/* SPDX-License-Identifier: MIT */
/* Walking frames, and numbering stacks. */
#include "stack.h"

#include <string.h>

#include "code.h"
#include "lock.h"
#include "names.h"
#include "process.h"
#include "python.h"
#include "table.h"

/*
 * Frames that a walk visits at most. Of a deeper stack only the innermost are known; to look for
 * the outermost at every event would make deep recursion take minutes.
 */
#define FRAMES_MAX (16U << 10)

static struct {
	struct lock lock;
	struct writer writer; /* of the definitions */
	struct table numbers; /* stack_key() -> number of the stack */
	uint32_t count;
	uint32_t depth; /* 0: no stacks */
} stacks;

int stack_init(uint64_t depth)
{
	stacks.depth = 0;
	writer_init(&stacks.writer, PMT_CHUNK_DEFINITIONS, writer_new_slot());
	if (!python.walkable || depth == 0)
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
	table_clear(&stacks.numbers);
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

static uintptr_t word_at(const void *object, uint32_t offset)
{
	uintptr_t value;

	memcpy(&value, (const char *)object + offset, sizeof(value));
	return value;
}

static int32_t int_at(const void *object, uint32_t offset)
{
	int32_t value;

	memcpy(&value, (const char *)object + offset, sizeof(value));
	return value;
}

/* Free-threaded builds copy the bytecode for each thread; the distance is what compares. */
static uintptr_t copied_position(const struct python_layout *l, const char *frame, const char *code)
{
	const char *copies = (const char *)word_at(code, l->tlbc);
	uintptr_t instruction = word_at(frame, l->position);
	int32_t index = int_at(frame, l->tlbc_index);

	if (copies == NULL || index < 0 || (uintptr_t)index >= word_at(copies, 0))
		return 0;
	return instruction - word_at(copies, 8 + 8 * (uint32_t)index);
}

/* What a frame says of itself; CODE is NULL for the interpreter's own frames. */
static inline struct thread_raw_frame look(const struct python_layout *l, const char *frame)
{
	struct thread_raw_frame raw = {NULL, 0};
	const char *code = (const char *)(word_at(frame, l->executable) & ~(uintptr_t)7);

	if (l->has_owner && (unsigned char)frame[l->owner] >= PYTHON_OWNER_INTERPRETER)
		return raw;
	raw.code = code;
	if (l->position_kind <= PYTHON_INDEX_UNITS)
		raw.position = (uintptr_t)(intptr_t)int_at(frame, l->position);
	else if (l->tlbc == 0 || code == NULL)
		raw.position = word_at(frame, l->position);
	else
		raw.position = copied_position(l, frame, code);
	return raw;
}

/*
 * This thread's frames into t->raw, innermost first. Of more than `depth` frames the innermost half
 * stays in the first half, and the rest of the array is a ring that ends up with the outermost.
 * Returns how many there are; FRAMES_MAX stands for all that are more.
 */
static uint32_t walk(struct thread *t, uint32_t depth)
{
	const struct python_layout *l = &python.layout;
	const char *tstate = python_thread_state();
	const uint32_t half = (depth + 1) / 2, ring = depth - half;
	const char *frame;
	uint32_t n = 0;

	if (tstate == NULL)
		return 0;
	frame = (const char *)word_at(tstate, l->tstate_frame);
	if (l->has_cframe && frame != NULL)
		frame = (const char *)word_at(frame, l->cframe_frame);
	for (; frame != NULL; frame = (const char *)word_at(frame, l->previous)) {
		struct thread_raw_frame raw = look(l, frame);

		if (raw.code == NULL)
			continue;
		if (n < depth)
			t->raw[n] = raw;
		else if (ring != 0)
			t->raw[half + (n - half) % ring] = raw;
		if (++n == FRAMES_MAX)
			break;
	}
	return n;
}

/* Frame I, outermost first, of the TOTAL that were walked; the gap is a frame without code. */
static struct thread_raw_frame pick(const struct thread *t, uint32_t i, uint32_t total)
{
	const uint32_t depth = stacks.depth, half = (depth + 1) / 2;
	/* Where the walk gave up there are no outermost frames. */
	const uint32_t ring = total == FRAMES_MAX ? 0 : depth - half;

	if (total <= depth)
		return t->raw[total - 1 - i];
	if (i < ring)
		return t->raw[half + (total - 1 - i - half) % ring];
	if (i == ring)
		return (struct thread_raw_frame){NULL, 0};
	return t->raw[ring + half - i];
}

/* Index of the instruction in 2-byte units plus 1; 0 before the first. */
static uint32_t position_of(struct thread_raw_frame raw)
{
	const struct python_layout *l = &python.layout;
	intptr_t distance;

	switch (l->position_kind) {
	case PYTHON_INDEX_BYTES:
		return (intptr_t)raw.position < 0 ? 0 : (uint32_t)raw.position / 2 + 1;
	case PYTHON_INDEX_UNITS:
		return (intptr_t)raw.position < 0 ? 0 : (uint32_t)raw.position + 1;
	default:
		distance = (intptr_t)raw.position;
		if (l->tlbc == 0)
			distance -= (intptr_t)raw.code + l->bytecode;
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

static uint32_t code_number(const void *code)
{
	uint32_t number = (uint32_t)table_get(&code_shared.numbers, (uintptr_t)code);

	if (number != 0 || (void *)word_at(code, python.layout.ob_type) != python.code_type)
		return number;
	lock_take(&stacks.lock);
	number = (uint32_t)table_get(&code_shared.numbers, (uintptr_t)code);
	if (number == 0)
		number = code_define(&stacks.writer, code);
	lock_release(&stacks.lock);
	return number;
}

static uint32_t define_stack(uint64_t key, uint32_t parent, uint32_t code, uint32_t position)
{
	struct writer *w = &stacks.writer;
	uint32_t number;

	lock_take(&stacks.lock);
	number = (uint32_t)table_get(&stacks.numbers, key);
	if (number == 0 && writer_room(w, PMT_RECORD_MAX) == 0 &&
	    table_set(&stacks.numbers, key, stacks.count + 1) == 0) {
		struct pmt_frame r = {++stacks.count, parent, code, position};

		pmt_put_frame(&w->enc, 0, &r);
		writer_commit(w);
		number = stacks.count;
	}
	lock_release(&stacks.lock);
	return number;
}

/* The stack of one more frame on PARENT. A frame that cannot be told is left out. */
static uint32_t push(uint32_t parent, struct thread_raw_frame raw)
{
	uint32_t code = 0, position = 0, number;
	uint64_t key;

	if (raw.code != NULL) {
		code = code_number(raw.code);
		if (code == 0 || code == CODE_LEFT_OUT)
			return parent;
		position = position_of(raw);
	}
	key = stack_key(parent, code, position);
	number = (uint32_t)table_get(&stacks.numbers, key);
	if (number == 0)
		number = define_stack(key, parent, code, position);
	return number == 0 ? parent : number;
}

static int same(struct thread_raw_frame a, struct thread_raw_frame b)
{
	return a.code == b.code && a.position == b.position;
}

/* How many frames pick() has for a stack of TOTAL, the gap included. */
static uint32_t frames_of(uint32_t total, uint32_t depth)
{
	if (total <= depth)
		return total;
	return total == FRAMES_MAX ? (depth + 1) / 2 + 1 : depth + 1;
}

uint32_t stack_current(struct thread *t)
{
	const uint32_t depth = stacks.depth;
	uint64_t deaths = atomic_load_explicit(&code_shared.deaths, memory_order_acquire);
	uint32_t total, count, i = 0;

	if (depth == 0)
		return 0;
	total = walk(t, depth);
	count = frames_of(total, depth);
	if (t->stack_epoch == deaths)
		while (i < count && i < t->frames_used && same(t->frames[i].raw, pick(t, i, total)))
			i++;
	t->stack_epoch = deaths;
	for (uint32_t stack = i == 0 ? 0 : t->frames[i - 1].stack; i < count; i++) {
		t->frames[i].raw = pick(t, i, total);
		stack = push(stack, t->frames[i].raw);
		t->frames[i].stack = stack;
	}
	t->frames_used = count;
	t->stack = count == 0 ? 0 : t->frames[count - 1].stack;
	return t->stack;
}
