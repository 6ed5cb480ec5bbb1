/* SPDX-License-Identifier: MIT */
/* The order in which all floors are opened, forgotten and closed. */
#include "process_log.h"

#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "census.h"
#include "environment.h"
#include "events.h"
#include "folding.h"
#include "logfile.h"
#include "names.h"
#include "objects.h"
#include "order.h"
#include "owner.h"
#include "process.h"
#include "process_header.h"
#include "process_tell.h"
#include "python.h"
#include "real.h"
#include "recycle.h"
#include "rss.h"
#include "sampler.h"
#include "say.h"
#include "stack.h"
#include "sys.h"
#include "thread.h"
#include "trace.h"
#include "tracing.h"
#include "typeinfo.h"
#include "types.h"

struct process_state process;

/* What the floors above core/ do where a thread begins and ends. */
static const struct thread_duties duties = {
	.start_child = process_start_child,
	.renew = rss_thread,
	.flush = fold_flush,
	.open = fold_open,
	.close = fold_close,
};

static int under_valgrind(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded != NULL && strstr(preloaded, "/vgpreload_core") != NULL;
}

/* How the sampler works. The interval 0 means that there is no thread, whatever is traced. */
static unsigned sampler_way(void)
{
	return (under_valgrind() ? SAMPLER_NO_THREAD : 0) |
	       (tracing_wants_events() && tracing_shared.options.rss_interval != 0 ? SAMPLER_TICKS
										   : 0);
}

static unsigned start_rss(void)
{
	return rss_start((unsigned)tracing_options()->rss);
}

static const void *malloc_function(void)
{
	const void *function;

	memcpy(&function, &real.malloc, sizeof(function));
	return function;
}

/*
 * Whoever gave the name would look for the log there. Children go to other names as a rule, and
 * `run` has seen to it that the name was free.
 */
static void say_other_name(void)
{
	const int first = !process.had_log;

	process.had_log = 1;
	if (!first || !logfile_is_renamed() || tracing_shared.late ||
	    process.parent_log[0] != '\0' || environment_run()[0] != '\0')
		return;
	say_problem("there is a file of the log's name already; this log is ", logfile_path(),
		    NULL);
}

int process_open_log(unsigned flags)
{
	const char *rss_mode = NULL;
	struct pmt_header *h;

	logfile_reuse_by(recycle_chunk);
	h = logfile_create(tracing_options());
	if (h == NULL)
		return -1;
	say_other_name();
	process.exec_pending = 0;
	process.rss_started = tracing_shared.options.trace >> PMT_TRACED_CALLS != 0;
	if (process.rss_started)
		rss_mode = pmt_name("RSS", start_rss());
	process_fill_header(h, flags, process.parent_log, rss_mode);
	if (tracing_own() != 0 || threads_init(&duties) != 0)
		return -1;
	tracing_shared.traced = tracing_shared.options.trace;
	fold_init(tracing_shared.options.fold ? tracing_shared.options.fold_window : 0);
	if (stack_init(tracing_shared.options.stack_depth) != 0 ||
	    (python.found && !python.walkable)) {
		say_problem("this Python's frames are not understood, no Python stacks: ",
			    python.text, NULL);
		logfile_flag(PMT_FLAG_NO_STACKS);
	}
	events_start();
	owner_start();
	account_start(tracing_shared.options.trace >> PMT_TRACED_RSS & 1, malloc_function());
	tracing_shared.types = tracing_shared.options.types && tracing_wants(PMT_TRACED_PYMEM) &&
			       python.found && typeinfo_start() == 0;
	if (python.free_threaded)
		types_several();
	census_start(tracing_shared.options.census);
	process_tell_log(rss_mode, sampler_way());
	sampler_start(process_rss_interval_ns(), sampler_way());
	atomic_store_explicit(&tracing_shared.mode, TRACING_ON, memory_order_release);
	return 0;
}

void process_forget_log(int same_process)
{
	logfile_forget(same_process);
	recycle_reset();
	writer_reset();
	order_reset();
	rss_reset();
	stack_reset();
	objects_reset();
	sampler_reset();
	account_reset();
	census_reset();
}

void process_close_log(int ask, int others)
{
	int nested, all_ended = 0;
	uint64_t now;

	if (!tracing_is_own_surely())
		return;
	trace_life(PMT_LIFE_EXIT, 0);
	/*
	 * _exit() is for signal handlers too: in one that interrupted the tracer nothing is sealed.
	 * What is committed is in the log all the same.
	 */
	nested = atomic_load_explicit(&thread_self->state, memory_order_relaxed) == THREAD_BUSY;
	if (!nested)
		sampler_finish(ask && process.malloc_sound);
	now = sys_clock_ns(CLOCK_MONOTONIC);
	atomic_store_explicit(&tracing_shared.mode, TRACING_CLOSED, memory_order_release);
	if (!nested) {
		if (others) {
			(void)threads_halt();
			threads_retire();
		} else {
			all_ended = threads_finish();
		}
		stack_finish();
	}
	recycle_finish();
	if (all_ended)
		logfile_shorten();
	logfile_close(PMT_STATE_CLOSED, now);
	process_tell_close();
}

void process_become_inert(void)
{
	tracing_shared.traced = 0;
	tracing_shared.types = 0;
	atomic_store(&tracing_shared.mode, TRACING_INERT);
}
