/* SPDX-License-Identifier: MIT */
/* The program `pymemtrace`: finds the command and runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "error.h"

/* What was printed must have arrived: a full disk is an error. A reader that went away is not. */
static int finish_output(int status)
{
	if (fflush(stdout) != 0)
		error("cannot write the output: %s", strerror(errno));
	else if (ferror(stdout))
		error("cannot write the output");
	else
		return status;
	return EXIT_DATA;
}

static int unknown_command(const char *name)
{
	const struct command *near = command_nearest(name);

	if (near != NULL)
		error("no command '%s'; did you mean '%s'?", name, near->name);
	else
		error("no command '%s'; `pymemtrace --help` lists them", name);
	return EXIT_USAGE;
}

static int print_help(const char *name)
{
	const struct command *command;

	if (name == NULL) {
		command_overview();
		return EXIT_OK;
	}
	command = command_find(name);
	if (command == NULL)
		return unknown_command(name);
	command_help(command);
	return EXIT_OK;
}

static int run_command(const struct command *command, int argc, char **argv)
{
	struct command_line line = {
		.name = command->name,
		.options = command->options,
		.stop_at_operand = command->stop_at_operand,
		.operand_letters = command->operand_letters,
		.count = argc,
		.arguments = argv,
	};
	const int count = command_line_parse(&line);

	if (count < 0)
		return EXIT_USAGE;
	if (line.help)
		return print_help(command->name);
	return command->run(count, argv);
}

int main(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : NULL;
	const struct command *command;

	if (first == NULL) {
		command_overview();
		return finish_output(EXIT_USAGE);
	}
	if (strcmp(first, "--version") == 0) {
		printf("pymemtrace %s\n", PMT_VERSION);
		return finish_output(EXIT_OK);
	}
	if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0)
		return finish_output(print_help(NULL));
	if (strcmp(first, "help") == 0)
		return finish_output(print_help(argc > 2 ? argv[2] : NULL));
	command = command_find(first);
	if (command == NULL)
		return unknown_command(first);
	return finish_output(run_command(command, argc - 2, argv + 2));
}
