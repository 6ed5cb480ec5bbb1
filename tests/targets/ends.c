/* SPDX-License-Identifier: MIT */
/* Processes that end, or go wrong, in the ways that are easy to forget. */
#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static void leave(int number)
{
	(void)number;
	_exit(5);
}

/* _exit() in a signal handler, which is likely to interrupt the allocator's hooks. */
static int exit_in_handler(int microseconds)
{
	struct itimerval timer = {{0, 0}, {0, microseconds}};

	signal(SIGALRM, leave);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (;;) {
		void *volatile p = malloc(40);

		free(p);
	}
}

/* The only thread ends, not the process. */
static int exit_thread(int unused)
{
	(void)unused;
	free(malloc(10));
	syscall(SYS_exit, 3);
	return 0;
}

static int too_large(int unused)
{
	void *p = malloc(77777);
	void *volatile q;

	(void)unused;
	errno = 0;
	q = reallocarray(p, SIZE_MAX / 2, 4);
	printf("%d %d\n", q == NULL, errno == ENOMEM);
	return 0;
}

/* From here on only read, write, exit: anything else is the end. */
static int strict(int blocks)
{
	free(malloc(1));
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	for (int i = 0; i < blocks; i++) {
		void *volatile p = malloc(30);

		free(p);
	}
	syscall(SYS_exit, 4);
	return 0;
}

/* A new address that is only wished for. */
static int hint(int unused)
{
	char *old = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *place = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	munmap(place, 1 << 20);
	printf("%d\n", mremap(old, 4096, 4096, MREMAP_MAYMOVE | 4, place) == place);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int);
	} ways[] = {{"exit_in_handler", exit_in_handler},
		    {"exit_thread", exit_thread},
		    {"too_large", too_large},
		    {"strict", strict},
		    {"hint", hint}};

	for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, argv[1]) == 0)
			return ways[i].run(argc > 2 ? atoi(argv[2]) : 0);
	return 99;
}
