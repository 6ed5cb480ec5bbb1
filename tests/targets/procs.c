/* SPDX-License-Identifier: MIT */
/* Processes made in every way, each with its own odd sizes. */
#include "report.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

static void wait_for(pid_t pid, int expected)
{
	int status;
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == expected);
	REPORT("{\"child\": %d}\n", (int)pid);
}

/* Allocates COUNT blocks of SIZE and frees all but one. */
static void allocate(size_t size, int count)
{
	for (int i = 0; i < count; i++) {
		void *p = memalign(64, size);
		if (i)
			free(p);
	}
}

static void fork_exit(void)
{
	void *inherited = memalign(64, 50001);
	pid_t pid = fork();
	if (!pid) {
		allocate(50002, 100);
		free(inherited);
		exit(3);
	}
	allocate(50003, 50);
	wait_for(pid, 3 << 8);
	free(inherited);
	allocate(50003, 50);
}

static void fork_underscore_exit(void)
{
	pid_t pid = fork();
	if (!pid) {
		allocate(50002, 100);
		_exit(4);
	}
	wait_for(pid, 4 << 8);
	allocate(50003, 50);
}

/* Straight to the kernel: no handler of the C library runs. */
static void raw_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_fork);
	if (!pid) {
		for (int i = 0; i < 100; i++)
			free(memalign(64, 50002));
		_exit(5);
	}
	wait_for(pid, 5 << 8);
	allocate(50003, 50);
}

static void raw_clone(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid) {
		for (int i = 0; i < 100; i++)
			free(memalign(64, 50002));
		_exit(6);
	}
	wait_for(pid, 6 << 8);
	allocate(50003, 50);
}

static void vfork_exec(void)
{
	allocate(50003, 50);
	pid_t pid = vfork();
	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(99);
	}
	wait_for(pid, 0);
	allocate(50003, 50);
}

static void vfork_fails(void)
{
	pid_t pid = vfork();
	if (!pid) {
		execl("/no/such/program", "no", NULL);
		_exit(7);
	}
	wait_for(pid, 7 << 8);
	allocate(50003, 50);
}

static void spawn(void)
{
	pid_t pid;
	char *argv[] = {"true", NULL};
	allocate(50003, 50);
	CHECK(!posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ));
	wait_for(pid, 0);
	allocate(50003, 50);
}

static void system_call(void)
{
	CHECK(system("exit 3") == 3 << 8);
	allocate(50003, 50);
}

static void exec_other(void)
{
	allocate(50003, 50);
	execl("/bin/echo", "echo", "replaced", NULL);
	_exit(99);
}

static void exec_fails(void)
{
	allocate(50003, 50);
	CHECK(execl("/no/such/program", "no", NULL) == -1 && errno == ENOENT);
	allocate(50003, 50);
}

/* A child of a child, and fork while other events are under way. */
static void fork_fork(void)
{
	allocate(50003, 50);
	pid_t pid = fork();
	if (!pid) {
		allocate(50002, 100);
		pid_t grandchild = fork();
		if (!grandchild) {
			allocate(50004, 70);
			exit(0);
		}
		wait_for(grandchild, 0);
		exit(0);
	}
	wait_for(pid, 0);
}

static void *storm(void *unused)
{
	for (;;)
		free(malloc(7001));
	return unused;
}

#include <pthread.h>
static void fork_in_storm(void)
{
	pthread_t thread;
	for (int i = 0; i < 3; i++)
		CHECK(!pthread_create(&thread, NULL, storm, NULL));
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		if (!pid) {
			allocate(50002, 100);
			exit(0);
		}
		wait_for(pid, 0);
	}
	_exit(0);
}

/* The parent is killed, the child goes on. */
static void orphan(void)
{
	int go[2];
	char byte;
	CHECK(!pipe(go));
	pid_t pid = fork();
	if (!pid) {
		close(go[1]);
		CHECK(read(go[0], &byte, 1) == 0);
		allocate(50002, 100);
		exit(0);
	}
	REPORT("{\"child\": %d}\n", (int)pid);
	allocate(50003, 50);
	kill(getpid(), SIGKILL);
}

static const struct target_case cases[] = {
	{"fork_exit", fork_exit},   {"fork_underscore_exit", fork_underscore_exit},
	{"raw_fork", raw_fork},	    {"raw_clone", raw_clone},
	{"vfork_exec", vfork_exec}, {"vfork_fails", vfork_fails},
	{"spawn", spawn},	    {"system_call", system_call},
	{"exec_other", exec_other}, {"exec_fails", exec_fails},
	{"fork_fork", fork_fork},   {"fork_in_storm", fork_in_storm},
	{"orphan", orphan},
};

int main(int argc, char **argv)
{
	REPORT("{\"pid\": %d}\n", (int)getpid());
	return RUN_CASE(cases);
}
