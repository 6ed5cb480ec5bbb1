/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over stored inputs, and over cut and changed ones, without libFuzzer: so that
 * any compiler's build protects against what fuzzing has found. TAP: one line an input.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX (1 << 20)

static uint8_t input[INPUT_MAX];

static size_t load(const char *folder, const char *name)
{
	char path[4096];
	FILE *file;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (file == NULL)
		return 0;
	size = fread(input, 1, sizeof(input), file);
	fclose(file);
	return size;
}

/* The input as it is, cut at some places, and with some bytes changed. */
static void run(size_t size)
{
	LLVMFuzzerTestOneInput(input, size);
	for (size_t i = 1; i < 24; i++)
		LLVMFuzzerTestOneInput(input, size * i / 24);
	for (size_t i = 1; i < 100; i++) {
		size_t at = size * i / 100;
		uint8_t saved = input[at];

		input[at] ^= (uint8_t)(1 << i % 8);
		LLVMFuzzerTestOneInput(input, size);
		input[at] = saved;
	}
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int count = argc == 2 ? scandir(argv[1], &entries, is_input, alphasort) : -1;

	if (count <= 0) {
		printf("Bail out! no inputs\n");
		return 1;
	}
	printf("1..%d\n", count);
	for (int i = 0; i < count; i++) {
		size_t size = load(argv[1], entries[i]->d_name);

		/* named before it runs: a crash must tell which one it was */
		printf("# %s, %zu bytes\n", entries[i]->d_name, size);
		fflush(stdout);
		if (size != 0)
			run(size);
		printf("%sok %d - %s\n", size == 0 ? "not " : "", i + 1, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}
