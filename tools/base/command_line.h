/* SPDX-License-Identifier: MIT */
/*
 * The options of a command as a table: it parses the command line, --help prints it, and the man
 * pages are checked against it.
 */
#ifndef PMT_TOOLS_COMMAND_LINE_H
#define PMT_TOOLS_COMMAND_LINE_H

#include <stdbool.h>

/* What an option sets, through `target`. */
enum command_kind {
	COMMAND_SWITCH, /* bool *: --NAME, --NAME on|off, --NAME=on|off, --no-NAME */
	COMMAND_TEXT,	/* const char **: the last one given */
	COMMAND_COUNT,	/* uint64_t *: a whole number */
	COMMAND_CHOICE, /* int *: index of the word in `value`, "line|function|file" */
	COMMAND_LIST,	/* struct text_list *: every one given */
	COMMAND_CALL,	/* calls `set`; with `optional` the value, on or off, may be left out */
};

struct command_option {
	const char *name;  /* long name without dashes; NULL ends the table */
	char letter;	   /* short name or '\0' */
	const char *value; /* how the value is called in --help; NULL for a switch */
	enum command_kind kind;
	void *target;
	const char *doc; /* one sentence, wrapped by --help */
	/*
	 * COMMAND_CALL: takes the value, NULL if it was left out or NEGATED by --no-NAME. Returns
	 * 0, or -1 after a message through error().
	 */
	int (*set)(const struct command_option *option, const char *value, bool negated);
	bool optional;
	bool negatable; /* --no-NAME exists, and --help says so; it always exists for a switch */
};

/* A command line, and what it may have. */
struct command_line {
	const char *name; /* the command's, for messages */
	const struct command_option *options;
	bool stop_at_operand; /* everything from the first operand on belongs to the operands */
	const char *operand_letters; /* -X with one of these letters is an operand; NULL: none */
	int count;		     /* arguments behind the command's name */
	char **arguments;
	bool help; /* set by -h and --help */
};

/*
 * Sets the targets of the options, and moves the operands to the front of `arguments`. Returns
 * their number, or -1 after a message.
 */
int command_line_parse(struct command_line *line);

#endif
