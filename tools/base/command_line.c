/* SPDX-License-Identifier: MIT */
/* Parses a command line by a command's table of options. */
#include "command_line.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "nearest.h"
#include "text_list.h"

/* The command line while it is parsed. */
struct cursor {
	const struct command_line *line;
	int next;     /* first argument not looked at */
	int operands; /* so many operands were moved to the front */
};

static int fail_choice(const struct command_option *o, const char *text)
{
	return error("--%s %s: not allowed, wants one of %s", o->name, text, o->value);
}

static int set_choice(const struct command_option *o, const char *text)
{
	const char *word = o->value;

	for (int i = 0;; i++) {
		size_t size = strcspn(word, "|");

		if (strlen(text) == size && memcmp(word, text, size) == 0) {
			*(int *)o->target = i;
			return 0;
		}
		if (word[size] == '\0')
			return fail_choice(o, text);
		word += size + 1;
	}
}

static int set_count(const struct command_option *o, const char *text)
{
	char *end;

	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
		return error("--%s %s: not allowed, wants a whole number", o->name, text);
	*(uint64_t *)o->target = value;
	return 0;
}

static bool is_on_or_off(const char *text)
{
	return strcmp(text, "on") == 0 || strcmp(text, "off") == 0;
}

static int set_switch(const struct command_option *o, const char *text, bool negated)
{
	if (text != NULL && !is_on_or_off(text))
		return error("--%s %s: not allowed, wants on or off", o->name, text);
	*(bool *)o->target = text != NULL ? strcmp(text, "on") == 0 : !negated;
	return 0;
}

static int set_option(const struct command_option *o, const char *text, bool negated)
{
	switch (o->kind) {
	case COMMAND_SWITCH:
		return set_switch(o, text, negated);
	case COMMAND_TEXT:
		*(const char **)o->target = text;
		return 0;
	case COMMAND_COUNT:
		return set_count(o, text);
	case COMMAND_CHOICE:
		return set_choice(o, text);
	case COMMAND_LIST:
		text_list_add(o->target, text);
		return 0;
	case COMMAND_CALL:
		return o->set(o, text, negated);
	}
	return -1;
}

static bool wants_value(const struct command_option *o)
{
	return o->kind != COMMAND_SWITCH && !o->optional;
}

/* Whether the next word belongs to an option that also stands alone. */
static bool has_choice(const struct cursor *c)
{
	return c->next < c->line->count && is_on_or_off(c->line->arguments[c->next]);
}

/*
 * The value of an option: what stands behind it in the same word, or the next word. Behind an
 * option that is on or off the next word is its value only if it is one of these two.
 */
static int set_with_value(struct cursor *c, const struct command_option *o, const char *inside)
{
	if (inside == NULL && wants_value(o)) {
		if (c->next == c->line->count)
			return error("--%s wants a value: %s", o->name, o->value);
		inside = c->line->arguments[c->next++];
	}
	if (inside == NULL && !wants_value(o) && has_choice(c))
		inside = c->line->arguments[c->next++];
	return set_option(o, inside, false);
}

static int refuse_word(const struct cursor *c, const char *word, size_t size)
{
	char name[64];
	const char *found = NULL;

	snprintf(name, sizeof(name), "%.*s", (int)(size < 63 ? size : 63), word);
	struct nearest best = nearest_begin(name);

	for (const struct command_option *o = c->line->options; o->name != NULL; o++)
		if (nearest_try(&best, o->name))
			found = o->name;
	if (found != NULL)
		return error("%s: no option --%s; did you mean --%s?", c->line->name, name, found);
	return error("%s: no option --%s; `pymemtrace %s --help` lists them", c->line->name, name,
		     c->line->name);
}

static bool is_negatable(const struct command_option *o)
{
	return o->kind == COMMAND_SWITCH || o->negatable;
}

static int parse_long(struct cursor *c, const char *word)
{
	size_t size = strcspn(word, "=");
	const char *value = word[size] == '=' ? word + size + 1 : NULL;
	bool no = size > 3 && strncmp(word, "no-", 3) == 0;

	for (const struct command_option *o = c->line->options; o->name != NULL; o++) {
		if (strlen(o->name) == size && memcmp(o->name, word, size) == 0)
			return set_with_value(c, o, value);
		if (no && is_negatable(o) && strlen(o->name) == size - 3 &&
		    memcmp(o->name, word + 3, size - 3) == 0)
			return value == NULL ? set_option(o, NULL, true)
					     : error("--no-%s takes no value", o->name);
	}
	return refuse_word(c, word, size);
}

static int parse_letters(struct cursor *c, const char *letters)
{
	while (*letters != '\0') {
		const struct command_option *o = c->line->options;

		while (o->name != NULL && o->letter != *letters)
			o++;
		if (o->name == NULL)
			return error("%s: no option -%c; `pymemtrace %s --help` lists them",
				     c->line->name, *letters, c->line->name);
		letters++;
		if (wants_value(o))
			return set_with_value(c, o, *letters == '\0' ? NULL : letters);
		if (set_option(o, NULL, false) != 0)
			return -1;
	}
	return 0;
}

/* -m of `run -m MODULE`: it belongs to what is run. */
static bool is_operand_letter(const struct command_line *line, char letter)
{
	return line->operand_letters != NULL && letter != '\0' &&
	       strchr(line->operand_letters, letter) != NULL;
}

int command_line_parse(struct command_line *line)
{
	struct cursor c = {.line = line};
	bool only_operands = false;

	line->help = false;
	while (c.next < line->count) {
		char *word = line->arguments[c.next++];

		if (only_operands || word[0] != '-' || word[1] == '\0' ||
		    is_operand_letter(line, word[1])) {
			line->arguments[c.operands++] = word;
			only_operands |= line->stop_at_operand;
		} else if (strcmp(word, "--") == 0) {
			only_operands = true;
		} else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			line->help = true;
			return 0;
		} else if (word[1] == '-' ? parse_long(&c, word + 2) != 0
					  : parse_letters(&c, word + 1) != 0) {
			return -1;
		}
	}
	return c.operands;
}
