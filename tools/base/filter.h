/* SPDX-License-Identifier: MIT */
/*
 * Which frames a report is about, as --include, --exclude, --frame and --thread say: the same in
 * every command. A pattern is a glob, or `file:GLOB`, `function:GLOB` or `package:GLOB`; without
 * such a word it may match any of the three:
 *
 *	file		the whole path; without a slash in the glob the name without its folder, too
 *	function	the qualified name, or the last part of it
 *	package		the folder or module below site-packages or dist-packages, or the distribution
 *			that the name of a wheel or an egg in the path tells
 */
#ifndef PMT_TOOLS_FILTER_H
#define PMT_TOOLS_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "text_list.h"

enum filter_frame { FILTER_INNERMOST, FILTER_ANY };

#define FILTER_FRAME_WORDS "innermost|any"
#define FILTER_ALL_THREADS UINT64_MAX
/* The file and the function of a stack that has no frame. */
#define FILTER_NO_FRAME "<no Python frame>"

struct filter {
	struct text_list include; /* patterns; none: everything */
	struct text_list exclude;
	int frame;	 /* enum filter_frame: the one that must match */
	uint64_t thread; /* or FILTER_ALL_THREADS */
};

/* What was found in a frame, or in several: the bits of all. */
enum filter_found { FILTER_INCLUDED = 1, FILTER_EXCLUDED = 2 };

/* Whether there are patterns at all. */
bool filter_has_patterns(const struct filter *filter);
/* The bits of one frame. FUNCTION is its qualified name. */
unsigned filter_look(const struct filter *filter, const char *file, const char *function);
/* The bits of a stack without a frame. */
unsigned filter_look_at_none(const struct filter *filter);
/* Whether what has FOUND these bits belongs to the report. */
bool filter_passes(const struct filter *filter, unsigned found);

static inline bool filter_has_thread(const struct filter *filter, uint32_t thread)
{
	return filter->thread == FILTER_ALL_THREADS || filter->thread == thread;
}

#endif
