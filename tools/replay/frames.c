/* SPDX-License-Identifier: MIT */
/* Python stacks as text: two arrays without duplicates, each found through a hash table. */
#include "frames.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "mix.h"

enum {
	INDEX_FIRST = 1024,
	DEPTH_MAX = 100000, /* a log may say that a stack is its own caller */
};

void frames_init(struct frames *frames)
{
	memset(frames, 0, sizeof(*frames));
	frames->factor = mix_factor();
}

void frames_fini(struct frames *frames)
{
	for (uint32_t i = 1; i <= frames->text_count; i++)
		free(frames->texts[i]);
	free(frames->texts);
	free(frames->text_index);
	free(frames->frames);
	free(frames->index);
	memset(frames, 0, sizeof(*frames));
}

/* Double the cells of INDEX, all empty, and tell how many things may be in it. */
static uint32_t grow_index(uint32_t **index, uint32_t *mask)
{
	const size_t cells = *index == NULL ? INDEX_FIRST : (*mask + 1UL) * 2;

	if (cells > UINT32_MAX)
		die(EXIT_DATA, "too many stacks");
	*index = need_resize(*index, cells * sizeof(**index));
	memset(*index, 0, cells * sizeof(**index));
	*mask = (uint32_t)(cells - 1);
	return (uint32_t)(cells / 2);
}

static uint32_t *text_cell(const struct frames *frames, const char *text)
{
	uint64_t hash = 0;

	for (const char *p = text; *p != '\0'; p++)
		hash = (hash + (uint8_t)*p) * frames->factor;
	for (uint32_t i = (uint32_t)(mix(frames->factor, hash) >> 32);; i++) {
		uint32_t *cell = &frames->text_index[i & frames->text_mask];

		if (*cell == 0 || strcmp(frames->texts[*cell], text) == 0)
			return cell;
	}
}

static void grow_texts(struct frames *frames)
{
	frames->text_room = grow_index(&frames->text_index, &frames->text_mask);
	frames->texts =
		need_resize(frames->texts, (frames->text_room + 1UL) * sizeof(*frames->texts));
	for (uint32_t i = 1; i <= frames->text_count; i++)
		*text_cell(frames, frames->texts[i]) = i;
}

uint32_t frames_text(struct frames *frames, const char *text)
{
	if (frames->text_count >= frames->text_room)
		grow_texts(frames);
	uint32_t *cell = text_cell(frames, text);

	if (*cell == 0) {
		const size_t size = strlen(text) + 1;

		*cell = ++frames->text_count;
		frames->texts[*cell] = memcpy(need_memory(size), text, size);
	}
	return *cell;
}

static uint32_t *frame_cell(const struct frames *frames, const struct frame *frame)
{
	uint64_t hash = mix(frames->factor, (uint64_t)frame->file << 32 | frame->function);

	hash = mix(frames->factor, hash + ((uint64_t)frame->caller << 32 | frame->line));
	for (uint32_t i = (uint32_t)(hash >> 32);; i++) {
		uint32_t *cell = &frames->index[i & frames->index_mask];

		if (*cell == 0 || memcmp(&frames->frames[*cell], frame, sizeof(*frame)) == 0)
			return cell;
	}
}

static void grow_frames(struct frames *frames)
{
	frames->room = grow_index(&frames->index, &frames->index_mask);
	frames->frames =
		need_resize(frames->frames, (frames->room + 1UL) * sizeof(*frames->frames));
	for (uint32_t i = 1; i <= frames->count; i++)
		*frame_cell(frames, &frames->frames[i]) = i;
}

uint32_t frames_push(struct frames *frames, const struct frame *frame)
{
	if (frames->count >= frames->room)
		grow_frames(frames);
	uint32_t *cell = frame_cell(frames, frame);

	if (*cell == 0) {
		*cell = ++frames->count;
		frames->frames[*cell] = *frame;
	}
	return *cell;
}

static bool is_import(const char *file)
{
	static const char import[] = "<frozen importlib";

	return strncmp(file, import, sizeof(import) - 1) == 0;
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
	if (frames->hide_imports && is_import(code.file))
		return caller;
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
