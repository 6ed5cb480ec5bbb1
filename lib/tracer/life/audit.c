/* SPDX-License-Identifier: MIT */
/* The audit hook of the interpreter. */
#include "audit.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "census.h"
#include "dying.h"
#include "ending.h"
#include "events.h"
#include "names.h"
#include "objects.h"
#include "process.h"
#include "pymem.h"
#include "python.h"
#include "pythreads.h"
#include "sampler.h"
#include "trace.h"
#include "tracing.h"
#include "types.h"

/*
 * The interpreter allocates an entry for the hook now, with the raw allocator as it is, and frees
 * it with the raw allocator as it is in the end. Under PYTHONMALLOC=debug or -X dev these are two,
 * and from 3.11 on the second aborts the process over a block that it did not make. So the entry is
 * caught when it is made, and given back to where it came from.
 */
static struct {
	int started;
	int registered;
	int ended;		      /* the interpreter has, once at least */
	_Atomic int cleared;	      /* and it has dropped the hook */
	struct pymem_allocator first; /* what the entry was made with */
	void *entry;
	struct pymem_allocator last; /* the raw allocator in the end */
} audit;

/* Set while this thread registers the hook. */
static __thread int catching __attribute__((tls_model("initial-exec")));

static void *catch_malloc(void *ctx, size_t size)
{
	void *block = audit.first.malloc(ctx, size);

	if (catching)
		audit.entry = block;
	return block;
}

static void *last_malloc(void *ctx, size_t size)
{
	(void)ctx;
	return audit.last.malloc(audit.last.ctx, size);
}

static void *last_calloc(void *ctx, size_t count, size_t size)
{
	(void)ctx;
	return audit.last.calloc(audit.last.ctx, count, size);
}

static void *last_realloc(void *ctx, void *block, size_t size)
{
	(void)ctx;
	return audit.last.realloc(audit.last.ctx, block, size);
}

static void last_free(void *ctx, void *block)
{
	(void)ctx;
	if (block != NULL && block == audit.entry) {
		audit.entry = NULL;
		/* The interpreter's own wrappers (tracemalloc) may have ended: theirs stays. */
		if (audit.first.ctx == NULL)
			audit.first.free(audit.first.ctx, block);
		return;
	}
	audit.last.free(audit.last.ctx, block);
}

/* This is the last audit event: the interpreter frees the entries of all hooks next. */
static void at_end(void)
{
	struct pymem_allocator ours = {NULL, last_malloc, last_calloc, last_realloc, last_free};

	if (tracing_is_own()) {
		events_flush();
		pythreads_flush_all();
		if (!audit.ended)
			trace_life(PMT_LIFE_PYTHON_END, 0);
	}
	events_python_ended();
	audit.ended = 1;
	atomic_store(&audit.cleared, 1);
	if (audit.entry == NULL)
		return;
	python.get_allocator(PYMEM_RAW, &audit.last);
	if (audit.last.malloc != audit.first.malloc || audit.last.ctx != audit.first.ctx)
		python.set_allocator(PYMEM_RAW, &ours);
}

/*
 * Where CPython counts threads around a fork and warns of several: how long to keep still, 0 if
 * EVENT leads to no fork: os.fork() runs the program's own functions first, and is over when our
 * hook of fork() says so.
 */
static uint64_t quiet_ns(const char *event)
{
	if (strcmp(event, "os.fork") == 0 || strcmp(event, "os.forkpty") == 0)
		return 10000000000ULL;
	return strcmp(event, "subprocess.Popen") == 0 ? 1000000000ULL : 0;
}

static void on_cpython_event(const char *event)
{
	if (strncmp(event, "run_", 4) == 0 && python.is_initialized()) {
		if (tracing_wants(PMT_TRACED_PYMEM))
			pymem_check();
		python_check_compiler();
		if (tracing_wants_types())
			dying_arm();
		pythreads_start();
		trace_life(PMT_LIFE_PYTHON_START, 0);
	}
	/* From 3.12 on another interpreter may have a lock of its own. */
	if (strcmp(event, "PyInterpreterState_New") == 0 && python.is_initialized())
		types_several();
}

/* The program has ended, and its objects are still there. */
static void at_program_end(void)
{
	objects_at_end();
	census_at_end();
	if (tracing_is_own())
		trace_program_end();
}

/* Runs for every audit event, in every thread; must not run Python code. */
static int on_event(const char *event, void *args, void *data)
{
	(void)args;
	(void)data;
	/* Also in a child without a log: the interpreter would abort over our entry there too. */
	if (strcmp(event, "cpython._PySys_ClearAuditHooks") == 0)
		at_end();
	if (!tracing_is_own())
		return 0;
	process_still_here();
	pythreads_flush();
	if (!audit.started) {
		audit.started = 1;
		if (tracing_wants(PMT_TRACED_PYMEM))
			pymem_check();
	}
	ending_arm(at_program_end);
	if (tracing_wants_events())
		events_at_audit(event);
	/*
	 * This comes after the events above, because the objects that their installation makes are
	 * not the program's.
	 */
	if (tracing_wants(PMT_TRACED_OBJECTS))
		objects_check();
	if (event[0] == 'c' && strncmp(event, "cpython.", 8) == 0)
		on_cpython_event(event + 8);
	else if ((event[0] == 'o' || event[0] == 's') && python.known->counts_threads_at_fork &&
		 quiet_ns(event) != 0)
		sampler_pause(quiet_ns(event));
	else if (event[0] == 'o' && strcmp(event, "os.exec") == 0)
		process_before_exec();
	return 0;
}

/* The interpreter has dropped our hook with all others; the next one of this process wants it. */
void audit_again(void)
{
	int cleared = 1;

	if (!atomic_load_explicit(&audit.cleared, memory_order_relaxed) ||
	    python.of_this_thread() == NULL ||
	    !atomic_compare_exchange_strong(&audit.cleared, &cleared, 0))
		return;
	audit.registered = 0;
	(void)audit_start();
}

int audit_start(void)
{
	struct pymem_allocator catcher;
	int rc;

	if (python.add_audit_hook == NULL || python.get_allocator == NULL)
		return -1;
	if (audit.registered)
		return 0;
	catching = 1;
	python.get_allocator(PYMEM_RAW, &audit.first);
	/* Other threads may be calling the raw allocator: its other functions keep their context.
	 */
	catcher = audit.first;
	catcher.malloc = catch_malloc;
	python.set_allocator(PYMEM_RAW, &catcher);
	rc = python.add_audit_hook(on_event, NULL);
	python.set_allocator(PYMEM_RAW, &audit.first);
	catching = 0;
	audit.registered = rc == 0;
	return rc;
}
