/* SPDX-License-Identifier: MIT */
/* A library that is loaded with RTLD_DEEPBIND: its malloc is not the tracer's. */
#include <stdlib.h>

void *deep_malloc(size_t size);
void deep_free(void *block);

void *deep_malloc(size_t size)
{
	return malloc(size);
}

void deep_free(void *block)
{
	free(block);
}
