/* SPDX-License-Identifier: MIT */
/* Start-up, fork and end of the tracer: the one file that knows their order. */
#include "process.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "account.h"
#include "arena.h"
#include "audit.h"
#include "census.h"
#include "clock.h"
#include "code.h"
#include "control.h"
#include "events.h"
#include "folding.h"
#include "logfile.h"
#include "names.h"
#include "objects.h"
#include "options.h"
#include "order.h"
#include "preload.h"
#include "pymem.h"
#include "python.h"
#include "real.h"
#include "rss.h"
#include "sampler.h"
#include "say.h"
#include "settings.h"
#include "stack.h"
#include "sys.h"
#include "thread.h"
#include "trace.h"
#include "typeinfo.h"
#include "types.h"

struct process_shared process_shared;

static struct {
	struct pmt_options options;
	int pid;
	_Atomic int *alive; /* 1; a forked child sees 0 here */
	int options_good;
	int exec_pending;
	int watched;
	int rss_started;  /* for events of this log */
	int loaded_late;  /* not preloaded: the program's own calls do not come by us */
	int by_handlers;  /* this child was forked by the C library, which put its locks in order */
	int malloc_sound; /* no lock of malloc's can belong to a thread that is not here */
	char parent_log[4096];
	struct text output; /* the name template, absolute */
} process;

const struct pmt_options *process_options(void)
{
	return &process.options;
}

int process_is_late(void)
{
	return process.loaded_late;
}

uint64_t process_coarse_now(void)
{
	struct timespec ts;
	uint64_t now;

	/* The C library's version needs no system call. It cannot fail, so errno stays. */
	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
	if (!process_traced())
		return now;
	now = sampler_poll(now);
	/* A sampler that began meanwhile may have published a later time. */
	return clock_tick() != 0 ? clock_tick() : now;
}

static int read_options(void)
{
	if (settings_read(&process.options) != 0)
		return -1;
	say_set_verbosity(process.options.verbosity);
	return 0;
}

/* Trace programs that are not Python? Asked before the options are checked: those stay silent. */
static int wants_any_program(void)
{
	const char *value = getenv(PMT_OPTION_PREFIX "NON_PYTHON");

	return value != NULL &&
	       (strcmp(value, "on") == 0 || strcmp(value, "1") == 0 || strcmp(value, "yes") == 0);
}

static void put_file_text(struct pmt_header *h, unsigned key, const char *path)
{
	char data[2048];
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	long size;

	if (fd < 0)
		return;
	size = sys_pread((int)fd, data, sizeof(data), 0);
	(void)sys_close((int)fd);
	if (size > 0)
		(void)pmt_header_put_text(h, key, data, (size_t)size);
}

static void put_texts(struct pmt_header *h)
{
	struct text t = {.used = 0};
	struct utsname name;
	char exe[1024];
	long size = sys_readlink("/proc/self/exe", exe, sizeof(exe));

	(void)pmt_header_put_text(h, PMT_TEXT_TRACER, PMT_VERSION, strlen(PMT_VERSION));
	if (python.found)
		(void)pmt_header_put_text(h, PMT_TEXT_PYTHON, python.text, strlen(python.text));
	if (size > 0)
		(void)pmt_header_put_text(h, PMT_TEXT_EXECUTABLE, exe, (size_t)size);
	if (process.parent_log[0] != '\0')
		(void)pmt_header_put_text(h, PMT_TEXT_PARENT_LOG, process.parent_log,
					  strlen(process.parent_log));
	if (SYS1(SYS_uname, &name) == 0) {
		text_add(&t, name.sysname);
		text_add(&t, " ");
		text_add(&t, name.release);
		text_add(&t, " ");
		text_add(&t, name.machine);
		(void)pmt_header_put_text(h, PMT_TEXT_SYSTEM, t.data, t.used);
	}
	t.used = 0;
	for (const struct pmt_option_info *i = pmt_option_infos; i->env != NULL; i++) {
		const char *value = getenv(i->env);

		if (value == NULL)
			continue;
		text_add(&t, t.used == 0 ? "" : " ");
		text_add(&t, i->env);
		text_add(&t, "=");
		text_add(&t, value);
	}
	if (t.used != 0)
		(void)pmt_header_put_text(h, PMT_TEXT_OPTIONS, t.data, t.used);
	process.rss_started = (h->features_incompatible & PMT_FEATURE_EVENTS) != 0;
	if (process.rss_started) {
		const char *mode = pmt_name("RSS", rss_start((unsigned)process.options.rss));

		(void)pmt_header_put_text(h, PMT_TEXT_RSS, mode, strlen(mode));
	}
	/* Last, because it may take all the room that is left. */
	put_file_text(h, PMT_TEXT_COMMAND, "/proc/self/cmdline");
}

static uint64_t rss_interval_ns(void)
{
	return process.options.trace >> PMT_TRACED_RSS & 1 ? process.options.rss_interval * 1000000U
							   : 0;
}

static void fill_header(struct pmt_header *h, unsigned flags)
{
	h->pid = (uint32_t)process.pid;
	h->parent_pid = (uint32_t)SYS0(SYS_getppid);
	h->start_realtime_ns = sys_clock_ns(CLOCK_REALTIME);
	h->start_ns = sys_clock_ns(CLOCK_MONOTONIC_COARSE);
	h->traced = process.options.trace;
	h->python_version = python.found ? python.version : 0;
	h->pointer_bytes = sizeof(void *);
	h->rss_interval_ns = rss_interval_ns();
	h->max_stack_depth = (uint32_t)process.options.stack_depth;
	h->features_incompatible =
		(process.options.fold ? PMT_FEATURE_FOLDED : 0) |
		(process.options.max_size != 0 ? PMT_FEATURE_RECYCLED : 0) |
		(process.options.trace >> PMT_TRACED_CALLS != 0 ? PMT_FEATURE_EVENTS : 0);
	h->features_compatible = (process.options.max_size != 0 ? PMT_COMPATIBLE_HELD : 0) |
				 (process.options.fold ? PMT_COMPATIBLE_FOLD_BOUND : 0);
	put_texts(h);
	logfile_publish();
	h->live.flags = flags | (python.found ? 1U << PMT_FLAG_PYTHON : 0);
	if (python.free_threaded)
		logfile_flag(PMT_FLAG_FREE_THREADED);
}

static int under_valgrind(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded != NULL && strstr(preloaded, "/vgpreload_core") != NULL;
}

/* No interval, no thread, whatever is traced. */
static unsigned sampler_way(void)
{
	return (under_valgrind() ? SAMPLER_NO_THREAD : 0) |
	       (process_traces_events() && process.options.rss_interval != 0 ? SAMPLER_TICKS : 0);
}

static int start_log(unsigned flags)
{
	struct pmt_header *h = logfile_create(&process.options);

	if (h == NULL)
		return -1;
	process.pid = sys_getpid();
	process.exec_pending = 0;
	fill_header(h, flags);
	if (process.alive == NULL)
		process.alive = arena_pages(4096, 1);
	if (process.alive == NULL)
		return -1;
	atomic_store(process.alive, 1);
	if (threads_init() != 0)
		return -1;
	process_shared.traced = process.options.trace;
	fold_init(process.options.fold ? process.options.fold_window : 0);
	if (stack_init(process.options.stack_depth) != 0 || (python.found && !python.walkable)) {
		say_problem("this Python's frames are not understood, no Python stacks: ",
			    python.text, NULL);
		logfile_flag(PMT_FLAG_NO_STACKS);
	}
	events_start();
	account_start(process.options.trace >> PMT_TRACED_RSS & 1);
	process_shared.types = process.options.types && process_traces(PMT_TRACED_PYMEM) &&
			       python.found && typeinfo_start() == 0;
	if (python.free_threaded)
		types_several();
	sampler_start(rss_interval_ns(), sampler_way());
	atomic_store_explicit(&process_shared.mode, PROCESS_TRACED, memory_order_release);
	return 0;
}

void process_before_exec(void)
{
	/* A child of vfork() shares our memory, but is another process. */
	if (!process_is_own() || process.exec_pending || sys_getpid() != process.pid ||
	    logfile_header()->live.state != PMT_STATE_OPEN)
		return;
	trace_life(PMT_LIFE_EXEC, 0);
	process.exec_pending = 1;
	logfile_header()->live.end_ns = sys_clock_ns(CLOCK_MONOTONIC_COARSE);
	logfile_header()->live.state = PMT_STATE_EXECED;
}

void process_still_here(void)
{
	if (!process.exec_pending || sys_getpid() != process.pid)
		return;
	process.exec_pending = 0;
	if (logfile_header()->live.state == PMT_STATE_EXECED) {
		logfile_header()->live.end_ns = 0;
		logfile_header()->live.state = PMT_STATE_OPEN;
	}
}

int process_is_own(void)
{
	return process_traced() && atomic_load_explicit(process.alive, memory_order_relaxed) == 1;
}

static int interpreter_here(void)
{
	int found = python_find(RTLD_DEFAULT);

	/* A look-up that failed left a message for the program's next dlerror(). */
	(void)dlerror();
	(void)dlerror();
	return found;
}

/* Children that fork after a chdir() write beside this log, not wherever they happen to be. */
static void make_output_absolute(void)
{
	char folder[1024];

	process.output.used = 0;
	if (process.options.output[0] == '/' || SYS2(SYS_getcwd, folder, sizeof(folder)) <= 0 ||
	    folder[0] != '/')
		return;
	for (const char *p = folder; *p != '\0'; p++)
		text_add_bytes(&process.output, *p == '%' ? "%%" : p, *p == '%' ? 2 : 1);
	text_add(&process.output, "/");
	text_add(&process.output, process.options.output);
	if (process.output.used + 1 < sizeof(process.output.data))
		process.options.output = process.output.data;
}

/* Once a process: what must be heard of its forks and its end. */
static void watch_process(void)
{
	if (process.watched)
		return;
	process.watched = 1;
	(void)pthread_atfork(NULL, NULL, process_in_child);
	(void)at_quick_exit(process_exit_now);
}

static void become_inert(void)
{
	process_shared.traced = 0;
	process_shared.types = 0;
	atomic_store(&process_shared.mode, PROCESS_INERT);
}

static void start_tracing(unsigned flags)
{
	process.options_good = 1;
	process.malloc_sound = 1;
	make_output_absolute();
	if (!process.options.follow)
		preload_leave_children_alone();
	else
		logfile_find_parent((int)SYS0(SYS_getppid), process.parent_log,
				    sizeof(process.parent_log));
	watch_process();
	if (start_log(flags) != 0) {
		become_inert();
		return;
	}
	preload_check_heap();
	if (python.found && process_traces(PMT_TRACED_PYMEM) && pymem_start() != 0)
		say_problem("this Python's allocators cannot be traced: ", python.text, NULL);
	if (python.found)
		(void)audit_start();
}

/* Is tracing to begin only when it is asked for? */
static int stay_dormant(void)
{
	if (python.found)
		control_start((int)process.options.signal);
	if (process.options.start)
		return 0;
	process.options_good = 1;
	atomic_store(&process_shared.mode, PROCESS_INERT);
	return 1;
}

void process_start(void)
{
	int expected = PROCESS_UNSTARTED;

	/* Before the C library has set itself up there is no environment yet. */
	if (environ == NULL ||
	    !atomic_compare_exchange_strong(&process_shared.mode, &expected, PROCESS_STARTING))
		return;
	real_look_up_all();
	say_init();
	process.loaded_late = !preload_is_ours();
	if ((!interpreter_here() && !wants_any_program()) || process.loaded_late ||
	    read_options() != 0) {
		atomic_store(&process_shared.mode, PROCESS_INERT);
		return;
	}
	if (stay_dormant())
		return;
	start_tracing(0);
}

void process_interpreter_loaded(void *handle)
{
	int expected = PROCESS_INERT;
	struct link_map *map;

	if (process.options_good || process.loaded_late || !python_find(handle))
		return;
	/* We keep addresses in it, so it stays, even if the program closes it. */
	if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 ||
	    real.dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE) == NULL)
		return;
	if (!atomic_compare_exchange_strong(&process_shared.mode, &expected, PROCESS_STARTING))
		return;
	if (read_options() != 0) {
		process.options_good = 1; /* said once */
		atomic_store(&process_shared.mode, PROCESS_INERT);
		return;
	}
	if (stay_dormant())
		return;
	start_tracing(1U << PMT_FLAG_LATE);
}

void process_in_child(void)
{
	if (process.alive == NULL)
		return;
	atomic_store(process.alive, 0);
	process.by_handlers = 1;
	threads_leave();
}

/* Before another log in this process; nobody else is in the middle of an event. */
static void forget_log(int same_process)
{
	logfile_forget(same_process);
	writer_reset();
	order_reset();
	rss_reset();
	stack_reset();
	objects_reset();
	sampler_reset();
	account_reset();
	census_reset();
}

static void start_child(void)
{
	char parent[sizeof(process.parent_log)];

	atomic_store(&process_shared.mode, PROCESS_STARTING);
	memcpy(parent, logfile_path(), strlen(logfile_path()) + 1);
	memcpy(process.parent_log, parent, sizeof(parent));
	arena_reset();
	forget_log(0);
	threads_reset();
	process.malloc_sound = process.by_handlers;
	process.by_handlers = 0;
	if (!process.options.follow || start_log(1U << PMT_FLAG_FORKED) != 0)
		become_inert();
}

int process_check_fork(void)
{
	if (atomic_load_explicit(process.alive, memory_order_relaxed) != 1)
		start_child();
	return process_traced() ? 0 : -1;
}

void process_forked(int child)
{
	sampler_resume(SAMPLER_SHORTLY);
	trace_life(PMT_LIFE_FORK, (uint64_t)child);
}

/*
 * Close the log, if this is the process that it belongs to: a child of vfork() shares our memory,
 * but is another one. ASK: malloc may be asked for its figures. OTHERS: the process lives on, so
 * the other threads' chunks are sealed, too.
 */
static void finish(int ask, int others)
{
	uint64_t now;
	int nested;

	if (!process_is_own() || sys_getpid() != process.pid)
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
	atomic_store_explicit(&process_shared.mode, PROCESS_CLOSED, memory_order_release);
	if (!nested) {
		if (others) {
			(void)threads_halt();
			threads_retire();
		} else {
			threads_finish();
		}
		stack_finish();
	}
	logfile_close(PMT_STATE_CLOSED, now);
}

void process_stop(unsigned reason)
{
	if (!process_is_own() || sys_getpid() != process.pid)
		return;
	logfile_stop(reason);
	finish(0, 0);
}

static void end_log(int malloc_sound)
{
	/* A child of vfork() has its parent's objects. */
	if (process_is_own() && sys_getpid() == process.pid)
		census_at_end();
	finish(malloc_sound, 0);
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
	end_log(process_is_own() && account_is_python(caller));
}

__attribute__((constructor)) static void loaded(void)
{
	process_start();
}

__attribute__((destructor)) static void unloaded(void)
{
	end_log(1);
}

/* --- asked for while the program runs ------------------------------------------------------- */

/* What only a preloaded library sees is left out where the standard has it, refused if asked for.
 */
static int check_words(int asked, struct text *problem)
{
	const uint64_t hooked = 1ULL << PMT_TRACED_MALLOC | 1ULL << PMT_TRACED_MMAP;

	if (!process.loaded_late)
		return 0;
	if (asked && (process.options.trace & hooked) != 0) {
		text_add(problem, "malloc and mmap are traced only if the library is preloaded "
				  "(LD_PRELOAD)");
		return -1;
	}
	process.options.trace &= ~hooked;
	return 0;
}

static int set_options(const char *const *settings, struct text *problem)
{
	int asked = getenv(PMT_OPTION_PREFIX "TRACE") != NULL;

	if (settings_read(&process.options) != 0) {
		text_add(problem, "an option in the environment is not allowed");
		return -1;
	}
	for (; settings != NULL && *settings != NULL; settings++) {
		if (settings_set(&process.options, *settings, problem) != 0)
			return -1;
		asked |= strncmp(*settings, "TRACE=", 6) == 0;
	}
	return check_words(asked, problem);
}

int process_begin(const char *const *settings, struct text *problem)
{
	const int mode = atomic_load(&process_shared.mode);

	if (mode != PROCESS_INERT && mode != PROCESS_CLOSED) {
		text_add(problem, "this process is traced already");
		return -1;
	}
	if (!python.walkable || python.current() == NULL) {
		text_add(problem, "no Python interpreter that is understood is at work here");
		return -1;
	}
	if (set_options(settings, problem) != 0)
		return -1;
	say_set_verbosity(process.options.verbosity);
	process.options_good = 1;
	process.malloc_sound = 1;
	make_output_absolute();
	watch_process();
	if (mode == PROCESS_CLOSED) {
		forget_log(1);
		threads_renew();
	}
	atomic_store(&process_shared.suspended, 0);
	if (start_log(1U << PMT_FLAG_LATE) != 0) {
		become_inert();
		text_add(problem, "the log cannot be written");
		return -1;
	}
	if (process_traces(PMT_TRACED_PYMEM))
		pymem_check();
	(void)audit_start();
	objects_check();
	events_begin();
	return 0;
}

void process_end(void)
{
	if (!process_is_own() || sys_getpid() != process.pid)
		return;
	events_end();
	objects_end();
	census_at_end();
	finish(1, 1);
	logfile_let_go();
}

int process_change(const char *setting, struct text *problem)
{
	const uint64_t events = ~0ULL << PMT_TRACED_CALLS;
	struct pmt_options changed = process.options;

	if (settings_set(&changed, setting, problem) != 0)
		return -1;
	/* What else there is, is decided when the log begins. */
	process.options.trace = (process.options.trace & ~events) | (changed.trace & events);
	process.options.rss_trigger = changed.rss_trigger;
	process.options.call_depth = changed.call_depth;
	process.options.lines = changed.lines;
	if (!process.rss_started && (process.options.trace & events) != 0) {
		process.rss_started = 1;
		(void)rss_start((unsigned)process.options.rss);
	}
	process_shared.traced = process.options.trace;
	events_change();
	objects_check();
	return 0;
}

void process_suspend(int suspended)
{
	atomic_store(&process_shared.suspended, suspended);
	if (suspended)
		(void)threads_halt();
}
