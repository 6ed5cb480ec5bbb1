/* SPDX-License-Identifier: MIT */
/* How a picture is made, and what the scripts of all pictures have in common. */
#ifndef PMT_TOOLS_PLOT_STYLE_H
#define PMT_TOOLS_PLOT_STYLE_H

#include <stdint.h>
#include <stdio.h>

/* What the axis on the right is for. */
enum plot_second { PLOT_SECOND_NONE, PLOT_SECOND_OBJECTS, PLOT_SECOND_EVENTS };
#define PLOT_SECOND_WORDS "none|objects|events"

/* How the picture is made. */
struct plot_style {
	const char *format; /* "png" or "svg" */
	uint64_t width;	    /* pixels */
	uint64_t height;
	int second; /* enum plot_second */
};

/* First line of the files written here: they may be overwritten. */
#define PLOT_SIGNATURE "# made by pymemtrace gnuplot\n"

/* The part of a script that says what kind of picture is made, and where. */
void plot_put_terminal(const struct plot_style *style, const char *name, FILE *out);

#endif
