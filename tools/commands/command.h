/* SPDX-License-Identifier: MIT */
/*
 * A command of the program: one constant in tools/commands/cmd_NAME.c.
 */
#ifndef PMT_TOOLS_COMMAND_H
#define PMT_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command_line.h"
#include "text_list.h"

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

/* --help of a command, on stdout. */
void command_help(const struct command *command);
/* The list of commands, on stdout. */
void command_overview(void);

#endif
