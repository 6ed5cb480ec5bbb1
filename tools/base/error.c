/* SPDX-License-Identifier: MIT */
/* Messages to the user. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "escape.h"

static void print_message(const char *format, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	fputs("pymemtrace: ", stderr);
	escape_terminal(stderr, text == NULL ? "out of memory" : text, 2000);
	fputc('\n', stderr);
	free(text);
}

int error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_message(format, args);
	va_end(args);
	return -1;
}

void die(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_message(format, args);
	va_end(args);
	exit(status);
}

void *need_memory(size_t size)
{
	return need_resize(NULL, size);
}

void *need_resize(void *memory, size_t size)
{
	memory = realloc(memory, size == 0 ? 1 : size);
	if (memory == NULL)
		die(EXIT_DATA, "out of memory");
	return memory;
}

void *need_room(void *items, uint32_t count, uint32_t *room, size_t size)
{
	if (count < *room)
		return items;
	if (*room > UINT32_MAX / 2 - 8)
		die(EXIT_DATA, "out of memory: more than %u of a kind", *room);
	*room = *room * 2 + 16;
	return need_resize(items, *room * size);
}
