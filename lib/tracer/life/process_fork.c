/* SPDX-License-Identifier: MIT */
/* Forks: the parent notes the child, the child starts a log of its own. */
#include "process.h"

#include <string.h>

#include "arena.h"
#include "logfile.h"
#include "names.h"
#include "process_log.h"
#include "sampler.h"
#include "say.h"
#include "thread.h"
#include "trace.h"
#include "tracing.h"

void process_in_child(void)
{
	if (!tracing_was_owned())
		return;
	tracing_disown();
	process.by_handlers = 1;
	threads_leave();
}

void process_start_child(void)
{
	char parent[sizeof(process.parent_log)];

	atomic_store(&tracing_shared.mode, TRACING_STARTING);
	memcpy(parent, logfile_path(), strlen(logfile_path()) + 1);
	memcpy(process.parent_log, parent, sizeof(parent));
	process_forget_log(0);
	threads_reset();
	arena_reset();
	process.malloc_sound = process.by_handlers;
	process.by_handlers = 0;
	if (!tracing_shared.options.follow) {
		say_decision("this forked child is not traced (PYMEMTRACE_FOLLOW=off)", NULL, NULL);
		process_become_inert();
		return;
	}
	say_decision("this is a forked child of the process that writes ", process.parent_log,
		     NULL);
	if (process_open_log(1U << PMT_FLAG_FORKED) != 0)
		process_become_inert();
}

void process_forked(int child)
{
	sampler_resume(SAMPLER_SHORTLY);
	trace_life(PMT_LIFE_FORK, (uint64_t)child);
}
