/* SPDX-License-Identifier: MIT */
/* What a fuzz target exports, to libFuzzer or to replay.c. */
#ifndef PMT_TESTS_FUZZ_H
#define PMT_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Messages about bad logs are wanted, but not thousands a second: the program's stderr goes to
 * /dev/null for a while. The file descriptor stays, so that sanitizers are heard.
 */
static inline FILE *fuzz_quiet(void)
{
	static FILE *null;
	FILE *saved = stderr;

	if (null == NULL)
		null = fopen("/dev/null", "w");
	stderr = null;
	return saved;
}

/* Back to what fuzz_quiet() returned. */
static inline void fuzz_loud(FILE *saved)
{
	stderr = saved;
}

#endif
