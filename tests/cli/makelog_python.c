/* SPDX-License-Identifier: MIT */
/*
 * The lines of makelog about the interpreter's events. A FUNCTION is file:first:name, equal ones
 * are one code object with 100 lines; with :line behind it, the event is at that line.
 *
 *	call FUNCTION | resume | throw | return | yield | unwind | exception | opcode FUNCTION
 *	ccall NAME FUNCTION | creturn NAME FUNCTION | cexception NAME FUNCTION	NAME: owner:name
 *	lineof FUNCTION:LINE		a `line` event
 *	create ADDR SIZE BUILTIN TYPE STACK | destroy ADDR INFERRED BUILTIN TYPE STACK
 *	resident BYTES			of the events that follow in this slot
 *	skipped COUNT PREVIOUS		before an event
 *	begin TRACED STACK		an `events_begin`
 *	notice NUMBER TEXT
 *	codes FUNCTION...		only defines them
 *	rsstext TEXT | traced HEX | page BYTES	the header
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "makelog.h"

enum { KNOWN_MAX = 65536, LINES = 100 };

/* Texts that have been defined: functions, C functions, types; found through a hash table. */
struct known {
	char *text;
	char kind;
	uint64_t id;
};

static struct known known[KNOWN_MAX];
static uint64_t last_ids[128]; /* by kind */

/* The id of TEXT, or a place for it, with the id 0. */
static struct known *find(char kind, const char *text)
{
	uint32_t hash = (uint32_t)kind;

	for (const char *p = text; *p != '\0'; p++)
		hash = hash * 31 + (uint8_t)*p;
	for (uint32_t i = hash;; i++) {
		struct known *k = &known[i % KNOWN_MAX];

		if (k->text == NULL) {
			k->text = strdup(text);
			k->kind = kind;
			return k;
		}
		if (k->kind == kind && strcmp(k->text, text) == 0)
			return k;
	}
}

/* Split off what stands behind the COUNT-th colon of TEXT; NULL: there is none. */
static char *behind_colon(char *text, unsigned count)
{
	while (count-- != 0) {
		text = strchr(text, ':');
		if (text == NULL)
			return NULL;
		text++;
	}
	text[-1] = '\0';
	return text;
}

static uint64_t define_code(struct logwriter *w, const char *function)
{
	uint8_t table[2 * LINES];
	char text[MAKELOG_LINE_BYTES];

	for (size_t i = 0; i < LINES; i++) {
		table[2 * i] = 2;
		table[2 * i + 1] = i != 0;
	}
	strcpy(text, function);
	char *name = behind_colon(text, 2);
	char *first = name == NULL ? NULL : behind_colon(text, 1);
	const struct log_table lines = {PMT_LINETABLE_LINETABLE310, table, sizeof(table)};

	if (first == NULL)
		makelog_fail(function);
	makelog_unescape(name);
	makelog_unescape(text);
	return log_code_table(w, name, text, (uint32_t)strtoul(first, NULL, 10), &lines);
}

/* A word file:first:name or file:first:name:line. Returns the code id; `?N` is an undefined one. */
static uint64_t code_of(struct logwriter *w, char *word, uint64_t *line, uint64_t *position)
{
	if (word[0] == '?') {
		*line = *position = 1;
		return strtoull(word + 1, NULL, 10);
	}
	char copy[MAKELOG_LINE_BYTES];
	const char *told = behind_colon(word, 3);

	strcpy(copy, word);
	if (behind_colon(copy, 1) == NULL)
		makelog_fail(word);
	const uint64_t first = strtoull(copy + strlen(copy) + 1, NULL, 10);
	struct known *code = find('c', word);

	if (code->id == 0)
		code->id = define_code(w, word);
	*line = told == NULL ? first : strtoull(told, NULL, 10);
	*position = told == NULL ? 0 : *line - first + 1;
	return code->id;
}

static uint64_t c_function_of(struct logwriter *w, const char *word)
{
	struct known *f = find('f', word);

	if (f->id != 0)
		return f->id;
	char text[MAKELOG_LINE_BYTES];

	strcpy(text, word);
	char *name = behind_colon(text, 1);

	if (name == NULL)
		makelog_fail(word);
	makelog_unescape(name);
	const uint64_t name_id = log_string(w, name);
	const uint64_t owner = text[0] == '\0' ? 0 : log_string(w, text);

	f->id = ++last_ids['f'];
	log_put(w, LOGWRITER_DEFINITIONS, c_function, 0, .id = f->id, .name = name_id,
		.owner = owner);
	return f->id;
}

static uint64_t type_of(struct logwriter *w, char *word, uint64_t builtin)
{
	struct known *type = find('t', word);

	if (type->id != 0)
		return type->id;
	makelog_unescape(word);
	const uint64_t name = log_string(w, word);

	type->id = ++last_ids['t'];
	log_put(w, LOGWRITER_DEFINITIONS, object_type, 0, .id = type->id, .name = name,
		.builtin = builtin);
	return type->id;
}

/* The number of KEY in WORDS, or -1. */
static int word_number(const char *const *words, const char *key)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], key) == 0)
			return i;
	return -1;
}

static int call_line(struct logwriter *w, uint32_t slot, const char *key, char *rest)
{
	static const char *const events[] = {"call",   "resume",    "throw",  "return", "yield",
					     "unwind", "exception", "opcode", NULL};
	static const char *const c_events[] = {"ccall", "creturn", "cexception", NULL};
	const int what = word_number(events, key);
	const int c_what = word_number(c_events, key);
	uint64_t line, position;

	if (what >= 0) {
		const uint64_t code = code_of(w, rest, &line, &position);

		log_put(w, slot, pyevent, (unsigned)what, .code = code, .position = position);
	} else if (c_what >= 0) {
		char *caller = strchr(rest, ' ');

		if (caller == NULL)
			makelog_fail(rest);
		*caller++ = '\0';
		const uint64_t code = code_of(w, caller, &line, &position);
		const uint64_t function = c_function_of(w, rest);

		log_put(w, slot, c_event, (unsigned)c_what, .code = code, .position = position,
			.function = function);
	} else if (strcmp(key, "lineof") == 0) {
		const uint64_t code = code_of(w, rest, &line, &position);

		log_put(w, slot, line, 0, .code = code, .line = line);
	} else {
		return 0;
	}
	return 1;
}

static void object_line(struct logwriter *w, uint32_t slot, bool made, char *rest)
{
	uint64_t n[MAKELOG_NUMBERS];
	char *word = makelog_numbers(rest, 3, n);
	char *stack_text = strchr(word, ' ');

	if (stack_text != NULL)
		*stack_text++ = '\0';
	const uint64_t type = type_of(w, word, n[2]);
	const uint64_t stack = stack_text == NULL ? 0 : makelog_stack(w, stack_text);

	if (made)
		log_put(w, slot, create, 0, .addr = n[0], .type = type, .size = n[1],
			.stack = stack);
	else
		log_put(w, slot, destroy, n[1] != 0, .addr = n[0], .type = type, .stack = stack);
}

static int plain_line(struct logwriter *w, uint32_t slot, const char *key, char *rest)
{
	uint64_t n[MAKELOG_NUMBERS], line, position;

	if (strcmp(key, "resident") == 0) {
		makelog_numbers(rest, 1, n);
		log_put(w, slot, resident, 0, .resident = n[0]);
	} else if (strcmp(key, "skipped") == 0) {
		makelog_numbers(rest, 2, n);
		log_put(w, slot, skipped, n[1] != 0, .count = n[0]);
	} else if (strcmp(key, "begin") == 0) {
		const uint64_t stack = makelog_stack(w, makelog_numbers(rest, 1, n));

		log_put(w, slot, events_begin, 0, .stack = stack, .traced = n[0]);
	} else if (strcmp(key, "notice") == 0) {
		char *text = makelog_numbers(rest, 1, n);
		const uint32_t size = (uint32_t)makelog_unescape(text);

		log_put_long(w, slot, size, notice, 0, .what = n[0],
			     .text = {(const uint8_t *)text, size});
	} else if (strcmp(key, "codes") == 0) {
		for (char *word = strtok(rest, " "); word != NULL; word = strtok(NULL, " "))
			code_of(w, word, &line, &position);
	} else {
		return 0;
	}
	return 1;
}

static int header_line(struct logwriter *w, const char *key, char *rest)
{
	struct pmt_header *header = logwriter_header(w);

	if (strcmp(key, "rsstext") == 0)
		logwriter_text(w, PMT_TEXT_RSS, rest, makelog_unescape(rest));
	else if (strcmp(key, "traced") == 0)
		header->traced = strtoull(rest, NULL, 0);
	else if (strcmp(key, "page") == 0)
		header->page_bytes = (uint32_t)strtoul(rest, NULL, 0);
	else
		return 0;
	return 1;
}

int makelog_python(struct logwriter *w, uint32_t slot, const char *key, char *rest)
{
	if (strcmp(key, "create") == 0 || strcmp(key, "destroy") == 0) {
		object_line(w, slot, key[0] == 'c', rest);
		return 1;
	}
	return call_line(w, slot, key, rest) || plain_line(w, slot, key, rest) ||
	       header_line(w, key, rest);
}
