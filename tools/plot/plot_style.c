/* SPDX-License-Identifier: MIT */
/* What the scripts of all pictures have in common. */
#include "plot_style.h"

#include <inttypes.h>
#include <string.h>

void plot_put_terminal(const struct plot_style *style, const char *name, FILE *out)
{
	const char *svg = "set terminal svg size %" PRIu64 ",%" PRIu64
			  " dynamic enhanced background 'white' font 'Helvetica,13'\n";
	const char *png = "if (strstrt(GPVAL_TERMINALS, 'pngcairo') > 0) {\n"
			  "\tset terminal pngcairo size %" PRIu64 ",%" PRIu64
			  " enhanced font 'Sans,11'\n} else {\n\tset terminal png size %" PRIu64
			  ",%" PRIu64 " enhanced\n}\n";

	fprintf(out, "# gnuplot %s.plt draws %s.%s; gnuplot -e 'window=1' %s.plt opens a window\n",
		name, name, style->format, name);
	fputs("if (!exists('window')) {\n", out);
	if (strcmp(style->format, "svg") == 0)
		fprintf(out, svg, style->width, style->height);
	else
		fprintf(out, png, style->width, style->height, style->width, style->height);
	fprintf(out, "set output '%s.%s'\n}\n", name, style->format);
}
