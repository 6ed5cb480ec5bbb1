/* SPDX-License-Identifier: MIT */
/* What a fuzz target exports, to libFuzzer or to replay.c. */
#ifndef PMT_TESTS_FUZZ_H
#define PMT_TESTS_FUZZ_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Messages about bad logs are wanted, but not thousands a second: stderr to /dev/null for a while.
 */
static inline int fuzz_quiet(void)
{
	static int null = -1;
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);

	if (null < 0)
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(null, STDERR_FILENO);
	return saved;
}

/* Back to what fuzz_quiet() returned. */
static inline void fuzz_loud(int saved)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
}

#endif
