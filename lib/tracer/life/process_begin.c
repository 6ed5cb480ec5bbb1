/* SPDX-License-Identifier: MIT */
/* Logs that are begun, changed and ended while the program runs. */
#include "process.h"

#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "census.h"
#include "events.h"
#include "logfile.h"
#include "names.h"
#include "objects.h"
#include "options.h"
#include "process_log.h"
#include "pyfrees.h"
#include "pymem.h"
#include "python.h"
#include "rss.h"
#include "say.h"
#include "settings.h"
#include "thread.h"
#include "tracing.h"

/*
 * Only a preloaded library sees malloc and mmap. Without preloading they are dropped from the
 * default words of TRACE, and refused where the caller asked for them.
 */
static int check_words(int asked, struct text *problem)
{
	const uint64_t hooked = 1ULL << PMT_TRACED_MALLOC | 1ULL << PMT_TRACED_MMAP;

	if (!tracing_shared.late)
		return 0;
	if (asked && (tracing_shared.options.trace & hooked) != 0) {
		text_add(
			problem,
			"malloc and mmap are traced only if the library is preloaded (LD_PRELOAD)");
		return -1;
	}
	tracing_shared.options.trace &= ~hooked;
	return 0;
}

static int set_options(const char *const *settings, struct text *problem)
{
	int asked = getenv(PMT_OPTION_PREFIX "TRACE") != NULL;

	if (settings_read(&tracing_shared.options) != 0) {
		text_add(problem, "an option in the environment is not allowed");
		return -1;
	}
	for (; settings != NULL && *settings != NULL; settings++) {
		if (settings_set(&tracing_shared.options, *settings, problem) != 0)
			return -1;
		asked |= strncmp(*settings, "TRACE=", 6) == 0;
	}
	return check_words(asked, problem);
}

/* Hooks tell of them in a process that the library was preloaded into. */
static void hear_frees(void)
{
	if (tracing_shared.late && process.rss_started)
		pyfrees_start();
}

int process_begin(const char *const *settings, struct text *problem)
{
	const int mode = atomic_load(&tracing_shared.mode);

	if (mode != TRACING_INERT && mode != TRACING_CLOSED) {
		text_add(problem, "this process is traced already");
		return -1;
	}
	if (!python.walkable || python.current() == NULL) {
		text_add(problem, "no Python interpreter that is understood is at work here");
		return -1;
	}
	if (set_options(settings, problem) != 0)
		return -1;
	say_set_verbosity(tracing_shared.options.verbosity);
	process.options_good = 1;
	process.malloc_sound = 1;
	settings_make_output_absolute(&tracing_shared.options);
	process_watch();
	if (mode == TRACING_CLOSED) {
		process_forget_log(1);
		threads_renew();
	}
	atomic_store(&tracing_shared.suspended, 0);
	if (process_open_log(1U << PMT_FLAG_LATE) != 0) {
		process_become_inert();
		text_add(problem, "the log cannot be written");
		return -1;
	}
	hear_frees();
	if (tracing_wants(PMT_TRACED_PYMEM))
		pymem_check();
	(void)audit_start();
	objects_check();
	events_begin();
	return 0;
}

void process_end(void)
{
	if (!tracing_is_own_surely())
		return;
	events_end();
	objects_end();
	census_at_end();
	process_close_log(1, 1);
	pyfrees_stop();
	logfile_let_go();
}

int process_change(const char *setting, struct text *problem)
{
	const uint64_t events = ~0ULL << PMT_TRACED_CALLS;
	struct pmt_options changed = *tracing_options();

	if (settings_set(&changed, setting, problem) != 0)
		return -1;
	/* Only the words for events can change: the others are decided when the log begins. */
	tracing_shared.options.trace =
		(tracing_shared.options.trace & ~events) | (changed.trace & events);
	tracing_shared.options.rss_trigger = changed.rss_trigger;
	tracing_shared.options.call_depth = changed.call_depth;
	tracing_shared.options.lines = changed.lines;
	/* Off again, the ends of such objects would be missing. */
	if (changed.builtin_types && !tracing_shared.options.builtin_types) {
		tracing_shared.options.builtin_types = changed.builtin_types;
		objects_look_again();
	}
	if (!process.rss_started && (tracing_shared.options.trace & events) != 0) {
		process.rss_started = 1;
		(void)rss_start((unsigned)tracing_shared.options.rss);
		hear_frees();
	}
	tracing_shared.traced = tracing_shared.options.trace;
	events_change();
	objects_check();
	return 0;
}

void process_suspend(int suspended)
{
	atomic_store(&tracing_shared.suspended, suspended);
	if (suspended)
		(void)threads_halt();
}
