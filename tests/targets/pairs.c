/* SPDX-License-Identifier: MIT */
/* N times malloc and free of changing sizes, and nothing else. */
#include <stdlib.h>

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 0;
	void *volatile blocks[64] = {0};

	for (long i = 0; i < n; i++) {
		free(blocks[i & 63]);
		blocks[i & 63] = malloc(16 + (size_t)(i * 37 % 900));
	}
	for (int i = 0; i < 64; i++)
		free(blocks[i]);
	return 0;
}
