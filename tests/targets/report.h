/* SPDX-License-Identifier: MIT */
/*
 * For targets: say on the side what was really called, as lines of JSON in the file $PMT_REPORT, in
 * the form in which the tests read the log. Nothing here allocates.
 */
#ifndef PMT_TARGETS_REPORT_H
#define PMT_TARGETS_REPORT_H

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int report_fd = -1;

__attribute__((constructor)) static void report_open(void)
{
	const char *path = getenv("PMT_REPORT");
	if (path)
		report_fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
}

/* Not dprintf(), which allocates a buffer. */
__attribute__((format(printf, 1, 2), unused)) static void report(const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	const int size = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (report_fd >= 0 && write(report_fd, line, (size_t)size) != size)
		_exit(95);
}
#define REPORT(...) report(__VA_ARGS__)

/* The test looks only at what lies between these two blocks. */
__attribute__((unused)) static void begin(void)
{
	if (!valloc(1234))
		abort();
}

__attribute__((unused)) static void end(void)
{
	if (!valloc(4321))
		abort();
}

__attribute__((unused)) static void *did_alloc(const char *allocator, void *p, size_t size)
{
	REPORT("{\"event\": \"alloc\", \"allocator\": \"%s\", \"address\": \"0x%lx\", \"size\": "
	       "%zu}\n",
	       allocator, (unsigned long)p, size);
	return p;
}

__attribute__((unused)) static void did_free(const char *deallocator, unsigned long p)
{
	REPORT("{\"event\": \"free\", \"deallocator\": \"%s\", \"address\": \"0x%lx\"}\n",
	       deallocator, p);
}

__attribute__((unused)) static void did_realloc(const char *reallocator, unsigned long old, void *p,
						size_t size)
{
	REPORT("{\"event\": \"realloc\", \"reallocator\": \"%s\", \"old_address\": \"0x%lx\", \"address\": \"0x%lx\", \"size\": %zu}\n",
	       reallocator, old, (unsigned long)p, size);
}

__attribute__((unused)) static void did_mmap(const char *event, void *p, size_t size)
{
	REPORT("{\"event\": \"%s\", \"address\": \"0x%lx\", \"size\": %zu}\n", event,
	       (unsigned long)p, size);
}

__attribute__((unused)) static void release(void *p)
{
	did_free("free", (unsigned long)p);
	free(p);
}

__attribute__((unused)) static void check(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "target: not so: %s\n", what);
	_exit(99);
}
#define CHECK(condition) check(condition, #condition)

/* CASE("name", function) in a table; main calls the one named by its first argument. */
struct target_case {
	const char *name;
	void (*run)(void);
};

__attribute__((unused)) static int run_case(const struct target_case *cases, size_t count, int argc,
					    char **argv)
{
	for (size_t i = 0; i < count; i++) {
		if (argc > 1 && !strcmp(cases[i].name, argv[1])) {
			cases[i].run();
			return 0;
		}
	}
	fprintf(stderr, "target: no such case\n");
	return 98;
}
#define RUN_CASE(cases) run_case(cases, sizeof(cases) / sizeof(*(cases)), argc, argv)

#endif
