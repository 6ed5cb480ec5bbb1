/* SPDX-License-Identifier: MIT */
/* Marks of contexts. */
#include "span.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define PREFIX "pymemtrace:"

static const char *const verbs[] = {
	[SPAN_NONE] = "",	    [SPAN_OTHER] = "",	    [SPAN_BEGIN] = "begin",
	[SPAN_END] = "end",	    [SPAN_PAUSE] = "pause", [SPAN_GO_ON] = "go_on",
	[SPAN_MESSAGE] = "message", [SPAN_LINE] = "line",   [SPAN_MORE] = "more",
};

void span_init(struct span *span, const char *id)
{
	*span = (struct span){.id = id};
}

void span_fini(struct span *span)
{
	free(span->text);
	*span = (struct span){.id = NULL};
}

/* Take the part up to the next colon, or all, off REST. */
static struct pmt_bytes next_part(struct pmt_bytes *rest)
{
	const uint8_t *colon = rest->size == 0 ? NULL : memchr(rest->data, ':', rest->size);
	struct pmt_bytes part = *rest;

	if (colon != NULL)
		part.size = (uint32_t)(colon - rest->data);
	rest->data += part.size + (colon != NULL);
	rest->size -= part.size + (colon != NULL);
	return part;
}

static bool part_equals(const struct pmt_bytes *part, const char *text)
{
	return strlen(text) == part->size && memcmp(part->data, text, part->size) == 0;
}

static void add_text(struct span *span, const struct pmt_bytes *text)
{
	if (!span->more)
		span->size = 0;
	if (span->room - span->size < text->size) {
		span->room = (span->size + text->size) * 2;
		span->text = need_resize(span->text, span->room);
	}
	if (text->size != 0)
		memcpy(span->text + span->size, text->data, text->size);
	span->size += text->size;
}

static enum span_verb verb_of(const struct pmt_bytes *part)
{
	for (unsigned i = SPAN_BEGIN; i <= SPAN_MORE; i++)
		if (part_equals(part, verbs[i]))
			return (enum span_verb)i;
	return SPAN_OTHER;
}

static void apply_verb(struct span *span, enum span_verb verb, uint32_t thread)
{
	if (verb == SPAN_BEGIN) {
		span->inside = true;
		span->paused = false;
		span->thread = thread;
	} else if (verb == SPAN_END) {
		span->inside = false;
	} else if (verb == SPAN_PAUSE || verb == SPAN_GO_ON) {
		span->paused = verb == SPAN_PAUSE;
	}
}

/* Past "pymemtrace:", if that is there. */
static bool skip_prefix(struct pmt_bytes *rest)
{
	const uint32_t size = (uint32_t)strlen(PREFIX);

	if (rest->size < size || memcmp(rest->data, PREFIX, size) != 0)
		return false;
	rest->data += size;
	rest->size -= size;
	return true;
}

uint64_t span_cpu_ns(const struct pmt_bytes *mark)
{
	struct pmt_bytes rest = *mark;
	uint64_t value = 0;

	if (!skip_prefix(&rest))
		return 0;
	(void)next_part(&rest);

	const struct pmt_bytes word = next_part(&rest);
	const enum span_verb verb = verb_of(&word);

	if ((verb != SPAN_BEGIN && verb != SPAN_END) || rest.size > 18)
		return 0;
	for (uint32_t i = 0; i < rest.size; i++) {
		if (rest.data[i] < '0' || rest.data[i] > '9')
			return 0;
		value = value * 10 + (rest.data[i] - '0');
	}
	return value;
}

enum span_verb span_mark(struct span *span, const struct pmt_bytes *mark, uint32_t thread)
{
	struct pmt_bytes rest = *mark;
	enum span_verb verb;

	if (!skip_prefix(&rest))
		return SPAN_NONE;

	const struct pmt_bytes id = next_part(&rest);
	const struct pmt_bytes word = next_part(&rest);

	if (!part_equals(&id, span->id))
		return SPAN_OTHER;
	verb = verb_of(&word);
	if (verb >= SPAN_MESSAGE)
		add_text(span, &rest);
	span->more = verb == SPAN_MORE;
	apply_verb(span, verb, thread);
	return verb;
}
