/* SPDX-License-Identifier: MIT */
/* Finds the word that a mistyped one was meant to be. */
#ifndef PMT_TOOLS_NEAREST_H
#define PMT_TOOLS_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

struct nearest {
	const char *word;
	size_t distance; /* a candidate must be nearer than this */
};

/* Start a search; WORD must outlive it. Words that differ in more than a third are not near. */
struct nearest nearest_begin(const char *word);
/* Try a candidate: true when it is the nearest so far. */
bool nearest_try(struct nearest *n, const char *candidate);

#endif
