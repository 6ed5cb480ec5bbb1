/* SPDX-License-Identifier: MIT */
/*
 * Lines of source files whose names come from a log, and are not to be trusted: only regular files
 * are opened, and not more than LISTING_FILE_MAX bytes of them are read.
 */
#ifndef PMT_TOOLS_LISTING_H
#define PMT_TOOLS_LISTING_H

#include <stddef.h>
#include <stdint.h>

#define LISTING_FILE_MAX (16U << 20)
/* Bytes of a line that are kept. */
#define LISTING_LINE_MAX 160

struct listing {
	const char *file;
	uint32_t line; /* from 1 */
	char **text;   /* gets the line without white space around it; free() it. NULL: not there */
};

/* Look all of them up; the order of the array changes. Names are relative to the present folder. */
void listing_read(struct listing *listings, size_t count);

#endif
