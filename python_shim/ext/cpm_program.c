/* SPDX-License-Identifier: MIT */
/*
 * The log is read by another process, because the memory of a reader does not belong into the
 * resident set of a program that is measured. That process is a grandchild. Its parent is a child
 * that raises no SIGCHLD and that no wait() of the program finds; a child that runs another program
 * could not be such a one. Both share our memory, and this thread stands still until they are gone.
 */
#include "cpm_program.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES 65536

struct run {
	const char *program;
	char *const *arguments;
	int out;
	int error;  /* errno of where it failed */
	int status; /* of the grandchild, as wait() has it */
	char *stack;
};

/* The program's signal handlers must not run in the child, which shares its memory. */
static void drop_handlers(void)
{
	struct sigaction action;

	for (int i = 1; i < NSIG; i++)
		if (sigaction(i, NULL, &action) == 0 && action.sa_handler != SIG_IGN &&
		    action.sa_handler != SIG_DFL) {
			action.sa_handler = SIG_DFL;
			action.sa_flags = 0;
			(void)sigaction(i, &action, NULL);
		}
}

/* Nothing of the environment: neither is the program traced nor are its messages changed. */
static int grandchild(void *context)
{
	static char *const environment[] = {(char *)(uintptr_t) "LC_ALL=C.UTF-8", NULL};
	struct run *run = context;
	sigset_t none;

	(void)sigemptyset(&none);
	if (dup2(run->out, STDOUT_FILENO) >= 0) {
		if (run->out == STDOUT_FILENO)
			(void)fcntl(STDOUT_FILENO, F_SETFD, 0);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)syscall(SYS_execve, run->program, run->arguments, environment);
	}
	run->error = errno;
	(void)syscall(SYS_exit_group, 127);
	return 127;
}

/*
 * Starts a child that runs MAIN on a stack in the memory of this process. The calling thread waits
 * until the child has ended.
 */
static pid_t start(int (*main)(void *), struct run *run, size_t stack_end, int flags)
{
	const pid_t pid = clone(main, run->stack + stack_end, CLONE_VM | CLONE_VFORK | flags, run);

	if (pid < 0)
		run->error = errno;
	return pid;
}

static int child(void *context)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	struct run *run = context;
	pid_t pid;

	drop_handlers();
	(void)sigaction(SIGCHLD, &standard, NULL);
	pid = start(grandchild, run, STACK_BYTES, SIGCHLD);
	if (pid >= 0)
		while (waitpid(pid, &run->status, 0) < 0)
			if (errno != EINTR) {
				run->error = errno;
				break;
			}
	(void)syscall(SYS_exit_group, 0);
	return 0;
}

/* Signals wait meanwhile: their handlers would run in the child, in our memory. */
static void run_both(struct run *run)
{
	sigset_t all, before;
	pid_t pid;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = start(child, run, 2UL * STACK_BYTES, 0);
	if (pid >= 0)
		while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
			continue;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int cpm_program_run(const char *program, char *const *arguments, int out)
{
	struct run run = {.program = program, .arguments = arguments, .out = out};

	run.stack = mmap(NULL, 2UL * STACK_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (run.stack == MAP_FAILED)
		return -1;
	run_both(&run);
	(void)munmap(run.stack, 2UL * STACK_BYTES);
	if (run.error == 0 && WIFEXITED(run.status))
		return WEXITSTATUS(run.status);
	errno = run.error != 0 ? run.error : EINTR;
	return -1;
}
