/* SPDX-License-Identifier: MIT */
/* The picture of what `pymemtrace watch --json` wrote: a panel for each value over time. */
#ifndef PMT_TOOLS_WATCH_PLOT_H
#define PMT_TOOLS_WATCH_PLOT_H

#include <stdio.h>

#include "plot_style.h"
#include "watch_log.h"

/*
 * Blocks of lines, two empty lines between: first the tree, then each process. Columns: seconds,
 * then the values as the header line says; ? unknown. A block has at most SERIES_POINTS_MAX lines.
 */
void watch_plot_data(const struct watch_log *log, FILE *out);
/* The script; NAME is that of the data file and of the picture, without its ending. */
void watch_plot_script(const struct watch_log *log, const struct plot_style *style,
		       const char *name, FILE *out);

#endif
