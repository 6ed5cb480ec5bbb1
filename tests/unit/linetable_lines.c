/* SPDX-License-Identifier: MIT */
/*
 * For linetable_cpython.py: reads "KIND FIRST_LINE CODE_BYTES HEX" a line, prints the line number
 * of each instruction (each two bytes of code), separated by spaces. Location tables are read once
 * more as the tracer stores them, without columns; where that says another line, "not N" is
 * printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "linetable.h"
#include "names.h"

static size_t from_hex(char *hex, uint8_t *data)
{
	size_t size = 0;

	for (; hex[0] != '\0' && hex[1] != '\0' && hex[0] != '\n'; hex += 2) {
		char pair[3] = {hex[0], hex[1], '\0'};

		data[size++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return size;
}

/* The table in memory that is exactly as large, for the sanitizers; the caller frees it. */
static struct linetable without_columns(const struct linetable *t)
{
	const struct pmt_bytes locations = {t->data, (uint32_t)t->size};
	const size_t room = 64 * t->size + 64;
	uint8_t *data = malloc(room);
	const long size = lines_compact(locations, data, room);
	uint8_t *exact = malloc((size_t)size + 1);

	if (size < 0 || lines_compact(locations, exact, (size_t)size) != size ||
	    (size > 0 && lines_compact(locations, exact, (size_t)size - 1) != -1))
		abort();
	lines_compact(locations, exact, (size_t)size);
	free(data);
	return (struct linetable){PMT_LINETABLE_LINETABLE310, t->first_line, exact, (size_t)size};
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
		struct linetable stored = table;

		if (kind == PMT_LINETABLE_LOCATIONS)
			stored = without_columns(&table);
		for (unsigned long at = 0; at < bytes; at += 2) {
			const uint32_t line_number = linetable_line(&table, at);

			printf(linetable_line(&stored, at) == line_number ? "%u " : "not %u ",
			       line_number);
		}
		if (kind == PMT_LINETABLE_LOCATIONS)
			free((void *)(uintptr_t)stored.data);
		putchar('\n');
		free(data);
	}
	free(line);
	return 0;
}
