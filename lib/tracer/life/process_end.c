/* SPDX-License-Identifier: MIT */
/* The end of tracing: the process exits, runs another program, or enters a sandbox. */
#include "process.h"

#include "account.h"
#include "census.h"
#include "dying.h"
#include "logfile.h"
#include "names.h"
#include "nothing.h"
#include "process_log.h"
#include "say.h"
#include "sys.h"
#include "trace.h"
#include "tracing.h"

void process_before_exec(void)
{
	/* A child of vfork() shares our memory, but is another process. */
	if (!tracing_is_own_surely() || process.exec_pending ||
	    logfile_header()->live.state != PMT_STATE_OPEN)
		return;
	say_decision("another program is about to run in this process: the log ends here", NULL,
		     NULL);
	(void)census_take(PMT_MOMENT_EXEC, "");
	trace_life(PMT_LIFE_EXEC, 0);
	process.exec_pending = 1;
	logfile_header()->live.end_ns = sys_clock_ns(CLOCK_MONOTONIC_COARSE);
	logfile_header()->live.state = PMT_STATE_EXECED;
}

void process_still_here(void)
{
	if (!process.exec_pending || sys_getpid() != tracing_shared.pid)
		return;
	process.exec_pending = 0;
	say_decision("no other program runs in this process after all: the log goes on", NULL,
		     NULL);
	if (logfile_header()->live.state == PMT_STATE_EXECED) {
		logfile_header()->live.end_ns = 0;
		logfile_header()->live.state = PMT_STATE_OPEN;
	}
}

void process_stop(unsigned reason)
{
	if (!tracing_is_own_surely())
		return;
	dying_disarm();
	logfile_stop(reason);
	process_close_log(0, 0);
}

static void end_log(int malloc_sound)
{
	/* A child of vfork() has its parent's objects. */
	if (tracing_is_own_surely())
		census_at_end();
	process_close_log(malloc_sound, 0);
	nothing_end();
}

void process_exit_now(void)
{
	end_log(0);
}

/*
 * A signal handler may call _exit() where the thread has malloc's lock. os._exit() comes from the
 * interpreter's own code, which no handler runs.
 */
void process_exit_from(const void *caller)
{
	end_log(tracing_is_own() && account_is_python(caller));
}

__attribute__((destructor)) static void unloaded(void)
{
	end_log(1);
}
