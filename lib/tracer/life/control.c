/* SPDX-License-Identifier: MIT */
/* What a program can ask of the tracer while it runs: the functions of pymemtrace.h, and a signal.
 */
#include "control.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "arena.h"
#include "event.h"
#include "events.h"
#include "logfile.h"
#include "order.h"
#include "process.h"
#include "pymemtrace.h"
#include "python.h"
#include "real.h"
#include "say.h"
#include "tracing.h"
#include "trace.h"

/* Settings are copied: the options point to them as long as the log is written. */
#define SETTINGS_BYTES 65536
#define SETTINGS_MAX 64
#define MARK_MAX 4096

static struct {
	struct text problem;
	char *room; /* SETTINGS_BYTES */
	size_t used;
	int (*add_call)(int (*function)(void *), void *argument); /* of the interpreter */
} control;

static int refuse_call(const char *why)
{
	control.problem.used = 0;
	text_add(&control.problem, why);
	return -1;
}

static int is_attached(void)
{
	return python.found && python.walkable && python.current() != NULL;
}

/* TEXT if it was kept before: a program may set the same things again and again. */
static char *find_kept(const char *text)
{
	for (size_t at = 0; at < control.used; at += strlen(control.room + at) + 1)
		if (strcmp(control.room + at, text) == 0)
			return control.room + at;
	return NULL;
}

/* A copy of TEXT that stays, or NULL when there is no room. */
static const char *keep_text(const char *text)
{
	const size_t size = strlen(text) + 1;
	char *copy = find_kept(text);

	if (copy != NULL)
		return copy;

	if (control.room == NULL)
		control.room = arena_pages(SETTINGS_BYTES, 0);
	if (control.room == NULL || size > SETTINGS_BYTES - control.used)
		return NULL;
	copy = control.room + control.used;
	memcpy(copy, text, size);
	control.used += size;
	return copy;
}

PMT_EXPORT int pymemtrace_start(const char *const *settings)
{
	const char *kept[SETTINGS_MAX + 1] = {NULL};
	size_t count = 0;

	if (!is_attached())
		return refuse_call(
			"the caller does not hold the lock of a Python that is understood");
	if (tracing_is_on())
		return refuse_call("this process is traced already");
	control.used = 0;
	for (; settings != NULL && settings[count] != NULL; count++) {
		kept[count] = count < SETTINGS_MAX ? keep_text(settings[count]) : NULL;
		if (kept[count] == NULL)
			return refuse_call("the options are too long");
	}
	control.problem.used = 0;
	return process_begin(kept, &control.problem);
}

PMT_EXPORT int pymemtrace_stop(void)
{
	if (!is_attached() || !tracing_is_own())
		return refuse_call("this process is not traced");
	process_end();
	return 0;
}

PMT_EXPORT int pymemtrace_set(const char *setting)
{
	if (!is_attached() || !tracing_is_own())
		return refuse_call("this process is not traced");
	control.problem.used = 0;
	return process_change(setting, &control.problem);
}

static int suspend_log(int suspended)
{
	if (!is_attached() || !tracing_is_own())
		return refuse_call("this process is not traced");
	if (suspended)
		events_notice(PMT_NOTICE_TOLD, "suspended");
	process_suspend(suspended);
	if (!suspended)
		events_notice(PMT_NOTICE_TOLD, "resumed");
	return 0;
}

PMT_EXPORT int pymemtrace_suspend(void)
{
	return suspend_log(1);
}

PMT_EXPORT int pymemtrace_resume(void)
{
	return suspend_log(0);
}

/*
 * Reports can be about the moment of a mark. Those of contexts are about their events only, and
 * there may be many.
 */
static int is_asked_for(const char *text)
{
	return text != NULL && strncmp(text, PMT_MARK_OF_CONTEXT, strlen(PMT_MARK_OF_CONTEXT)) != 0;
}

PMT_EXPORT int pymemtrace_mark(const char *text)
{
	const size_t size = text == NULL ? 0 : strnlen(text, MARK_MAX + 1);
	struct thread *t = size > MARK_MAX ? NULL : event_begin();
	struct pmt_mark r = {{(const uint8_t *)text, (uint32_t)size}};

	if (t == NULL)
		return refuse_call(size > MARK_MAX ? "the text is too long"
						   : "nothing is recorded at present");
	if ((is_asked_for(text) && trace_moment(t) != 0) ||
	    writer_room(&t->writer, EVENT_ROOM + size) != 0) {
		thread_stop(t);
		return refuse_call("the log cannot grow");
	}
	order_pass(t, ORDER_MAPPINGS);
	pmt_put_mark(&t->writer.enc, 0, &r);
	event_end(t);
	return 0;
}

PMT_EXPORT int pymemtrace_is_active(void)
{
	if (!tracing_is_own())
		return PYMEMTRACE_OFF;
	return tracing_is_suspended() ? PYMEMTRACE_SUSPENDED : PYMEMTRACE_ACTIVE;
}

PMT_EXPORT const char *pymemtrace_log_path(void)
{
	return logfile_header() == NULL ? "" : logfile_path();
}

PMT_EXPORT unsigned long long pymemtrace_traced(void)
{
	return tracing_is_own() ? tracing_shared.traced : 0;
}

PMT_EXPORT const char *pymemtrace_problem(void)
{
	return control.problem.used == 0 ? "" : control.problem.data;
}

/* In the main thread, between two instructions of the program. */
static int toggle_log(void *unused)
{
	(void)unused;
	if (tracing_is_own())
		process_end();
	else if (pymemtrace_start(NULL) != 0)
		say_problem("cannot begin to trace: ", pymemtrace_problem(), NULL);
	return 0;
}

static void on_signal(int signal)
{
	const int error = errno;

	(void)signal;
	(void)control.add_call(toggle_log, NULL);
	errno = error;
}

void control_start(int signal)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	void *symbol = signal == 0 ? NULL : dlsym(python.scope, "Py_AddPendingCall");

	if (symbol == NULL)
		return;
	memcpy(&control.add_call, &symbol, sizeof(symbol));
	if (sigaction(signal, &action, NULL) != 0)
		say_problem("this signal cannot be had for tracing: ", strerror(errno), NULL);
}
