/* SPDX-License-Identifier: MIT */
/*
 * The lines of makelog about calls. A FUNCTION is file:first:name, equal ones are one code object
 * with 100 lines; with :line behind it, the event is at that line. ?N is the undefined id N.
 *
 *	call FUNCTION | resume | throw | return | yield | unwind | exception | opcode FUNCTION
 *	ccall OWNER:NAME FUNCTION | creturn OWNER:NAME FUNCTION | cexception OWNER:NAME FUNCTION
 *	lineof FUNCTION		a `line` event
 *	rsstext TEXT | traced HEX | page BYTES	the header
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "makelog.h"

enum { KNOWN_MAX = 65536, LINES = 100 };

/* Texts that have been defined: functions and C functions; found through a hash table. */
struct known {
	char *text;
	char kind;
	uint64_t id;
};

static struct known known[KNOWN_MAX];
static uint64_t c_functions;

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

static uint64_t define_code(const char *function)
{
	uint8_t table[2 * LINES];
	char text[LINE_BYTES];

	for (size_t i = 0; i < LINES; i++) {
		table[2 * i] = 2;
		table[2 * i + 1] = i != 0;
	}
	strcpy(text, function);
	char *name = behind_colon(text, 2);
	char *first = name == NULL ? NULL : behind_colon(text, 1);
	const struct log_table lines = {PMT_LINETABLE_LINETABLE310, table, sizeof(table)};

	if (first == NULL)
		fail(function);
	unescape(name);
	unescape(text);
	return log_code_table(log_writer, name, text, (uint32_t)strtoul(first, NULL, 10), &lines);
}

/* A word file:first:name or file:first:name:line. Returns the code id; `?N` is an undefined one. */
static uint64_t code_of(char *word, uint64_t *line, uint64_t *position)
{
	if (word[0] == '?') {
		*line = *position = 1;
		return strtoull(word + 1, NULL, 10);
	}
	char copy[LINE_BYTES];
	const char *told = behind_colon(word, 3);

	strcpy(copy, word);
	if (behind_colon(copy, 1) == NULL)
		fail(word);
	const uint64_t first = strtoull(copy + strlen(copy) + 1, NULL, 10);
	struct known *code = find('c', word);

	if (code->id == 0)
		code->id = define_code(word);
	*line = told == NULL ? first : strtoull(told, NULL, 10);
	*position = told == NULL ? 0 : *line - first + 1;
	return code->id;
}

static uint64_t c_function_of(const char *word)
{
	struct known *f = find('f', word);

	if (f->id != 0)
		return f->id;
	char text[LINE_BYTES];

	strcpy(text, word);
	char *name = behind_colon(text, 1);

	if (name == NULL)
		fail(word);
	unescape(name);
	const uint64_t name_id = log_string(log_writer, name);
	const uint64_t owner = text[0] == '\0' ? 0 : log_string(log_writer, text);

	f->id = ++c_functions;
	log_put(log_writer, LOGWRITER_DEFINITIONS, c_function, 0, .id = f->id, .name = name_id,
		.owner = owner);
	return f->id;
}

/* The number of KEY in WORDS, or -1. */
static int word_number(const char *const *words, const char *key)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], key) == 0)
			return i;
	return -1;
}

static int call_line(const char *key, char *rest)
{
	static const char *const events[] = {"call",   "resume",    "throw",  "return", "yield",
					     "unwind", "exception", "opcode", NULL};
	static const char *const c_events[] = {"ccall", "creturn", "cexception", NULL};
	const int what = word_number(events, key);
	const int c_what = word_number(c_events, key);
	uint64_t line, position;

	if (what >= 0) {
		const uint64_t code = code_of(rest, &line, &position);

		log_put(log_writer, slot, pyevent, (unsigned)what, .code = code,
			.position = position);
	} else if (c_what >= 0) {
		char *caller = strchr(rest, ' ');

		if (caller == NULL)
			fail(rest);
		*caller++ = '\0';
		const uint64_t code = code_of(caller, &line, &position);
		const uint64_t function = c_function_of(rest);

		log_put(log_writer, slot, c_event, (unsigned)c_what, .code = code,
			.position = position, .function = function);
	} else if (strcmp(key, "lineof") == 0) {
		const uint64_t code = code_of(rest, &line, &position);

		log_put(log_writer, slot, line, 0, .code = code, .line = line);
	} else {
		return 0;
	}
	return 1;
}

static int header_text_line(const char *key, char *rest)
{
	struct pmt_header *header = logwriter_header(log_writer);

	if (strcmp(key, "rsstext") == 0)
		logwriter_text(log_writer, PMT_TEXT_RSS, rest, unescape(rest));
	else if (strcmp(key, "traced") == 0)
		header->traced = strtoull(rest, NULL, 0);
	else if (strcmp(key, "page") == 0)
		header->page_bytes = (uint32_t)strtoul(rest, NULL, 0);
	else
		return 0;
	return 1;
}

int calls_line(const char *key, char *rest)
{
	return call_line(key, rest) || header_text_line(key, rest);
}
