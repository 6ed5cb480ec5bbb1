/* SPDX-License-Identifier: MIT */
/* pymemtrace watch: memory, faults and processor time of a process and its children, over time. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "error.h"
#include "launch.h"
#include "proctree.h"
#include "watch_columns.h"
#include "watch_json.h"
#include "watch_table.h"

/*
 * Between samples new processes are looked for so often, and more often for a while after one has
 * come: those that live longer are seen.
 */
#define LOOK_NS 20000000ULL
#define LOOK_BUSY_NS 2000000ULL
#define BUSY_NS 300000000ULL
#define NO_PID UINT64_MAX

static struct {
	uint64_t pid;
	const char *interval;
	uint64_t count;
	const char *columns;
	const char *output;
	const char *json;
} opts = {NO_PID, "1", 0, WATCH_COLUMNS_DEFAULT, NULL, NULL};

struct watch {
	struct procfs procfs;
	struct launch launch;
	struct proctree tree;
	struct watch_choice choice;
	struct watch_table table;
	struct watch_json json;
	FILE *out;
	double interval_s;
	int process; /* becomes readable when a process of others ends; -1: not told */
};

enum wait { WAIT_TICK, WAIT_ENDED, WAIT_ASKED };

/* --- the end of the process --- */

static bool is_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

static bool has_ended(const struct watch *watch)
{
	if (watch->launch.child != 0)
		return launch_ended(&watch->launch);
	if (watch->process >= 0)
		return is_readable(watch->process);
	return watch->tree.root->state == 'Z' || watch->tree.root->state == 'X';
}

/* --- time --- */

/* Returns whether there is more to do than to look at the clock. */
static bool pause_ns(const struct watch *watch, uint64_t span_ns)
{
	struct pollfd fds[] = {{.fd = watch->launch.signals, .events = POLLIN},
			       {.fd = watch->process, .events = POLLIN}};
	const struct timespec span = {(time_t)(span_ns / 1000000000), (long)(span_ns % 1000000000)};

	return ppoll(fds, 2, &span, NULL) != 0;
}

/* Until the time has come, or the process has ended, or we were asked to end. */
static enum wait wait_until(struct watch *watch, uint64_t until_ns)
{
	bool woken = true;

	for (;;) {
		const uint64_t now_ns = proctree_clock(&watch->tree);
		const uint64_t born_ns = watch->tree.born_ns;
		const uint64_t look_ns =
			born_ns != 0 && now_ns - born_ns < BUSY_NS ? LOOK_BUSY_NS : LOOK_NS;

		if (woken)
			launch_signals(&watch->launch);
		if (watch->launch.asked)
			return WAIT_ASKED;
		if (woken && has_ended(watch))
			return WAIT_ENDED;
		if (now_ns >= until_ns)
			return WAIT_TICK;
		woken = pause_ns(watch, until_ns - now_ns < look_ns ? until_ns - now_ns : look_ns);
		proctree_look(&watch->tree);
	}
}

/* --- samples --- */

static bool take_sample(struct watch *watch)
{
	if (!proctree_sample(&watch->tree))
		return false;
	watch_table_sample(&watch->table, &watch->tree);
	fflush(watch->out);
	watch_json_sample(&watch->json, &watch->tree);
	return true;
}

/* The next one that is due; those that were missed are left out. */
static uint64_t next_tick(const struct watch *watch, uint64_t due_ns)
{
	const uint64_t step_ns = (uint64_t)(watch->interval_s * 1e9);
	const uint64_t now_ns = proctree_clock(&watch->tree);

	due_ns += step_ns;
	return due_ns > now_ns ? due_ns : due_ns + (now_ns - due_ns) / step_ns * step_ns;
}

/* Returns why it ended. */
static const char *follow_processes(struct watch *watch)
{
	uint64_t due_ns = 0;

	for (;;) {
		if (!take_sample(watch))
			return "ended";
		if (opts.count != 0 && watch->tree.ticks >= opts.count)
			return "count";
		due_ns = next_tick(watch, due_ns);
		const enum wait what = wait_until(watch, due_ns);

		if (what == WAIT_ASKED)
			return "signal";
		if (what == WAIT_ENDED) {
			/* what is left in /proc until its parent has waited: the last figures */
			take_sample(watch);
			return "ended";
		}
	}
}

/* Returns the exit status: the command's, if there is one. */
static int finish_watch(struct watch *watch, const char *reason)
{
	struct watch_end end = {.reason = reason};
	int status = EXIT_OK;

	if (watch->launch.child != 0 && launch_ended(&watch->launch)) {
		status = launch_wait(&watch->launch);
		end.waited = true;
		end.status = watch->launch.status;
		end.usage = watch->launch.usage;
	}
	watch_table_summary(&watch->table, &watch->tree);
	if (end.waited)
		watch_table_usage(&watch->table, &end.usage);
	fflush(watch->out);
	watch_json_summary(&watch->json, &watch->tree, &end);
	if (watch->launch.child != 0)
		return launch_wait(&watch->launch);
	return status;
}

/* --- beginning --- */

static int check_options(struct watch *watch, int count)
{
	char *rest;

	if ((opts.pid == NO_PID) == (count == 0))
		return error(
			"watch: wants either -p PID or a command; `pymemtrace watch --help` explains");
	if (opts.pid != NO_PID && (opts.pid == 0 || opts.pid > INT32_MAX))
		return error("--pid %" PRIu64 ": not allowed, wants the id of a process", opts.pid);
	watch->interval_s = strtod(opts.interval, &rest);
	if (rest == opts.interval || *rest != '\0' || !(watch->interval_s >= 0.01) ||
	    !(watch->interval_s <= 3600))
		return error("--interval %s: not allowed, wants seconds from 0.01 to 3600",
			     opts.interval);
	return watch_choose(opts.columns, &watch->choice);
}

/* A buffer of our own, so that the lines of one sample are one write. */
static FILE *open_table(void)
{
	int fd;

	if (opts.output != NULL)
		return fopen(opts.output, "we");
	fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? fopen("/dev/null", "we") : fdopen(fd, "w");
}

static int open_outputs(struct watch *watch)
{
	watch->out = open_table();
	if (watch->out == NULL)
		return error("%s: %s", opts.output != NULL ? opts.output : "stderr",
			     strerror(errno));
	setvbuf(watch->out, NULL, _IOFBF, 1 << 16);
	watch->json.path = opts.json;
	if (opts.json != NULL && (watch->json.out = fopen(opts.json, "we")) == NULL)
		return error("%s: %s", opts.json, strerror(errno));
	if (watch->json.out != NULL)
		setvbuf(watch->json.out, NULL, _IOFBF, 1 << 16);
	watch_table_init(&watch->table, &watch->choice, watch->out);
	return 0;
}

static int close_outputs(struct watch *watch)
{
	int result = watch_json_fini(&watch->json);

	if (watch->out == NULL)
		return result;
	const bool failed = ferror(watch->out) != 0;

	if (fclose(watch->out) != 0 || failed)
		result = error("%s: not all lines could be written",
			       opts.output != NULL ? opts.output : "stderr");
	return result;
}

/* Returns 0, or the exit status after a message. */
static int begin_watch(struct watch *watch, char **command)
{
	int result = procfs_init(&watch->procfs, "/proc");

	if (result == 0 && launch_init(&watch->launch) != 0)
		return EXIT_DATA;
	if (opts.pid == NO_PID && result == 0) {
		const int status = launch_start(&watch->launch, command);

		if (status != 0)
			return status;
		opts.pid = (uint64_t)watch->launch.child;
	} else if (result == 0) {
		watch->process = (int)syscall(SYS_pidfd_open, (pid_t)opts.pid, 0);
	}
	if (result == 0)
		result = proctree_init(&watch->tree, &watch->procfs, (pid_t)opts.pid);
	if (result != 0)
		error("process %" PRIu64 ": %s", opts.pid, strerror(-result));
	return result == 0 ? 0 : EXIT_DATA;
}

static int watch_it(struct watch *watch)
{
	watch->tree.want = opts.json != NULL ? PROCFS_WANT_ALL : watch_wanted(&watch->choice);
	watch->tree.least_ns = (uint64_t)(watch->interval_s * 0.5e9);
	watch_json_header(&watch->json, &watch->tree, watch->launch.child != 0, watch->interval_s);
	watch_table_header(&watch->table);
	return finish_watch(watch, follow_processes(watch));
}

static int run_watch(int count, char **operands)
{
	struct watch watch = {.launch = {.signals = -1},
			      .procfs = {.root = -1},
			      .tree = {.newpids = {.loadavg = -1}},
			      .process = -1};
	char **command = need_memory(((size_t)count + 1) * sizeof(*command));
	int status = EXIT_DATA;

	memcpy(command, operands, (size_t)count * sizeof(*command));
	command[count] = NULL;
	if (check_options(&watch, count) != 0)
		status = EXIT_USAGE;
	else if (open_outputs(&watch) == 0)
		status = begin_watch(&watch, command);
	if (status == 0)
		status = watch_it(&watch);
	else if (watch.launch.child != 0)
		status = launch_wait(&watch.launch); /* it runs, though we cannot look at it */
	/* not in place of the command's own exit status */
	if (close_outputs(&watch) != 0 && status == EXIT_OK)
		status = EXIT_DATA;
	if (watch.process >= 0)
		close(watch.process);
	proctree_fini(&watch.tree);
	procfs_fini(&watch.procfs);
	launch_fini(&watch.launch);
	free(command);
	return status;
}

static const struct command_option options[] = {
	{.name = "pid",
	 .letter = 'p',
	 .value = "PID",
	 .kind = COMMAND_COUNT,
	 .target = &opts.pid,
	 .doc = "watch this process, in place of a command, until it ends"},
	{.name = "interval",
	 .letter = 'i',
	 .value = "SECONDS",
	 .kind = COMMAND_TEXT,
	 .target = &opts.interval,
	 .doc = "time between two samples, 0.01 to 3600 (1)"},
	{.name = "count",
	 .letter = 'n',
	 .value = "N",
	 .kind = COMMAND_COUNT,
	 .target = &opts.count,
	 .doc = "no more than N samples; a command then runs on unwatched (0: no limit)"},
	{.name = "columns",
	 .letter = 'c',
	 .value = "NAMES",
	 .kind = COMMAND_TEXT,
	 .target = &opts.columns,
	 .doc = "what the lines show: names with commas (default: " WATCH_COLUMNS_DEFAULT ")"},
	{.name = "output",
	 .letter = 'o',
	 .value = "FILE",
	 .kind = COMMAND_TEXT,
	 .target = &opts.output,
	 .doc = "write the lines to this file, in place of stderr"},
	{.name = "json",
	 .value = "FILE",
	 .kind = COMMAND_TEXT,
	 .target = &opts.json,
	 .doc = "write all figures to this file, too: a JSON object a line, for `pymemtrace gnuplot` and others"},
	{0},
};

const struct command cmd_watch = {
	.name = "watch",
	.summary = "memory, page faults and CPU of a process and its children, without tracing",
	.operands = "[--] COMMAND [ARGUMENT...]",
	.doc = "Runs a command, or follows the process of -p PID, and prints, at each interval, resident set, USS, PSS, swap, page faults, CPU, threads and open files of the process and of all that come from it, and their sums; at the end the peaks. "
	       "Nothing is traced, and the command runs as it is. Ends with the command's exit status.",
	.options = options,
	.stop_at_operand = true,
	.run = run_watch,
};
