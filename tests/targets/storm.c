/* SPDX-License-Identifier: MIT */
/*
 * Threads that allocate until they are killed. After each call that returned, a thread says on
 * stdout how many it has made: eight bytes, its number and the count.
 */
#include "report.h"

#include <pthread.h>
#include <stdint.h>

static void *body(void *number)
{
	uint32_t said[2] = {(uint32_t)(uintptr_t)number, 0};
	void *held = NULL;
	for (;;) {
		void *p = malloc(70000 + said[0]);
		said[1]++;
		if (write(1, said, sizeof(said)) != sizeof(said))
			_exit(96);
		free(held);
		held = p;
	}
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int count = argc > 1 ? atoi(argv[1]) : 1;
	for (intptr_t i = 1; i < count; i++)
		CHECK(!pthread_create(&thread, NULL, body, (void *)i));
	body(NULL);
}
