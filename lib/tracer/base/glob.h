/* SPDX-License-Identifier: MIT */
/* Lists of shell patterns. */
#ifndef PMT_TRACER_GLOB_H
#define PMT_TRACER_GLOB_H

/*
 * Does TEXT match one of PATTERNS, which have commas between them? In a pattern * stands for any
 * bytes, ? for one, [a-z] and [!a-z] for one of these or of all others, a backslash takes the next
 * byte for itself. Allocates nothing; time grows with the product of the lengths at most.
 */
int glob_list_match(const char *patterns, const char *text);

#endif
