/* SPDX-License-Identifier: MIT */
/* The start of the tracer, before the program runs or with a late interpreter. */
#include "process.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "control.h"
#include "environment.h"
#include "logfile.h"
#include "nothing.h"
#include "options.h"
#include "parent_log.h"
#include "preload.h"
#include "process_log.h"
#include "pymem.h"
#include "python.h"
#include "real.h"
#include "say.h"
#include "settings.h"
#include "sys.h"
#include "tracing.h"

static int read_options(void)
{
	if (settings_read_first(&tracing_shared.options) != 0)
		return -1;
	say_set_verbosity(tracing_shared.options.verbosity);
	return 0;
}

/* Trace programs that are not Python? Asked before the options are checked: those stay silent. */
static int wants_any_program(void)
{
	const char *value = getenv(PMT_OPTION_PREFIX "NON_PYTHON");

	return value != NULL &&
	       (strcmp(value, "on") == 0 || strcmp(value, "1") == 0 || strcmp(value, "yes") == 0);
}

static int interpreter_here(void)
{
	int found = python_find(RTLD_DEFAULT);

	/* A look-up that failed left a message for the program's next dlerror(). */
	(void)dlerror();
	(void)dlerror();
	return found;
}

void process_watch(void)
{
	if (process.watched)
		return;
	process.watched = 1;
	(void)pthread_atfork(NULL, NULL, process_in_child);
	(void)at_quick_exit(process_exit_now);
}

static void start_tracing(unsigned flags)
{
	process.options_good = 1;
	process.malloc_sound = 1;
	if (!tracing_shared.options.follow)
		preload_leave_children_alone();
	process_watch();
	if (process_open_log(flags) != 0) {
		process_become_inert();
		return;
	}
	preload_check_heap();
	if (python.found && tracing_wants(PMT_TRACED_PYMEM) && pymem_start() != 0)
		say_problem("this Python's allocators cannot be traced: ", python.text, NULL);
	if (python.found)
		(void)audit_start();
}

static int is_to_be_traced(void)
{
	const char *verbosity = getenv(PMT_OPTION_PREFIX "VERBOSITY");

	/* The options are read only where there is an interpreter. */
	if (verbosity != NULL && strcmp(verbosity, "3") == 0)
		say_set_verbosity(3);
	if (!interpreter_here() && !wants_any_program()) {
		say_decision("not traced: this program has no Python interpreter", NULL, NULL);
		if (!tracing_shared.late)
			nothing_start();
		return 0;
	}
	if (tracing_shared.late)
		say_decision(
			"not traced until the program begins it: the library was not preloaded",
			NULL, NULL);
	return !tracing_shared.late;
}

/* Whether or not tracing begins now. */
static void look_around(void)
{
	environment_read_run();
	if (tracing_shared.options.follow)
		parent_log_find(process.parent_log, sizeof(process.parent_log));
}

/* Is tracing to begin only when it is asked for? */
static int stay_dormant(void)
{
	if (python.found)
		control_start((int)tracing_shared.options.signal);
	if (tracing_shared.options.start)
		return 0;
	process.options_good = 1;
	say_decision("not traced until the program or a signal begins it (PYMEMTRACE_START=off)",
		     NULL, NULL);
	atomic_store(&tracing_shared.mode, TRACING_INERT);
	return 1;
}

void process_start(void)
{
	int expected = TRACING_UNSTARTED;

	/* Before the C library has set itself up there is no environment yet. */
	if (environ == NULL ||
	    !atomic_compare_exchange_strong(&tracing_shared.mode, &expected, TRACING_STARTING))
		return;
	real_look_up_all();
	say_init();
	tracing_shared.late = !preload_is_ours();
	if (!is_to_be_traced() || read_options() != 0) {
		atomic_store(&tracing_shared.mode, TRACING_INERT);
		return;
	}
	if (tracing_shared.options.follow)
		environment_hand_on_output(tracing_shared.options.output);
	look_around();
	if (stay_dormant())
		return;
	start_tracing(0);
}

void real_start_tracer(void)
{
	process_start();
}

void process_interpreter_loaded(void *handle)
{
	int expected = TRACING_INERT;
	struct link_map *map;

	if (process.options_good || tracing_shared.late || !python_find(handle))
		return;
	/* We keep addresses in it, so it stays, even if the program closes it. */
	if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 ||
	    real.dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE) == NULL)
		return;
	if (!atomic_compare_exchange_strong(&tracing_shared.mode, &expected, TRACING_STARTING))
		return;
	if (read_options() != 0) {
		process.options_good = 1; /* said once */
		atomic_store(&tracing_shared.mode, TRACING_INERT);
		return;
	}
	look_around();
	if (stay_dormant())
		return;
	start_tracing(1U << PMT_FLAG_LATE);
}

__attribute__((constructor)) static void loaded(void)
{
	process_start();
}
