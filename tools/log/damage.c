/* SPDX-License-Identifier: MIT */
/* Tells the user what could not be read of a log. */
#include "damage.h"

#include <stdio.h>
#include <string.h>

#include "error.h"

static void add_count(char text[DAMAGE_TEXT], uint64_t count, const char *one, const char *many)
{
	size_t used = strlen(text);

	if (count != 0)
		snprintf(text + used, DAMAGE_TEXT - used, "%s%llu %s", used == 0 ? "" : ", ",
			 (unsigned long long)count, count == 1 ? one : many);
}

void damage_describe(const struct reader_damage *d, char text[DAMAGE_TEXT])
{
	text[0] = '\0';
	if (d->truncated)
		strcpy(text, "the file is cut off");
	else if (d->index_damaged)
		strcpy(text, "the index of the compressed file is damaged");
	add_count(text, d->chunks_damaged, "chunk damaged", "chunks damaged");
	add_count(text, d->records_damaged, "place with damaged records",
		  "places with damaged records");
	add_count(text, d->definitions_refused, "definition refused", "definitions refused");
	if (text[0] != '\0')
		add_count(text, d->bytes_lost, "byte lost", "bytes lost");
}

void damage_warn(const struct reader *reader)
{
	char text[DAMAGE_TEXT];

	damage_describe(reader_damage(reader), text);
	if (text[0] != '\0')
		error("warning: %s: %s", reader_path(reader), text);
}
