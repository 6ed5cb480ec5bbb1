/* SPDX-License-Identifier: MIT */
/*
 * pymemtrace run: runs a command with the tracer preloaded. Its options are the tracer's: made from
 * options.def, checked here, handed on in the environment.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "error.h"
#include "library.h"
#include "logname.h"
#include "options.h"
#include "program.h"
#include "target.h"

static int set_option(const struct command_option *option, const char *value, bool negated);

/* What only `run` knows; the options behind it are the tracer's. */
static bool force;
static const char *python;

/* The one-letter name of an option: only that of the log has one. */
#define LETTER(field)                                                                              \
	(offsetof(struct pmt_options, field) == offsetof(struct pmt_options, output) ? 'o' : '\0')

/* How a value is called in the help, by type. */
#define VALUE_TEXT "TEXT"
#define VALUE_SIZE "BYTES"
#define VALUE_COUNT "N"
#define VALUE_ROUND_SIZE VALUE_SIZE
#define VALUE_ROUND_COUNT VALUE_COUNT
#define VALUE_SWITCH "on|off"
#define VALUE_WORDS "WORDS"
#define VALUE_CHOICE "WORD"
#define VALUE_TRIGGER "BYTES"
#define VALUE_SIGNAL "SIGNAL"

static const struct command_option options[] = {
#define PMT_OPTION(field, env, flag, type, standard, least, most, text)                            \
	{.name = flag,                                                                             \
	 .letter = LETTER(field),                                                                  \
	 .value = VALUE_##type,                                                                    \
	 .kind = COMMAND_CALL,                                                                     \
	 .doc = text " (default: " standard ")",                                                   \
	 .set = set_option,                                                                        \
	 .optional = PMT_OPTION_##type == PMT_OPTION_SWITCH,                                       \
	 .negatable = PMT_OPTION_##type == PMT_OPTION_SWITCH},
#include "options.def"
#undef PMT_OPTION
	{.name = "force",
	 .kind = COMMAND_SWITCH,
	 .target = &force,
	 .doc = "replace the log of an earlier run that has this name, with those of its children"},
	{.name = "python",
	 .value = "PROGRAM",
	 .kind = COMMAND_TEXT,
	 .target = &python,
	 .doc = "the interpreter to put in front of COMMAND (default: python3, in front of a file that ends in .py, of -m MODULE and of -c CODE)"},
	{0},
};

static int set_option(const struct command_option *option, const char *value, bool negated)
{
	const struct pmt_option_info *info = &pmt_option_infos[option - options];
	struct pmt_options checked = {0};
	char allowed[300];

	if (value == NULL)
		value = negated ? "off" : "on";
	if (pmt_option_set(&checked, info, value, allowed, sizeof(allowed)) != 0)
		return error("--%s %s: not allowed, wants %s", option->name, value, allowed);
	if (setenv(info->env, value, 1) != 0)
		die(EXIT_DATA, "%s: %s", info->env, strerror(errno));
	return 0;
}

/* Options may also come from the environment: wrong ones would only be noticed by the tracer. */
static int check_environment(void)
{
	for (const struct pmt_option_info *info = pmt_option_infos; info->env != NULL; info++) {
		const char *value = getenv(info->env);
		struct pmt_options checked = {0};
		char allowed[300];

		if (value != NULL && *value != '\0' &&
		    pmt_option_set(&checked, info, value, allowed, sizeof(allowed)) != 0)
			return error("%s=%s: not allowed, wants %s", info->env, value, allowed);
	}
	return 0;
}

/* The runtime of the address sanitizer ends a program in which it is not the first library. */
static bool must_be_first(const char *name, size_t size)
{
	const char *last = memrchr(name, '/', size);
	const char *end = name + size;

	if (last != NULL)
		name = last + 1;
	return memmem(name, (size_t)(end - name), "asan", 4) != NULL;
}

/*
 * The tracer comes before what is preloaded already (another allocator, say), but behind libraries
 * at the front that insist on being the first.
 */
static void preload_library(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	size_t front = 0;
	char *value;

	if (others == NULL)
		others = "";
	for (;;) {
		const size_t size = strcspn(others + front, ": ");

		if (size == 0 || !must_be_first(others + front, size))
			break;
		front += size + strspn(others + front + size, ": ");
	}
	const char *rest = others + front;
	const char *gap = front != 0 && strchr(": ", others[front - 1]) == NULL ? ":" : "";

	if (asprintf(&value, "%.*s%s%s%s%s", (int)front, others, gap, library,
		     *rest != '\0' ? ":" : "", rest) < 0 ||
	    setenv("LD_PRELOAD", value, 1) != 0)
		die(EXIT_DATA, "out of memory");
	free(value);
}

/* By this the tracer knows the logs of one run from others, and the process that this one becomes. */
static void name_run(void)
{
	struct timespec now;
	char *value;

	clock_gettime(CLOCK_REALTIME, &now);
	if (asprintf(&value, "%d.%lld%09ld", (int)getpid(), (long long)now.tv_sec, now.tv_nsec) <
		    0 ||
	    setenv("PYMEMTRACE_RUN", value, 1) != 0)
		die(EXIT_DATA, "out of memory");
	free(value);
}

static int run_program(int count, char **operands)
{
	char *library, *path, **arguments;
	int status;

	if (count == 0) {
		error("run: no command given; `pymemtrace run --help` explains");
		return EXIT_USAGE;
	}
	if (check_environment() != 0)
		return EXIT_USAGE;
	arguments = target_find(count, operands, python, &path, &status);
	if (arguments == NULL)
		return status;
	library = library_find();
	if (library == NULL)
		return EXIT_DATA;
	status = logname_prepare(force);
	if (status != 0)
		return status;
	preload_library(library);
	name_run();
	execv(path, arguments);
	status = errno == ENOENT ? PROGRAM_NOT_FOUND : PROGRAM_NOT_EXECUTABLE;
	error("%s: %s", path, strerror(errno));
	return status;
}

const struct command cmd_run = {
	.name = "run",
	.summary = "run a command and trace it",
	.operands = "[--] COMMAND [ARGUMENT...]",
	.doc = "Runs a command with the tracer preloaded and ends with the command's exit status. "
	       "FILE.py, -m MODULE and -c CODE in place of COMMAND mean python3's own command line. "
	       "Each option can also be given in the environment, as PYMEMTRACE_OUTPUT for --output and so on.",
	.options = options,
	.stop_at_operand = true,
	.operand_letters = "mc",
	.run = run_program,
};
