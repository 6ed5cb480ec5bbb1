/* SPDX-License-Identifier: MIT */
/*
 * For linetable_cpython.py: reads "KIND FIRST_LINE CODE_BYTES HEX" a line, prints the line number
 * of each instruction (each two bytes of code), separated by spaces.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linetable.h"

static size_t from_hex(char *hex, uint8_t *data)
{
	size_t size = 0;

	for (; hex[0] != '\0' && hex[1] != '\0' && hex[0] != '\n'; hex += 2) {
		char pair[3] = {hex[0], hex[1], '\0'};

		data[size++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return size;
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0) {
		char *p = line;
		unsigned kind = (unsigned)strtoul(p, &p, 10);
		uint32_t first = (uint32_t)strtoul(p, &p, 10);
		unsigned long bytes = strtoul(p, &p, 10);
		uint8_t *data = malloc(strlen(p) / 2 + 1);
		size_t size = from_hex(p + strspn(p, " "), data);
		struct linetable table = {kind, first, data, size};

		for (unsigned long at = 0; at < bytes; at += 2)
			printf("%u ", linetable_line(&table, at));
		putchar('\n');
		free(data);
	}
	free(line);
	return 0;
}
