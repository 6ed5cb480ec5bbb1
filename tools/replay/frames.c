/* SPDX-License-Identifier: MIT */
/* Python stacks as text: two arrays without duplicates, each found through a hash table. */
#include "frames.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

enum {
	DEPTH_MAX = 100000, /* a log may say that a stack is its own caller */
};

void frames_init(struct frames *frames)
{
	memset(frames, 0, sizeof(*frames));
	hashindex_init(&frames->index, "stacks");
	hashindex_init(&frames->text_index, "names");
}

void frames_fini(struct frames *frames)
{
	for (uint32_t i = 1; i <= frames->text_count; i++)
		free(frames->texts[i]);
	free(frames->texts);
	free(frames->frames);
	free(frames->looks);
	hashindex_fini(&frames->text_index);
	hashindex_fini(&frames->index);
	memset(frames, 0, sizeof(*frames));
}

struct text_key {
	char *const *texts;
	const char *text;
};

static bool is_same_text(const void *context, uint32_t number)
{
	const struct text_key *key = context;

	return strcmp(key->texts[number], key->text) == 0;
}

uint32_t frames_text(struct frames *frames, const char *text)
{
	const struct text_key key = {frames->texts, text};
	const size_t size = strlen(text);
	const uint64_t hash = hashindex_mix_text(&frames->text_index, 0, text, size);
	const uint32_t found = hashindex_find(&frames->text_index, hash, is_same_text, &key);

	if (found != 0)
		return found;
	const uint32_t number = ++frames->text_count;

	frames->texts =
		need_room(frames->texts, number, &frames->text_room, sizeof(*frames->texts));
	frames->texts[number] = memcpy(need_memory(size + 1), text, size + 1);
	hashindex_add(&frames->text_index, hash, number);
	return number;
}

struct frame_key {
	const struct frame *frames;
	const struct frame *frame;
};

static bool is_same_frame(const void *context, uint32_t number)
{
	const struct frame_key *key = context;

	return memcmp(&key->frames[number], key->frame, sizeof(*key->frame)) == 0;
}

uint32_t frames_push(struct frames *frames, const struct frame *frame)
{
	const struct frame_key key = {frames->frames, frame};
	uint64_t hash = (uint64_t)frame->file << 32 | frame->function;

	hash = hashindex_mix(&frames->index, hash, (uint64_t)frame->caller << 32 | frame->line);
	const uint32_t found = hashindex_find(&frames->index, hash, is_same_frame, &key);

	if (found != 0)
		return found;
	const uint32_t number = ++frames->count;

	frames->frames = need_room(frames->frames, number, &frames->room, sizeof(*frames->frames));
	frames->frames[number] = *frame;
	hashindex_add(&frames->index, hash, number);
	return number;
}

/* A frame of the import system: of its frozen part, or the function that code calls for it. */
static bool is_import(const struct reader_code *code)
{
	static const char frozen[] = "<frozen importlib", module[] = "/importlib/__init__.py";
	const size_t size = strlen(code->file), length = sizeof(module) - 1;

	if (strncmp(code->file, frozen, sizeof(frozen) - 1) == 0)
		return true;
	return strcmp(code->qualname, "import_module") == 0 && size > length &&
	       strcmp(code->file + size - length, module) == 0;
}

/* The stack of an import that no Python code asked for, as those at the start of Python. */
static uint32_t push_import(struct frames *frames)
{
	const struct frame frame = {
		.file = frames_text(frames, FRAMES_IMPORT),
		.function = frames_text(frames, FRAMES_IMPORTER),
	};

	return frames_push(frames, &frame);
}

/* The log's stack STACK, whose caller's number is CALLER. */
static uint32_t push_stack(struct frames *frames, struct reader *reader, uint64_t stack,
			   uint32_t caller)
{
	const uint64_t id = reader_stack_code(reader, stack);
	struct reader_code code = {.qualname = FRAMES_LEFT_OUT, .file = "?"};

	if (id != 0)
		reader_code(reader, id, &code);
	else if (!reader_stack_known(reader, stack))
		code.qualname = "?";
	if (frames->hide_imports && is_import(&code))
		return caller != 0 ? caller : push_import(frames);
	const struct frame frame = {
		.caller = caller,
		.file = frames_text(frames, code.file),
		.function = frames_text(frames, code.qualname),
		.line = id != 0 ? reader_stack_line(reader, stack) : 0,
	};

	return frames_push(frames, &frame);
}

uint32_t frames_stack(struct frames *frames, struct reader *reader, struct idmap *known,
		      uint64_t stack)
{
	uint64_t *todo = NULL;
	size_t depth = 0;
	size_t room = 0;
	uint32_t number = 0;
	int64_t found = -1;

	for (; stack != 0 && depth < DEPTH_MAX; stack = reader_stack_parent(reader, stack)) {
		found = idmap_get(known, stack);
		if (found >= 0)
			break;
		if (depth == room) {
			room = room * 2 + 64;
			todo = need_resize(todo, room * sizeof(*todo));
		}
		todo[depth++] = stack;
	}
	if (found >= 0)
		number = (uint32_t)found;
	while (depth-- > 0) {
		number = push_stack(frames, reader, todo[depth], number);
		idmap_put(known, todo[depth], number);
	}
	free(todo);
	return number;
}

static unsigned look_at(const struct frames *frames, const struct filter *filter, uint32_t number)
{
	const struct frame *frame = &frames->frames[number];

	return filter_look(filter, frames->texts[frame->file], frames->texts[frame->function]);
}

unsigned frames_look(struct frames *frames, const struct filter *filter, uint32_t stack)
{
	if (stack == 0)
		return filter_look_at_none(filter);
	if (frames->look_room < frames->room) {
		frames->look_room = frames->room;
		frames->looks = need_resize(frames->looks, frames->look_room);
	}
	/* Callers have smaller numbers: each is looked at before whom it called. */
	while (frames->look_count < frames->count) {
		const uint32_t number = ++frames->look_count;
		const uint32_t caller = frames->frames[number].caller;
		unsigned found = look_at(frames, filter, number);

		if (filter->frame == FILTER_ANY && caller != 0)
			found |= frames->looks[caller];
		frames->looks[number] = (uint8_t)found;
	}
	return frames->looks[stack];
}
