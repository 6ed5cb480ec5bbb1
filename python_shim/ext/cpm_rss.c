/* SPDX-License-Identifier: MIT */
/*
 * The resident set from a descriptor that is kept open: opening the file costs more than reading
 * it. The descriptor may be lost or taken by others: a child of fork() has its parent's, and a
 * program that becomes a daemon closes all that it finds. So the process is looked at, and what is
 * read must look like what it should be.
 */
#include "cpm_rss.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define TEXT_MAX 128
#define FIELDS 7

static struct {
	atomic_int fd; /* 0: none yet */
	atomic_int pid;
	atomic_llong largest;
} rss;

/* The second of seven numbers, or -1 if TEXT is anything else. */
static long long pages_in(const char *text, long size)
{
	long long value = 0, pages = -1;
	int field = 1;

	for (long i = 0; i < size; i++) {
		if (text[i] >= '0' && text[i] <= '9') {
			value = value * 10 + (text[i] - '0');
			continue;
		}
		if (field == 2)
			pages = value;
		if (text[i] == '\n')
			return field == FIELDS && i == size - 1 ? pages : -1;
		if (text[i] != ' ')
			return -1;
		field++;
		value = 0;
	}
	return -1;
}

static long long read_pages(int fd)
{
	char text[TEXT_MAX];

	return pages_in(text, pread(fd, text, sizeof(text), 0));
}

static int is_own(void)
{
	return atomic_load(&rss.fd) != 0 && atomic_load(&rss.pid) == getpid();
}

/* A descriptor that another part of the program has taken over is left open. */
static void open_anew(int is_parents)
{
	const int old = atomic_load(&rss.fd);
	const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (is_parents && old != 0 && read_pages(old) >= 0)
		(void)close(old);
	atomic_store(&rss.fd, fd > 0 ? fd : 0);
	atomic_store(&rss.pid, getpid());
}

long long cpm_rss(void)
{
	long long pages = is_own() ? read_pages(atomic_load(&rss.fd)) : -1;
	long long bytes;

	if (pages < 0) {
		open_anew(!is_own());
		pages = atomic_load(&rss.fd) == 0 ? -1 : read_pages(atomic_load(&rss.fd));
	}
	if (pages < 0)
		return -1;
	bytes = pages * sysconf(_SC_PAGESIZE);
	if (bytes > atomic_load_explicit(&rss.largest, memory_order_relaxed))
		atomic_store_explicit(&rss.largest, bytes, memory_order_relaxed);
	return bytes;
}

long long cpm_rss_peak(void)
{
	const long long largest = atomic_load(&rss.largest);
	struct rusage usage;
	long long bytes;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return -1;
	/* The kernel counts in parts, and may be a few pages behind what it has told. */
	bytes = (long long)usage.ru_maxrss * 1024;
	return bytes > largest ? bytes : largest;
}
