/* SPDX-License-Identifier: MIT */
/* The header of the log: what process, what program, what options. */
#include "process_header.h"

#include <string.h>
#include <sys/utsname.h>

#include "environment.h"
#include "logfile.h"
#include "names.h"
#include "proc.h"
#include "python.h"
#include "say.h"
#include "settings.h"
#include "sys.h"
#include "tracing.h"

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

static void put_system(struct pmt_header *h)
{
	struct text t = {.used = 0};
	struct utsname name;

	if (SYS1(SYS_uname, &name) != 0)
		return;
	text_add(&t, name.sysname);
	text_add(&t, " ");
	text_add(&t, name.release);
	text_add(&t, " ");
	text_add(&t, name.machine);
	(void)pmt_header_put_text(h, PMT_TEXT_SYSTEM, t.data, t.used);
}

/* The options that the environment set. */
static void put_options(struct pmt_header *h)
{
	const struct text *given = settings_given();

	if (given->used != 0)
		(void)pmt_header_put_text(h, PMT_TEXT_OPTIONS, given->data, given->used);
}

/* Where the process id is valid, so that readers can look the process up. */
static void put_where(struct pmt_header *h)
{
	char boot[64], space[64];
	size_t size = proc_read(0, "/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	const long length = sys_readlink("/proc/self/ns/pid", space, sizeof(space) - 1);
	struct text t = {.used = 0};

	if (size == 0 || length <= 0)
		return;
	if (boot[size - 1] == '\n')
		boot[size - 1] = '\0';
	space[length] = '\0';
	text_add(&t, boot);
	text_add(&t, " ");
	text_add(&t, space);
	(void)pmt_header_put_text(h, PMT_TEXT_WHERE, t.data, t.used);
}

static void put_texts(struct pmt_header *h, const char *parent_log, const char *rss_mode)
{
	char exe[1024];
	long size = sys_readlink("/proc/self/exe", exe, sizeof(exe));

	(void)pmt_header_put_text(h, PMT_TEXT_TRACER, PMT_VERSION, strlen(PMT_VERSION));
	if (python.found)
		(void)pmt_header_put_text(h, PMT_TEXT_PYTHON, python.text, strlen(python.text));
	if (size > 0)
		(void)pmt_header_put_text(h, PMT_TEXT_EXECUTABLE, exe, (size_t)size);
	if (parent_log[0] != '\0')
		(void)pmt_header_put_text(h, PMT_TEXT_PARENT_LOG, parent_log, strlen(parent_log));
	if (environment_run()[0] != '\0')
		(void)pmt_header_put_text(h, PMT_TEXT_RUN, environment_run(),
					  strlen(environment_run()));
	put_system(h);
	put_where(h);
	put_options(h);
	if (rss_mode != NULL)
		(void)pmt_header_put_text(h, PMT_TEXT_RSS, rss_mode, strlen(rss_mode));
	/* Last, because it may take all the room that is left. */
	put_file_text(h, PMT_TEXT_COMMAND, "/proc/self/cmdline");
}

uint64_t process_rss_interval_ns(void)
{
	return tracing_shared.options.trace >> PMT_TRACED_RSS & 1
		       ? tracing_shared.options.rss_interval * 1000000U
		       : 0;
}

void process_fill_header(struct pmt_header *h, unsigned flags, const char *parent_log,
			 const char *rss_mode)
{
	h->pid = (uint32_t)sys_getpid();
	h->parent_pid = (uint32_t)SYS0(SYS_getppid);
	h->start_realtime_ns = sys_clock_ns(CLOCK_REALTIME);
	h->start_ns = sys_clock_ns(CLOCK_MONOTONIC_COARSE);
	h->traced = tracing_shared.options.trace;
	h->python_version = python.found ? python.version : 0;
	h->pointer_bytes = sizeof(void *);
	h->rss_interval_ns = process_rss_interval_ns();
	h->max_stack_depth = (uint32_t)tracing_shared.options.stack_depth;
	h->features_incompatible =
		(tracing_shared.options.fold ? PMT_FEATURE_FOLDED : 0) |
		(tracing_shared.options.max_size != 0 ? PMT_FEATURE_RECYCLED : 0) |
		(tracing_shared.options.trace >> PMT_TRACED_CALLS != 0 ? PMT_FEATURE_EVENTS : 0);
	h->features_compatible = (tracing_shared.options.max_size != 0 ? PMT_COMPATIBLE_HELD
								       : PMT_COMPATIBLE_SHORT_END) |
				 (tracing_shared.options.fold ? PMT_COMPATIBLE_FOLD_BOUND : 0);
	put_texts(h, parent_log, rss_mode);
	logfile_publish();
	h->live.flags = flags | (python.found ? 1U << PMT_FLAG_PYTHON : 0);
	if (python.free_threaded)
		logfile_flag(PMT_FLAG_FREE_THREADED);
}
