/* SPDX-License-Identifier: MIT */
/* The lines of makelog that make events of the interpreter and what they refer to. */
#include <stdlib.h>
#include <string.h>

#include "makelog.h"

enum { CODES_MAX = 256 };

/* Events name their function each time; it has one code object. */
static struct {
	char *name;
	uint64_t code;
} codes[CODES_MAX];

/* FILE:LINE:FUNCTION: the code object of the function in the file; LINE goes to *LINE. */
static uint64_t find_code(char *text, uint64_t *line)
{
	char *number = strchr(text, ':');
	char *function = number == NULL ? NULL : strchr(number + 1, ':');
	char name[2 * LINE_BYTES];
	size_t i = 0;

	if (function == NULL)
		fail(text);
	*number++ = *function++ = '\0';
	*line = strtoull(number, NULL, 10);
	unescape(text);
	unescape(function);
	strcat(strcat(strcpy(name, text), "\n"), function);
	while (i < CODES_MAX && codes[i].name != NULL && strcmp(codes[i].name, name) != 0)
		i++;
	if (i == CODES_MAX)
		fail("too many functions");
	if (codes[i].name == NULL) {
		codes[i].name = strdup(name);
		codes[i].code = log_code(log_writer, function, text, (uint32_t)*line);
	}
	return codes[i].code;
}

static void put_call(const char *key, char *rest)
{
	uint64_t n[NUMBERS];
	uint64_t line;

	if (strcmp(key, "py") == 0) {
		const uint64_t code = find_code(read_numbers(rest, 1, n), &line);

		log_put(log_writer, slot, pyevent, (unsigned)n[0], .what = n[0], .code = code);
	} else {
		const uint64_t code = find_code(read_numbers(rest, 2, n), &line);

		log_put(log_writer, slot, c_event, (unsigned)n[0], .what = n[0], .code = code,
			.function = n[1]);
	}
}

static void put_line(char *rest)
{
	uint64_t line;
	const uint64_t code = find_code(rest, &line);

	log_put(log_writer, slot, line, 0, .code = code, .line = line);
}

static int call_line(const char *key, char *rest)
{
	uint64_t n[NUMBERS];

	if (strcmp(key, "py") == 0 || strcmp(key, "c") == 0) {
		put_call(key, rest);
	} else if (strcmp(key, "line") == 0) {
		put_line(rest);
	} else if (strcmp(key, "memory") == 0) {
		read_numbers(rest, 3, n);
		log_put(log_writer, slot, memory, 0, .uss = n[0], .swap = n[1], .peak = n[2]);
	} else if (strcmp(key, "resident") == 0) {
		read_numbers(rest, 1, n);
		log_put(log_writer, slot, resident, 0, .resident = n[0]);
	} else if (strcmp(key, "skipped") == 0) {
		read_numbers(rest, 2, n);
		log_put(log_writer, slot, skipped, (unsigned)n[0], .previous = n[0], .count = n[1]);
	} else {
		return 0;
	}
	return 1;
}

static int object_line(const char *key, char *rest)
{
	uint64_t n[NUMBERS];

	if (strcmp(key, "create") == 0) {
		const uint64_t stack = make_stack(read_numbers(rest, 3, n));

		log_put(log_writer, slot, create, 0, .addr = n[0], .type = n[1], .size = n[2],
			.stack = stack);
	} else if (strcmp(key, "destroy") == 0) {
		const uint64_t stack = make_stack(read_numbers(rest, 3, n));

		log_put(log_writer, slot, destroy, (unsigned)n[0], .inferred = n[0], .addr = n[1],
			.type = n[2], .stack = stack);
	} else {
		return 0;
	}
	return 1;
}

static int begin_line(const char *key, char *rest)
{
	uint64_t n[NUMBERS];

	if (strcmp(key, "begin") == 0) {
		const uint64_t stack = make_stack(read_numbers(rest, 1, n));

		log_put(log_writer, slot, events_begin, 0, .traced = n[0], .stack = stack);
	} else if (strcmp(key, "notice") == 0) {
		rest = read_numbers(rest, 1, n);
		const uint32_t size = (uint32_t)unescape(rest);

		log_put_long(log_writer, slot, size, notice, 0, .what = n[0],
			     .text = {(uint8_t *)rest, size});
	} else {
		return 0;
	}
	return 1;
}

static int definition_line(const char *key, char *rest)
{
	uint64_t n[NUMBERS];

	if (strcmp(key, "objecttype") == 0) {
		rest = read_numbers(rest, 2, n);
		unescape(rest);
		log_object_type(log_writer, n[0], rest, n[1]);
	} else if (strcmp(key, "cfunction") == 0) {
		rest = read_numbers(rest, 1, n);
		char *name = strchr(rest, ':');

		if (name == NULL)
			fail(rest);
		*name++ = '\0';
		unescape(rest);
		unescape(name);
		log_c_function(log_writer, n[0], name, rest);
	} else {
		return 0;
	}
	return 1;
}

int python_line(const char *key, char *rest)
{
	return call_line(key, rest) || object_line(key, rest) || begin_line(key, rest) ||
	       definition_line(key, rest);
}
