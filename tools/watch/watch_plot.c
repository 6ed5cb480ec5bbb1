/* SPDX-License-Identifier: MIT */
/* The picture of what `pymemtrace watch --json` wrote. */
#include "watch_plot.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "error.h"
#include "escape.h"
#include "series.h"

enum {
	CURVES_MAX = 10, /* processes that are drawn; the data has all */
	TITLE_BYTES = 100,
	NAME_BYTES = 40,
};

/* --- data --- */

struct block {
	const struct watch_log *log;
	const struct watch_log_curve *curve;
	FILE *out;
};

static void put_point(const struct block *block, const struct watch_log_point *point)
{
	fprintf(block->out, "%.6f", point->time_s);
	for (size_t i = 0; i < block->log->axis_count; i++) {
		if (isnan(point->values[i]))
			fputs(" ?", block->out);
		else
			fprintf(block->out, " %.15g", point->values[i]);
	}
	fputc('\n', block->out);
}

/* The series keeps extremes of some columns; of the others it only carries the point's place. */
enum { CARRIED = SERIES_EXTREMES };

static void put_kept(void *context, const struct series_point *kept)
{
	const struct block *block = context;

	put_point(block, &block->curve->points[kept->values[CARRIED]]);
}

static uint64_t whole_number(double value)
{
	return !(value > 0) ? 0 : value < 1e15 ? (uint64_t)(value * 1000) : (uint64_t)1e18;
}

/* The extremes of RSS, faults and CPU: the first, and the last two values. */
static void put_thinned(const struct block *block)
{
	const struct watch_log_curve *curve = block->curve;
	const size_t last = block->log->axis_count - 1;
	struct series series;

	series_init(&series);
	for (size_t i = 0; i < curve->count; i++) {
		const struct watch_log_point *point = &curve->points[i];
		struct series_point kept = {.time_ns = (uint64_t)(point->time_s * 1e9)};

		kept.values[0] = whole_number(point->values[0]);
		kept.values[1] = whole_number(point->values[last]);
		kept.values[2] = whole_number(point->values[last == 0 ? 0 : last - 1]);
		kept.values[CARRIED] = i;
		series_add(&series, &kept);
	}
	series_visit(&series, put_kept, (void *)(uintptr_t)block);
	series_fini(&series);
}

static void put_block(const struct watch_log *log, const struct watch_log_curve *curve, FILE *out)
{
	const struct block block = {log, curve, out};

	if (curve->pid == 0)
		fputs("# tree\n", out);
	else
		fprintf(out, "\n\n# process %" PRIu64 " ", curve->pid);
	if (curve->pid != 0) {
		escape_terminal(out, curve->name, NAME_BYTES);
		fputc('\n', out);
	}
	if (curve->count > SERIES_POINTS_MAX)
		put_thinned(&block);
	else
		for (size_t i = 0; i < curve->count; i++)
			put_point(&block, &curve->points[i]);
	if (curve->count == 0) /* or the numbers of the blocks behind it would shift */
		fputs("?\n", out);
}

void watch_plot_data(const struct watch_log *log, FILE *out)
{
	fputs(PLOT_SIGNATURE "# seconds", out);
	for (size_t i = 0; i < log->axis_count; i++)
		fprintf(out, " %s", log->axes[i]->key);
	fputc('\n', out);
	for (size_t i = 0; i < log->count; i++)
		put_block(log, &log->curves[i], out);
}

/* --- script --- */

static double end_of(const struct watch_log *log)
{
	const struct watch_log_curve *tree = &log->curves[0];
	const double end_s = tree->count == 0 ? 0 : tree->points[tree->count - 1].time_s;

	return end_s > 0 ? end_s : 1;
}

static void put_title(const struct watch_log *log, FILE *out)
{
	escape_gnuplot(out, log->command == NULL ? "?" : log->command, TITLE_BYTES);
	fprintf(out, "\\n{/*0.8 process %" PRIu64 " and its children", log->pid);
	if (!log->complete)
		fputs(", not complete", out);
	fputc('}', out);
}

/* Whether there is anything in the panel; other ones than the first not for zeros only. */
static bool is_shown(const struct watch_log *log, size_t axis)
{
	const double least = axis == 0 ? -1 : 0;
	bool any = false;

	for (size_t i = 0; i < log->count; i++)
		any |= log->curves[i].most[axis] > least;
	return any;
}

/* Which curves: the tree, and the processes with the largest RSS. */
struct chosen {
	size_t curves[1 + CURVES_MAX];
	size_t count;
};

static void insert_curve(const struct watch_log *log, struct chosen *chosen, size_t curve)
{
	size_t at = chosen->count;

	while (at > 1 && log->curves[chosen->curves[at - 1]].most[0] < log->curves[curve].most[0])
		at--;
	if (at > CURVES_MAX)
		return;
	if (chosen->count <= CURVES_MAX)
		chosen->count++;
	for (size_t i = chosen->count - 1; i > at; i--)
		chosen->curves[i] = chosen->curves[i - 1];
	chosen->curves[at] = curve;
}

struct panel {
	const struct watch_log *log;
	const struct chosen *chosen;
	const char *name; /* of the data file */
	size_t axis;
};

/* The chosen one NUMBER has the same colour in all panels. */
static void put_curve(const struct panel *panel, size_t number, FILE *out)
{
	const size_t index = panel->chosen->curves[number];
	const struct watch_log_curve *curve = &panel->log->curves[index];
	const char *scale = panel->log->axes[panel->axis]->unit == WATCH_BYTES ? "/MiB" : "";

	fprintf(out, "'%s.dat' index %zu using 1:($%zu%s) with linespoints pt 7 ps 0.3 ",
		panel->name, index, panel->axis + 2, scale);
	if (curve->pid == 0)
		fputs("lw 2 lc rgb '#303030' notitle", out);
	else
		fprintf(out, "lw 1.4 lc %zu notitle", number);
}

/* Names in the colours of the curves, beside the panels: no key of one panel has room for them. */
static void put_names(const struct watch_log *log, const struct chosen *chosen, FILE *out)
{
	for (size_t i = 0; i < chosen->count; i++) {
		const struct watch_log_curve *curve = &log->curves[chosen->curves[i]];
		const double y = 0.9 - 0.04 * (double)i;

		fputs("set label \"", out);
		escape_gnuplot(out, curve->name, NAME_BYTES);
		if (curve->pid == 0)
			fprintf(out, "\" at screen 0.82,%.2f textcolor rgb '#303030'\n", y);
		else
			fprintf(out, " %" PRIu64 "\" at screen 0.82,%.2f textcolor lt %zu\n",
				curve->pid, y, i);
	}
}

static void put_panel(const struct panel *panel, FILE *out)
{
	const struct chosen *chosen = panel->chosen;
	const char *between = "";

	fprintf(out, "set ylabel '%s'\nplot ", panel->log->axes[panel->axis]->axis);
	for (size_t i = 0; i < chosen->count; i++) {
		if (panel->log->curves[chosen->curves[i]].most[panel->axis] < 0)
			continue; /* gnuplot would warn */
		fputs(between, out);
		put_curve(panel, i, out);
		between = ", \\\n\t";
	}
	fputs("\nunset label\n", out);
}

static void put_axes(const struct watch_log *log, size_t panels, FILE *out)
{
	fputs("MiB = 1048576.0\nset datafile missing '?'\n"
	      "set border 3 lc rgb '#606060'\nset tics nomirror out textcolor rgb '#303030'\n"
	      "set grid ytics lc rgb '#dddddd' lt 1 lw 0.6\n"
	      "set lmargin at screen 0.09\nset rmargin at screen 0.8\n"
	      "set yrange [0:*]\n",
	      out);
	fprintf(out, "set xrange [0:%.6f]\nset multiplot layout %zu,1 title \"", end_of(log),
		panels == 0 ? 1 : panels);
	put_title(log, out);
	fputs("\"\n", out);
}

void watch_plot_script(const struct watch_log *log, const struct plot_style *style,
		       const char *name, FILE *out)
{
	struct chosen chosen = {.count = 1};
	size_t panels = 0;

	for (size_t i = 1; i < log->count; i++)
		insert_curve(log, &chosen, i);
	for (size_t i = 0; i < log->axis_count; i++)
		panels += is_shown(log, i);
	const bool none = panels == 0;

	fputs(PLOT_SIGNATURE, out);
	plot_put_terminal(style, name, out);
	if (log->count > chosen.count)
		fprintf(out, "# %zu processes with smaller peaks of RSS are not drawn\n",
			log->count - chosen.count);
	put_axes(log, panels, out);
	put_names(log, &chosen, out);
	for (size_t i = 0; i < log->axis_count; i++)
		if (is_shown(log, i)) {
			if (panels-- == 1)
				fputs("set xlabel 'seconds since the watch began'\n", out);
			put_panel(&(struct panel){log, &chosen, name, i}, out);
		}
	if (none)
		fputs("set yrange [0:1]\nplot 0 notitle lc rgb 'white'\n", out);
	fputs("unset multiplot\nif (exists('window')) { pause mouse close }\n", out);
}
