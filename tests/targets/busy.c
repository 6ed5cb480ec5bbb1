/* SPDX-License-Identifier: MIT */
/* A library for daemon threads: allocates without the interpreter's lock, and overwrites freed
 * memory. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void churn(long ms)
{
	for (long end = now_ms() + ms; now_ms() < end;)
		for (int i = 0; i < 100; i++) {
			char *volatile p = malloc(40);

			if (p != NULL)
				*p = 1;
			free(p);
		}
}

void fill(void)
{
	for (int round = 0; round < 20; round++)
		for (size_t size = 16; size < 4000; size += 16) {
			void *volatile p = malloc(size);

			if (p != NULL)
				memset(p, 0x41, size);
		}
}
