/* SPDX-License-Identifier: MIT */
/* Entering and leaving contexts, and the text log of each. */
#include "cpm_context.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cpm_read.h"

/* What is told of each kind, in the words that programs may look for. */
static const struct kind {
	char letter;
	const char *title; /* "Detaching this ... file wrapper." */
	unsigned words;
	const char *unwritable;
} kinds[] = {
	[CPM_PROFILE] = {'P', "profile", CPM_CALLS | CPM_C_CALLS,
			 "py_attach_profile_function(): Could not attach profile function."},
	[CPM_TRACE] = {'T', "trace", CPM_CALLS | CPM_LINES | CPM_EXCEPTIONS,
		       "py_attach_trace_function(): Could not attach trace function."},
	[CPM_REFERENCES] =
		{'O', "Reference Tracing", CPM_OBJECTS,
		 "py_attach_reference_tracing_function(): Could not attach reference tracing function."},
};

static struct {
	struct cpm_context *top[CPM_KINDS]; /* each held */
	unsigned long long ids;
	unsigned ordinal; /* of log files */
	int pid;
	PyObject *collect; /* gc.collect: an import at the end would be in the log */
} contexts;

int cpm_context_init(void)
{
	PyObject *gc = PyImport_ImportModule("gc");

	if (gc == NULL)
		return -1;
	Py_XDECREF(contexts.collect);
	contexts.collect = PyObject_GetAttrString(gc, "collect");
	Py_DECREF(gc);
	return contexts.collect == NULL ? -1 : 0;
}

/* --- the stacks --- */

/* A child of fork() has its parent's objects, but what they trace is the parent's business. */
static void look_for_fork(void)
{
	const int pid = (int)getpid();

	if (contexts.pid == pid)
		return;
	if (contexts.pid != 0)
		cpm_log_forget();
	contexts.pid = pid;
	contexts.ordinal = 0;
	memset(contexts.top, 0, sizeof(contexts.top));
}

struct cpm_context *cpm_top(enum cpm_kind kind)
{
	look_for_fork();
	return contexts.top[kind];
}

int cpm_depth(enum cpm_kind kind)
{
	int depth = 0;

	for (const struct cpm_context *c = cpm_top(kind); c != NULL; c = c->below)
		depth++;
	return depth;
}

int cpm_is_entered(const struct cpm_context *c)
{
	look_for_fork();
	return c->state == CPM_ENTERED && c->pid == contexts.pid;
}

/*
 * A suspended context wants its events, too: else the tracer would not know which calls had ended
 * when it goes on.
 */
static unsigned words_wanted(void)
{
	unsigned words = 0;

	for (int kind = 0; kind < CPM_KINDS; kind++)
		if (contexts.top[kind] != NULL)
			words |= kinds[kind].words;
	return words;
}

/* --- the text log --- */

static int mark(const struct cpm_context *c, const char *verb, const char *text)
{
	return cpm_log_mark(c->id, verb, text, strlen(text));
}

/* With the processor time of this moment. */
static int mark_clock(const struct cpm_context *c, const char *verb)
{
	struct timespec now = {0, 0};
	char text[32];

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	(void)snprintf(text, sizeof(text), "%llu",
		       (unsigned long long)now.tv_sec * 1000000000ULL +
			       (unsigned long long)now.tv_nsec);
	return mark(c, verb, text);
}

/*
 * The name of the log holds the time, a number, the process, the thread and the depth. A name longer than PATH
 * is cut.
 */
static void make_name(const struct cpm_context *c, char *path, size_t size)
{
	const time_t now = time(NULL);
	struct tm tm;
	char stamp[32];

	(void)gmtime_r(&now, &tm);
	(void)strftime(stamp, sizeof(stamp), "%Y%m%d_%H%M%S", &tm);
	(void)snprintf(path + strlen(path), size - strlen(path), "/%s_%u_%d_%d_%c_%d_PY%s.log",
		       stamp, contexts.ordinal, contexts.pid, (int)gettid(), kinds[c->kind].letter,
		       cpm_depth(c->kind), PY_VERSION);
}

/* Create a file in the current folder that was not there before. */
static int open_standard(const struct cpm_context *c, char *path, size_t size)
{
	int fd;

	do {
		if (getcwd(path, size - 128) == NULL)
			return -1;
		if (strcmp(path, "/") == 0)
			path[0] = '\0';
		make_name(c, path, size);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
		contexts.ordinal++;
	} while (fd < 0 && errno == EEXIST);
	return fd;
}

static int open_named(const struct cpm_context *c, char *path, size_t size)
{
	const char *name = PyBytes_AsString(c->filepath);
	size_t used = 0;

	if (name[0] != '/') {
		if (getcwd(path, size) == NULL)
			return -1;
		used = strlen(path);
		path[used++] = '/';
	}
	if (used + strlen(name) >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(path + used, name, strlen(name) + 1);
	contexts.ordinal++;
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size != 0) {
		const ssize_t done = write(fd, text, size);

		if (done < 0 && errno != EINTR)
			return -1;
		text += done < 0 ? 0 : done;
		size -= done < 0 ? 0 : (size_t)done;
	}
	return 0;
}

static int write_first(const struct cpm_context *c)
{
	Py_ssize_t size = 0;
	const char *text = c->message == NULL ? "" : PyUnicode_AsUTF8AndSize(c->message, &size);

	if (text == NULL)
		return -1;
	if (c->message == NULL)
		return 0;
	return write_all(c->fd, text, (size_t)size) < 0 || write_all(c->fd, "\n", 1) < 0 ? -1 : 0;
}

static int cannot_write(const struct cpm_context *c, const char *path, int error)
{
	PySys_FormatStderr("pymemtrace: %s: %s\n", path, strerror(error));
	PyErr_SetString(PyExc_RuntimeError, kinds[c->kind].unwritable);
	return -1;
}

static int open_text(struct cpm_context *c)
{
	char path[8192] = "";
	int error = 0;

	c->fd = c->filepath == NULL ? open_standard(c, path, sizeof(path))
				    : open_named(c, path, sizeof(path));
	if (c->fd < 0 || write_first(c) < 0)
		error = errno;
	if (error != 0) {
		if (c->fd >= 0)
			(void)close(c->fd);
		c->fd = -1;
		return PyErr_Occurred() != NULL ? -1 : cannot_write(c, path, error);
	}
	free(c->path);
	c->path = strdup(path);
	if (c->path != NULL)
		return 0;
	PyErr_NoMemory();
	return -1;
}

static void close_text(struct cpm_context *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

/* --- entering --- */

/* A context above this one takes over, and the log of this one says in which log the rest is. */
static int detach(struct cpm_context *c, const char *path)
{
	const char *space = c->kind == CPM_REFERENCES ? " " : "";
	const size_t room = strlen(path) + 128;
	char *text = malloc(room);
	int rc;

	if (text == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	(void)snprintf(text, room, "Detaching this %s file wrapper. New file:%s%s",
		       kinds[c->kind].title, space, path);
	rc = mark(c, "message", text);
	free(text);
	if (rc == 0 && !c->suspended)
		rc = mark(c, "pause", "");
	return rc;
}

static int reattach(struct cpm_context *c)
{
	char text[80];

	(void)snprintf(text, sizeof(text), "Re-attaching this %s file wrapper.",
		       kinds[c->kind].title);
	if (mark(c, "message", text) < 0)
		return -1;
	return c->suspended ? 0 : mark(c, "go_on", "");
}

static void push(struct cpm_context *c)
{
	Py_INCREF(c);
	c->below = contexts.top[c->kind];
	contexts.top[c->kind] = c;
	c->state = CPM_ENTERED;
}

/* Take C out of its stack, wherever it is. The reference of the stack is the caller's now. */
static void pop(struct cpm_context *c)
{
	struct cpm_context **at = &contexts.top[c->kind];

	while (*at != NULL && *at != c)
		at = &(*at)->below;
	if (*at == c)
		*at = c->below;
	c->below = NULL;
}

static int begin(struct cpm_context *c)
{
	struct cpm_context *below = contexts.top[c->kind];

	c->log = cpm_log_take(c->path, kinds[c->kind].words);
	if (c->log == NULL)
		return -1;
	c->log->keep |= c->keep;
	c->id = ++contexts.ids;
	if (below != NULL && detach(below, c->path) < 0)
		return -1;
	push(c);
	if (cpm_log_words(words_wanted()) == 0 && mark_clock(c, "begin") == 0)
		return 0;
	pop(c);
	Py_DECREF(c);
	return -1;
}

int cpm_enter(struct cpm_context *c)
{
	look_for_fork();
	if (c->state == CPM_LEAVING || cpm_is_entered(c)) {
		PyErr_SetString(PyExc_RuntimeError, "this context is entered already");
		return -1;
	}
	if (cpm_program() == NULL)
		return -1;
	c->pid = contexts.pid;
	c->suspended = 0;
	if (open_text(c) < 0)
		return -1;
	if (begin(c) == 0)
		return 0;
	cpm_log_release(c->log);
	c->log = NULL;
	close_text(c);
	(void)unlink(c->path);
	return -1;
}

/* --- leaving --- */

static int any_left(const struct cpm_log *log)
{
	for (int kind = 0; kind < CPM_KINDS; kind++)
		for (struct cpm_context *c = contexts.top[kind]; c != NULL; c = c->below)
			if (c->log == log)
				return 1;
	return 0;
}

/* What was collected is part of the log: garbage that the context left behind. */
static void collect(const struct cpm_context *c)
{
	PyObject *done;

	if (c->kind != CPM_REFERENCES || c->collect < 0)
		return;
	done = PyObject_CallFunction(contexts.collect, "i", c->collect);
	if (done == NULL)
		PyErr_WriteUnraisable((PyObject *)(uintptr_t)c);
	Py_XDECREF(done);
}

/* Out of the binary log, and the one below back into its place. */
static int end(struct cpm_context *c)
{
	struct cpm_context *below = contexts.top[c->kind] == c ? c->below : NULL;
	int rc = mark_clock(c, "end");

	pop(c);
	if (rc == 0 && below != NULL)
		rc = reattach(below);
	if (cpm_log_words(words_wanted()) < 0)
		rc = -1;
	return rc;
}

/* An exception of ours is said on stderr when another one is on its way. */
static int say(int rc, int quiet)
{
	if (rc < 0 && quiet) {
		PyErr_WriteUnraisable(NULL);
		return 0;
	}
	return rc;
}

int cpm_leave(struct cpm_context *c, int quiet)
{
	struct cpm_log *log = c->log;
	int in_order, rc;

	collect(c);
	if (!cpm_is_entered(c)) /* left by what was collected */
		return 0;
	in_order = contexts.top[c->kind] == c;
	c->state = CPM_LEAVING;
	rc = end(c);
	if (!any_left(log))
		cpm_log_close(log);
	if (rc == 0)
		rc = cpm_read(c, log, 0, c->fd);
	close_text(c);
	c->log = NULL;
	c->state = CPM_LEFT;
	cpm_log_release(log);
	rc = say(rc, quiet);
	if (rc == 0 && !in_order && !quiet) {
		PyErr_SetString(
			PyExc_RuntimeError,
			"this context was left before one that was entered after it; both logs are complete");
		rc = -1;
	}
	Py_DECREF(c);
	return rc;
}

void cpm_leave_all(void)
{
	struct cpm_context *last;

	do {
		last = NULL;
		for (int kind = 0; kind < CPM_KINDS; kind++)
			if (cpm_top(kind) != NULL &&
			    (last == NULL || contexts.top[kind]->id > last->id))
				last = contexts.top[kind];
		if (last != NULL)
			(void)cpm_leave(last, 1);
	} while (last != NULL);
}

/* --- in between --- */

int cpm_message(struct cpm_context *c, const char *text)
{
	return mark(c, "message", text);
}

int cpm_line(struct cpm_context *c, const char *text)
{
	return mark(c, "line", text);
}

int cpm_suspend(struct cpm_context *c, int suspended)
{
	if (c->suspended == suspended || contexts.top[c->kind] != c) {
		PyErr_Format(PyExc_RuntimeError, "%s() out of order: %s",
			     suspended ? "suspend" : "resume",
			     contexts.top[c->kind] != c ? "this is not the innermost context"
			     : suspended		? "it is suspended already"
							: "it is not suspended");
		return -1;
	}
	if (suspended && mark(c, "message", "Suspending reference tracing.") < 0)
		return -1;
	c->suspended = suspended;
	if (mark(c, suspended ? "pause" : "go_on", "") < 0)
		return -1;
	return suspended ? 0 : mark(c, "message", "Resuming reference tracing.");
}

void cpm_fini(struct cpm_context *c)
{
	Py_XDECREF(c->message);
	Py_XDECREF(c->filepath);
	Py_XDECREF(c->include);
	Py_XDECREF(c->exclude);
	free(c->path);
	if (c->fd >= 0 && c->pid == (int)getpid())
		close_text(c);
}
