/* SPDX-License-Identifier: MIT */
/* A command as a child process. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"

/* Signal settings from before this program changed them. The command gets these. */
static struct {
	sigset_t mask;
	struct sigaction child_ended, broken_pipe;
} inherited;

static const int handed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

static bool is_ignored(int number)
{
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int launch_init(struct launch *launch)
{
	struct sigaction plain = {.sa_handler = SIG_DFL};
	sigset_t wanted;

	*launch = (struct launch){.signals = -1};
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	for (size_t i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++)
		if (!is_ignored(handed_on[i]))
			sigaddset(&wanted, handed_on[i]);
	/* where it is ignored, the kernel would not keep the exit status */
	sigaction(SIGCHLD, &plain, &inherited.child_ended);
	sigprocmask(SIG_BLOCK, &wanted, &inherited.mask);
	launch->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	return launch->signals < 0 ? error("signals: %s", strerror(errno)) : 0;
}

/* The pipe closes when the command runs; before that it brings the reason why not. */
static _Noreturn void exec_command(char **arguments, int report)
{
	sigaction(SIGCHLD, &inherited.child_ended, NULL);
	sigaction(SIGPIPE, &inherited.broken_pipe, NULL);
	sigprocmask(SIG_SETMASK, &inherited.mask, NULL);
	execvp(arguments[0], arguments);
	const int problem = errno;

	if (write(report, &problem, sizeof(problem)) != (ssize_t)sizeof(problem))
		_exit(LAUNCH_NOT_EXECUTABLE);
	_exit(problem == ENOENT ? LAUNCH_NOT_FOUND : LAUNCH_NOT_EXECUTABLE);
}

static int read_problem(int fd)
{
	int problem = 0;
	ssize_t got;

	do
		got = read(fd, &problem, sizeof(problem));
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof(problem) ? problem : 0;
}

static int fail_start(const char *name, int problem)
{
	error("%s: %s", name, problem == ENOENT ? "command not found" : strerror(problem));
	return problem == ENOENT ? LAUNCH_NOT_FOUND : LAUNCH_NOT_EXECUTABLE;
}

int launch_start(struct launch *launch, char **arguments)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	int ends[2];

	/* that nobody reads our lines is no reason to leave the command alone */
	sigaction(SIGPIPE, &ignore, &inherited.broken_pipe);
	if (pipe2(ends, O_CLOEXEC) != 0)
		return fail_start(arguments[0], errno);
	fflush(NULL);
	launch->child = fork();
	if (launch->child == 0)
		exec_command(arguments, ends[1]);
	const int fork_problem = launch->child < 0 ? errno : 0;

	close(ends[1]);
	const int problem = fork_problem != 0 ? fork_problem : read_problem(ends[0]);

	close(ends[0]);
	if (problem == 0)
		return 0;
	if (launch->child > 0)
		waitpid(launch->child, NULL, 0);
	launch->child = 0;
	return fail_start(arguments[0], problem);
}

void launch_signals(struct launch *launch)
{
	struct signalfd_siginfo info;

	while (read(launch->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		if (launch->child == 0)
			launch->asked = true;
		else if (info.ssi_code != SI_KERNEL)
			kill(launch->child, (int)info.ssi_signo);
	}
}

bool launch_ended(const struct launch *launch)
{
	siginfo_t info = {0};

	return launch->child != 0 &&
	       waitid(P_PID, (id_t)launch->child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == launch->child;
}

int launch_wait(struct launch *launch)
{
	struct pollfd fd = {.fd = launch->signals, .events = POLLIN};

	while (!launch_ended(launch)) {
		poll(&fd, 1, -1);
		launch_signals(launch);
	}
	wait4(launch->child, &launch->status, 0, &launch->usage);
	launch->child = 0;
	if (WIFSIGNALED(launch->status))
		return 128 + WTERMSIG(launch->status);
	return WEXITSTATUS(launch->status);
}

void launch_fini(struct launch *launch)
{
	if (launch->signals >= 0)
		close(launch->signals);
	launch->signals = -1;
}
