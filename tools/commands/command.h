/* SPDX-License-Identifier: MIT */
/*
 * A command of the program: one constant in tools/cmd_NAME.c. Its table of options is what parses
 * the command line, what --help prints, and what the man pages are checked against.
 */
#ifndef PMT_TOOLS_COMMAND_H
#define PMT_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an option sets, through `target`. */
enum command_kind {
	COMMAND_SWITCH, /* bool *: true when given */
	COMMAND_TEXT,	/* const char **: the last one given */
	COMMAND_COUNT,	/* uint64_t *: a whole number */
	COMMAND_CHOICE, /* int *: index of the word in `value`, "line|function|file" */
	COMMAND_LIST,	/* struct command_list *: every one given */
	COMMAND_CALL, /* calls `set`; with `optional` the value may be left out (only --name=VALUE)
		       */
};

struct command_list {
	const char **items;
	size_t count;
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
	bool negatable; /* --no-NAME exists */
};

struct command {
	const char *name;
	const char *summary;  /* for the list of commands: lower case, no full stop */
	const char *operands; /* for the usage line: "LOG..." */
	const char *doc;      /* a few sentences for --help, wrapped */
	const struct command_option *options;
	bool stop_at_operand; /* everything from the first operand on belongs to the operands */
	const char *operand_letters; /* -X with one of these letters is an operand, NULL: none */
	/* Operands are what is left without options. Returns the exit status. */
	int (*run)(int count, char **operands);
};

/* All commands, in the order of tools/commands/meson.build; ends with NULL. */
extern const struct command *const command_table[];

const struct command *command_find(const char *name);
/* The command with the nearest name, or NULL when none is near. */
const struct command *command_nearest(const char *name);

/*
 * Parse ARGV (COUNT arguments behind the command's name): sets the targets, moves the operands to
 * the front. Returns their number, or -1 after a message. *HELP is set by -h and --help.
 */
int command_parse(const struct command *command, int count, char **argv, bool *help);
/* --help of a command, on stdout. */
void command_help(const struct command *command);
/* The list of commands, on stdout. */
void command_overview(void);

#endif
