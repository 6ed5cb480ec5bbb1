/* SPDX-License-Identifier: MIT */
/* What `pymemtrace gnuplot` can draw: a kind of file is one entry in the table of pictures.c. */
#ifndef PMT_TOOLS_PICTURES_H
#define PMT_TOOLS_PICTURES_H

#include <stdio.h>

#include "plot.h"

struct picture_kind {
	const char *start; /* how such a file begins; "": as any other */
	/*
	 * Read a file. Returns the exit status, after a message when it is not 0. *PICTURE is what
	 * could be read, NULL when that is nothing.
	 */
	int (*read)(const char *path, const struct plot_style *style, void **picture);
	void (*write_data)(const void *picture, FILE *out);
	void (*write_script)(const void *picture, const struct plot_style *style, const char *name,
			     FILE *out);
	void (*destroy)(void *picture);
};

/* The kind of a file, by its first bytes. A file that cannot be read is a log, which will say so.
 */
const struct picture_kind *picture_kind(const char *path);

#endif
