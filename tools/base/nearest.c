/* SPDX-License-Identifier: MIT */
/* Edit distance between short words. */
#include "nearest.h"

#include <string.h>

#define LENGTH_MAX 40

struct nearest nearest_begin(const char *word)
{
	return (struct nearest){word, strlen(word) / 3 + 2};
}

static size_t least_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Number of insertions, removals and replacements that turn A into B. */
static size_t measure_distance(const char *a, const char *b)
{
	size_t row[LENGTH_MAX + 1];
	size_t length = strlen(b);

	if (strlen(a) > LENGTH_MAX || length > LENGTH_MAX)
		return LENGTH_MAX;
	for (size_t i = 0; i <= length; i++)
		row[i] = i;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			size_t above = row[j + 1];

			row[j + 1] =
				least_of(least_of(above, row[j]) + 1, diagonal + (a[i] != b[j]));
			diagonal = above;
		}
	}
	return row[length];
}

bool nearest_try(struct nearest *n, const char *candidate)
{
	size_t d = measure_distance(n->word, candidate);

	if (d >= n->distance)
		return false;
	n->distance = d;
	return true;
}
