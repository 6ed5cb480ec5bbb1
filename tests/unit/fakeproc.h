/* SPDX-License-Identifier: MIT */
/* A folder that looks like /proc: processes are made, changed and removed by a test. */
#ifndef PMT_TESTS_FAKEPROC_H
#define PMT_TESTS_FAKEPROC_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"

struct fake_process {
	int pid;
	int parent;
	int group; /* the process, if it is a thread besides the first; 0: it is a process */
	unsigned start;
	unsigned rss_pages;
	unsigned user_ticks;
	unsigned minor;
	const char *name;
};

static char fake_root[] = "/tmp/fakeproc.XXXXXX";

static inline void fake_begin(void)
{
	strcpy(fake_root, "/tmp/fakeproc.XXXXXX");
	CHECK(mkdtemp(fake_root) != NULL);
}

/* Remove NAME in the root; "" is the root itself. */
static inline void fake_remove(const char *name)
{
	char command[200];

	snprintf(command, sizeof(command), "rm -rf '%s/%s'", fake_root, name);
	CHECK(system(command) == 0);
}

static inline void fake_write(const char *name, const char *text, size_t size)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", fake_root, name);
	FILE *file = fopen(path, "w");

	CHECK(file != NULL);
	if (file == NULL)
		return;
	CHECK_EQ(fwrite(text, 1, size, file), size);
	fclose(file);
}

static inline void fake_folder(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", fake_root, name);
	mkdir(path, 0755);
}

__attribute__((format(printf, 2, 3))) static inline void fake_put(const char *name,
								  const char *format, ...)
{
	char text[2000];
	va_list args;

	va_start(args, format);
	const int size = vsnprintf(text, sizeof(text), format, args);

	va_end(args);
	CHECK(size >= 0 && size < (int)sizeof(text));
	fake_write(name, text, (size_t)size);
}

/* stat and status of a process; the folder is made when there is none. */
static inline void fake_process(const struct fake_process *p)
{
	char name[40];

	snprintf(name, sizeof(name), "%d", p->pid);
	fake_folder(name);
	snprintf(name, sizeof(name), "%d/stat", p->pid);
	fake_put(name,
		 "%d (%s) S %d 1 1 0 -1 4194304 %u 0 3 0 %u 7 0 0 20 0 4 0 %u 5000000 %u 184467440",
		 p->pid, p->name, p->parent, p->minor, p->user_ticks, p->start, p->rss_pages);
	snprintf(name, sizeof(name), "%d/status", p->pid);
	fake_put(name, "Name:\t%s\nTgid:\t%d\nVmHWM:\t  900 kB\nVmSwap:\t  8 kB\n", p->name,
		 p->group != 0 ? p->group : p->pid);
}

static inline void fake_last_pid(unsigned last)
{
	fake_put("loadavg", "0.01 0.02 0.03 1/100 %u\n", last);
}

static inline void fake_end(void)
{
	fake_remove("");
}

#endif
