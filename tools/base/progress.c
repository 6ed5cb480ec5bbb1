/* SPDX-License-Identifier: MIT */
/* Progress of long work. */
#include "progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "escape.h"

static struct {
	const char *what;
	const char *unit;
	uint64_t next_ns; /* when to print again */
	bool wanted;
	bool shown;
} progress;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void progress_begin_output(const char *what)
{
	progress_begin(what);
	progress.wanted &= !isatty(STDOUT_FILENO);
}

void progress_begin(const char *what)
{
	progress.what = what;
	progress.unit = "events";
	progress.next_ns = now_ns() + 1000000000;
	progress.wanted = isatty(STDERR_FILENO);
	progress.shown = false;
}

void progress_begin_bytes(const char *what)
{
	progress_begin(what);
	progress.unit = "MiB";
}

void progress_show(uint64_t done)
{
	if (!progress.wanted || now_ns() < progress.next_ns)
		return;
	progress.next_ns = now_ns() + 200000000;
	progress.shown = true;
	fputs("\r\033[K", stderr);
	escape_terminal(stderr, progress.what, 60);
	fprintf(stderr, ": %llu %s", (unsigned long long)done, progress.unit);
	fflush(stderr);
}

void progress_end(void)
{
	if (progress.shown)
		fputs("\r\033[K", stderr);
	progress.wanted = false;
	progress.shown = false;
}
