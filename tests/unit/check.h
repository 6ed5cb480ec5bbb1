/* SPDX-License-Identifier: MIT */
/*
 * A small harness: a table of test functions, checks that note a failure and go on, TAP on stdout.
 *
 *	static void adds(void) { CHECK_EQ(1 + 1, 2); }
 *	int main(void)
 *	{
 *		static const struct check_test tests[] = {{"adds", adds}, {0}};
 *		return check_run(tests);
 *	}
 */
#ifndef PMT_TESTS_CHECK_H
#define PMT_TESTS_CHECK_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct check_test {
	const char *name;
	void (*run)(void);
};

static struct {
	bool failed;  /* the test that runs now */
	int shown;    /* its failures that were printed; many are not helpful */
	int error_fd; /* stderr while it is captured */
	int capture_fd;
} check;

#define CHECK_SHOWN_MAX 10

static inline bool check_fail(const char *file, int line)
{
	check.failed = true;
	if (check.shown++ >= CHECK_SHOWN_MAX)
		return false;
	printf("# %s:%d: ", file, line);
	return true;
}

static inline void check_true(bool ok, const char *what, const char *file, int line)
{
	if (!ok && check_fail(file, line))
		printf("%s\n", what);
}

static inline void check_eq(uint64_t a, uint64_t b, const char *what, const char *file, int line)
{
	if (a != b && check_fail(file, line))
		printf("%s: %" PRIu64 " (0x%" PRIx64 ") is not %" PRIu64 " (0x%" PRIx64 ")\n", what,
		       a, a, b, b);
}

static inline void check_str(const char *a, const char *b, const char *what, const char *file,
			     int line)
{
	if (strcmp(a, b) != 0 && check_fail(file, line))
		printf("%s: \"%s\" is not \"%s\"\n", what, a, b);
}

#define CHECK(condition) check_true((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQ(a, b) check_eq((uint64_t)(a), (uint64_t)(b), #a, __FILE__, __LINE__)
#define CHECK_STR(a, b) check_str((a), (b), #a, __FILE__, __LINE__)

static inline int check_run(const struct check_test *tests)
{
	int count = 0, failures = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (tests[count].name != NULL)
		count++;
	printf("1..%d\n", count);
	for (int i = 0; i < count; i++) {
		check.failed = false;
		check.shown = 0;
		tests[i].run();
		printf("%sok %d - %s\n", check.failed ? "not " : "", i + 1, tests[i].name);
		failures += check.failed;
	}
	return failures != 0;
}

/* Random numbers, the same in each run. */
static inline uint64_t check_random(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Catch what goes to stderr between begin and end, to look at the messages. */
static inline void check_capture_begin(void)
{
	fflush(stderr);
	check.error_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	check.capture_fd = memfd_create("stderr", MFD_CLOEXEC);
	dup2(check.capture_fd, STDERR_FILENO);
}

/* Puts what came (cut to SIZE) into TEXT. */
static inline void check_capture_end(char *text, size_t size)
{
	fflush(stderr);
	dup2(check.error_fd, STDERR_FILENO);
	ssize_t got = pread(check.capture_fd, text, size - 1, 0);

	text[got < 0 ? 0 : got] = '\0';
	close(check.error_fd);
	close(check.capture_fd);
}

#endif
