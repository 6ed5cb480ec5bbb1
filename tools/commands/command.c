/* SPDX-License-Identifier: MIT */
/* The table of commands. */
#include "command.h"

#include <string.h>

#include "nearest.h"

/* COMMAND(name) for each command of tools/commands/meson.build: extern const struct command
 * cmd_name. */
#define COMMAND(name) extern const struct command cmd_##name;
#include "commands.def"
#undef COMMAND

const struct command *const command_table[] = {
#define COMMAND(name) &cmd_##name,
#include "commands.def"
#undef COMMAND
	NULL,
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; command_table[i] != NULL; i++)
		if (strcmp(command_table[i]->name, name) == 0)
			return command_table[i];
	return NULL;
}

const struct command *command_nearest(const char *name)
{
	struct nearest best = nearest_begin(name);
	const struct command *found = NULL;

	for (size_t i = 0; command_table[i] != NULL; i++)
		if (nearest_try(&best, command_table[i]->name))
			found = command_table[i];
	return found;
}
