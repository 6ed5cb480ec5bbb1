/* SPDX-License-Identifier: MIT */
/*
 * Runs a command and writes what it took to a file:
 *
 *     launch FILE COMMAND [ARGUMENT...]
 *
 * One line: nanoseconds of wall clock, of processor time, the largest resident set in KiB, and the
 * monotonic clock in nanoseconds when the command had ended. Exits with the command's status.
 *
 * A small program does this because the kernel counts the resident set of whoever starts the
 * command to it: from a Python runner every figure below some 20 MiB would be the runner's.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long time_ns(struct timeval t)
{
	return t.tv_sec * 1000000000LL + t.tv_usec * 1000LL;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	FILE *file = fopen(argv[1], "we");
	if (!file)
		return 2;
	long long start = now_ns();
	pid_t child = fork();
	if (!child) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	int status;
	struct rusage used;
	if (child < 0 || wait4(child, &status, 0, &used) != child)
		return 2;
	long long end = now_ns();
	fprintf(file, "%lld %lld %ld %lld\n", end - start,
		time_ns(used.ru_utime) + time_ns(used.ru_stime), used.ru_maxrss, end);
	if (fclose(file))
		return 2;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
