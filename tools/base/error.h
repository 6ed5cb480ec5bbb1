/* SPDX-License-Identifier: MIT */
/* Messages to the user, on stderr, with the program's name before them. */
#ifndef PMT_TOOLS_ERROR_H
#define PMT_TOOLS_ERROR_H

#include <stddef.h>
#include <stdint.h>

/* Exit statuses of the program. */
enum {
	EXIT_OK = 0,
	EXIT_DATA = 1,	/* something could not be read or written */
	EXIT_USAGE = 2, /* wrong options or arguments */
};

/*
 * Print `pymemtrace: MESSAGE` and a newline; control characters in the message are escaped. Returns
 * -1, so that a function can end with `return error(...)`.
 */
int error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, then exit with STATUS. */
_Noreturn void die(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* malloc and realloc that end the program (exit 1) when there is no memory. */
void *need_memory(size_t size);
void *need_resize(void *memory, size_t size);
/* ITEMS, of SIZE bytes each, with room for one more than COUNT; *ROOM is how many fit. */
void *need_room(void *items, uint32_t count, uint32_t *room, size_t size);

#endif
