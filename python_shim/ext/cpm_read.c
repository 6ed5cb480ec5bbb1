/* SPDX-License-Identifier: MIT */
/* What a context saw: the program `pymemtrace` reads it from the log. */
#include "cpm_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpm_program.h"

/* The reader's names of the kinds. */
static const char *const words[CPM_KINDS] = {
	[CPM_PROFILE] = "profile", [CPM_TRACE] = "trace", [CPM_REFERENCES] = "objects"};

#define ARGUMENTS_MAX 16

/* OPTION and NAME, of which a glob is made that matches NAME alone; free() it. NULL: no memory. */
static char *name_option(const char *option, const char *name)
{
	char *text = malloc(strlen(option) + 2 * strlen(name) + 1);
	char *to = text;

	if (text == NULL)
		return NULL;
	to = stpcpy(to, option);
	for (; *name != '\0'; name++) {
		if (strchr("*?[\\", *name) != NULL)
			*to++ = '\\';
		*to++ = *name;
	}
	*to = '\0';
	return text;
}

static size_t names_of(PyObject *names)
{
	return names == NULL ? 0 : (size_t)PyTuple_Size(names);
}

/* The texts of `list` up to `fixed` are constant or below; then come `named` ones of its own. */
struct arguments {
	char **list;
	size_t fixed;
	size_t named;
	char kind[32];
	char context[48];
	char trigger[48];
};

static void free_arguments(struct arguments *a)
{
	for (size_t i = 0; i < a->named; i++)
		free(a->list[a->fixed + i]);
	free(a->list);
}

/* Returns 0, or -1 when there is no memory. */
static int add_name(struct arguments *a, const char *option, const char *name)
{
	char *text = name_option(option, name);

	if (text == NULL)
		return -1;
	a->list[a->fixed + a->named++] = text;
	return 0;
}

static int add_names(struct arguments *a, const char *option, PyObject *names)
{
	for (size_t i = 0; i < names_of(names); i++)
		if (add_name(a, option, PyUnicode_AsUTF8(PyTuple_GetItem(names, (Py_ssize_t)i))) !=
		    0)
			return -1;
	return 0;
}

/* What c has asked for by name. */
static int add_all_names(const struct cpm_context *c, struct arguments *a)
{
	const char *decorators = cpm_decorators();

	if (decorators != NULL && c->kind != CPM_REFERENCES &&
	    add_name(a, "--exclude=file:", decorators) != 0)
		return -1;
	return add_names(a, "--type=", c->include) != 0 ||
			       add_names(a, "--other-type=", c->exclude) != 0
		       ? -1
		       : 0;
}

static int make_arguments(const struct cpm_context *c, int counts, struct arguments *a)
{
	size_t used = 0;

	a->list = calloc(ARGUMENTS_MAX + names_of(c->include) + names_of(c->exclude),
			 sizeof(*a->list));
	if (a->list == NULL)
		return -1;
	(void)snprintf(a->kind, sizeof(a->kind), "--kind=%s", words[c->kind]);
	(void)snprintf(a->context, sizeof(a->context), "--context=%llu", c->id);
	(void)snprintf(a->trigger, sizeof(a->trigger), "--d-rss-trigger=%lld",
		       c->trigger < 0 ? -1 : c->trigger);
	a->list[used++] = (char *)(uintptr_t) "pymemtrace";
	a->list[used++] = (char *)(uintptr_t) "text";
	a->list[used++] = (char *)(uintptr_t) "--style=classic";
	a->list[used++] = a->kind;
	a->list[used++] = a->context;
	a->list[used++] = a->trigger;
	if (!c->all_threads)
		a->list[used++] = (char *)(uintptr_t) "--context-thread";
	if (counts)
		a->list[used++] = (char *)(uintptr_t) "--counts";
	if (c->kind == CPM_REFERENCES && !c->builtins)
		a->list[used++] = (char *)(uintptr_t) "--no-builtin";
	a->fixed = used;
	if (add_all_names(c, a) != 0)
		return -1;
	used += a->named;
	a->list[used++] = (char *)(uintptr_t) "--";
	a->list[used] = c->log->path;
	return 0;
}

/* Other threads may do anything meanwhile, to C as well. */
static int run_reader(const char *program, const struct arguments *a, int out)
{
	int status, error;

	Py_BEGIN_ALLOW_THREADS status = cpm_program_run(program, a->list, out);
	error = errno;
	Py_END_ALLOW_THREADS errno = error;
	return status;
}

static int complain(struct cpm_log *log, const char *program, int status)
{
	const int error = errno;

	log->keep = 1;
	if (status < 0)
		PyErr_Format(PyExc_RuntimeError, "%s cannot be run (%s); the binary log is %s",
			     program, strerror(error), log->path);
	else
		PyErr_Format(
			PyExc_RuntimeError,
			"the text log is not complete (exit status %d of %s); the binary log is %s",
			status, program, log->path);
	return -1;
}

int cpm_read(const struct cpm_context *c, struct cpm_log *log, int counts, int out)
{
	PyObject *held[] = {c->include, c->exclude};
	const char *program = cpm_program();
	struct arguments a = {0};
	int status;

	if (program == NULL)
		return -1;
	if (make_arguments(c, counts, &a) < 0) {
		free_arguments(&a);
		PyErr_NoMemory();
		return -1;
	}
	Py_XINCREF(held[0]);
	Py_XINCREF(held[1]);
	status = run_reader(program, &a, out);
	free_arguments(&a);
	if (status != 0)
		(void)complain(log, program, status);
	Py_XDECREF(held[0]);
	Py_XDECREF(held[1]);
	return status == 0 ? 0 : -1;
}

/* All that was written to the file FD, as a text; NULL with an exception set. */
static char *slurp(int fd)
{
	const off_t size = lseek(fd, 0, SEEK_END);
	char *text = size < 0 ? NULL : malloc((size_t)size + 1);
	off_t done = 0;

	if (text == NULL) {
		PyErr_NoMemory();
		return NULL;
	}
	while (done < size) {
		const ssize_t part = pread(fd, text + done, (size_t)(size - done), done);

		if (part <= 0)
			break;
		done += part;
	}
	text[done] = '\0';
	return text;
}

char *cpm_counts(struct cpm_context *c)
{
	struct cpm_log *log = c->log;
	int fd = memfd_create("pymemtrace", MFD_CLOEXEC);
	char *text = NULL;

	if (fd < 0) {
		PyErr_SetFromErrno(PyExc_OSError);
		return NULL;
	}
	log->holders++;
	Py_INCREF(c);
	if (cpm_read(c, log, 1, fd) == 0)
		text = slurp(fd);
	Py_DECREF(c);
	cpm_log_release(log);
	(void)close(fd);
	return text;
}
