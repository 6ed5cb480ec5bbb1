/* SPDX-License-Identifier: MIT */
/*
 * Threads that allocate small blocks until they are killed: some die young, some old, some are
 * resized. After every ROUND blocks a thread says on stdout how many it has made: eight bytes, its
 * number and the count.
 */
#include "report.h"

#include <pthread.h>
#include <stdint.h>

enum { ROUND = 7, KEPT = 300 };

static void *body(void *number)
{
	uint32_t said[2] = {(uint32_t)(uintptr_t)number, 0};
	static _Thread_local void *kept[KEPT];
	const size_t size = 100 + said[0];
	unsigned random = 1;

	for (;;) {
		for (int i = 0; i < ROUND; i++) {
			random = random * 1664525 + 1013904223;
			unsigned place = (random >> 8) % KEPT;
			void *p = malloc(size);
			if (random >> 30 == 0)
				p = realloc(p, size);
			if (random >> 28 == 15) {
				free(kept[place]);
				kept[place] = p;
			} else {
				free(p);
			}
			said[1] += 1 + (random >> 30 == 0);
		}
		if (write(1, said, sizeof(said)) != sizeof(said))
			_exit(96);
	}
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int count = argc > 1 ? atoi(argv[1]) : 1;

	for (intptr_t i = 1; i <= count; i++)
		CHECK(!pthread_create(&thread, NULL, body, (void *)i));
	pthread_join(thread, NULL);
	return 0;
}
