/* SPDX-License-Identifier: MIT */
/*
 * The program's environment, as far as its children get something from the tracer in it.
 *
 * The C library's setenv() is not used: the program may have one of its own (shells do), and it
 * takes memory from malloc(). The other strings stay where they are: a program that writes its title
 * over them counts on their order.
 */
#include "environment.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "proc.h"
#include "say.h"
#include "sys.h"

#define NAME PMT_OPTION_PREFIX "OUTPUT="

/* The program owns this text from now on, and may write over it. */
static struct text handed_on;

static char run[48];

/* Append TEXT to the environment, whose COUNT texts get a list of the tracer's own. */
static void append_text(char *text, size_t count)
{
	char **list = sys_memory((count + 2) * sizeof(*list));

	if (list == NULL)
		return;
	memcpy(list, environ, count * sizeof(*list));
	list[count] = text;
	environ = list;
}

void environment_hand_on_output(const char *output)
{
	size_t count = 0;

	handed_on.used = 0;
	text_add(&handed_on, NAME);
	text_add(&handed_on, output);
	if (output[0] != '/' || handed_on.used + 1 >= sizeof(handed_on.data))
		return;
	for (; environ[count] != NULL; count++) {
		if (strncmp(environ[count], NAME, strlen(NAME)) != 0)
			continue;
		if (strcmp(environ[count], handed_on.data) != 0)
			environ[count] = handed_on.data;
		return;
	}
	append_text(handed_on.data, count);
}

void environment_read_run(void)
{
	const char *value = getenv(PMT_OPTION_PREFIX "RUN");
	const size_t size = value == NULL ? 0 : strnlen(value, sizeof(run));

	run[0] = '\0';
	if (size == 0 || size == sizeof(run) || value[strspn(value, "0123456789.")] != '\0')
		return;
	memcpy(run, value, size + 1);
}

const char *environment_run(void)
{
	return run;
}

int environment_is_run_itself(void)
{
	const char *p = run;

	return run[0] != '\0' && proc_number(&p) == (uint64_t)sys_getpid();
}
