/* SPDX-License-Identifier: MIT */
/* --help, from the tables that parse the command line. */
#include <stdio.h>
#include <string.h>

#include "command.h"

#define WIDTH 79
#define INDENT 26 /* column of the explanations */

static const struct command_option help_option = {
	.name = "help", .letter = 'h', .doc = "print this help and exit"};

/* Print TEXT, wrapped, its lines beginning in column INDENT; AT is the column printed up to. */
static void wrap_text(const char *text, size_t at, size_t indent)
{
	while (*text != '\0') {
		size_t size = strcspn(text, " ");

		if (at > indent && at + 1 + size > WIDTH) {
			putchar('\n');
			at = 0;
		}
		if (at < indent)
			at += (size_t)printf("%*s", (int)(indent - at), "");
		else if (at > indent)
			at += (size_t)printf(" ");
		at += (size_t)printf("%.*s", (int)size, text);
		text += size + (text[size] == ' ');
	}
	putchar('\n');
}

/* The option as it is typed: "  -o, --output FILE". Returns its width. */
static size_t option_name(const struct command_option *o)
{
	int at = o->letter != '\0' ? printf("  -%c, --", o->letter) : printf("      --");

	at += printf(o->negatable ? "[no-]%s" : "%s", o->name);
	if (o->value != NULL)
		at += printf(o->optional ? "[=%s]" : " %s", o->value);
	return (size_t)at;
}

static void option_help(const struct command_option *o)
{
	size_t at = option_name(o);

	if (at + 2 > INDENT) {
		putchar('\n');
		at = 0;
	}
	wrap_text(o->doc, at, INDENT);
}

void command_help(const struct command *command)
{
	printf("usage: pymemtrace %s [OPTION...] %s\n\n", command->name, command->operands);
	wrap_text(command->doc, 0, 0);
	printf("\noptions:\n");
	for (const struct command_option *o = command->options; o->name != NULL; o++)
		option_help(o);
	option_help(&help_option);
}

void command_overview(void)
{
	printf("usage: pymemtrace COMMAND [OPTION...] [ARGUMENT...]\n\n");
	wrap_text("Traces the memory of a Python program and reports on the trace.", 0, 0);
	printf("\ncommands:\n");
	for (size_t i = 0; command_table[i] != NULL; i++)
		wrap_text(command_table[i]->summary, (size_t)printf("  %s", command_table[i]->name),
			  14);
	putchar('\n');
	wrap_text(
		"Options take their value as `--name VALUE` or `--name=VALUE`; those that are on or off stand alone, or are `--no-name`.",
		0, 0);
	printf("\n`pymemtrace help COMMAND` explains a command; `pymemtrace --version` prints the version.\n");
}
