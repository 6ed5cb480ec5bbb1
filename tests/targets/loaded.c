/* SPDX-License-Identifier: MIT */
/* A library that allocates while it is loaded. */
#include <stdlib.h>

__attribute__((constructor)) static void constructor(void)
{
	free(valloc(1801));
}

void *loaded_valloc(size_t size)
{
	return valloc(size);
}
