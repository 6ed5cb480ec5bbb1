/* SPDX-License-Identifier: MIT */
/* The data file and the script of gnuplot. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "plot.h"
#include "report.h"

enum { MIB = 1 << 20, TITLE_BYTES = 100, PLACE_BYTES = 60 };

static void put_seconds(FILE *out, uint64_t time_ns)
{
	fprintf(out, "%" PRIu64 ".%09" PRIu64, time_ns / 1000000000, time_ns % 1000000000);
}

static void put_value(uint64_t value, FILE *out)
{
	if (value == SERIES_UNKNOWN)
		fputs(" ?", out);
	else
		fprintf(out, " %" PRIu64, value);
}

static void put_point(void *context, const struct series_point *point)
{
	FILE *out = context;

	put_seconds(out, point->time_ns);
	for (size_t i = 0; i < SERIES_COLUMNS; i++)
		put_value(point->values[i], out);
	fputc('\n', out);
}

static void put_event_point(void *context, const struct series_point *point)
{
	FILE *out = context;

	put_seconds(out, point->time_ns);
	for (size_t i = 0; i < PLOT_EVENT_COLUMNS; i++)
		put_value(point->values[i], out);
	fputc('\n', out);
}

/* Two empty lines begin a block. The end of the last interval is a line of its own, to be drawn. */
static void put_events(const struct plot_events *events, FILE *out)
{
	const uint64_t last = events->last_ns / events->interval_ns;

	fputs("\n\n# seconds rss_at_events_bytes live_objects\n", out);
	series_visit(&events->series, put_event_point, out);
	fputs("\n\n# seconds events, in intervals of ", out);
	put_seconds(out, events->interval_ns);
	fputs(" seconds\n", out);
	for (uint64_t i = 0; i <= last + 1; i++) {
		put_seconds(out, i * events->interval_ns);
		put_value(i <= last ? events->intervals[i] : 0, out);
		fputc('\n', out);
	}
}

void plot_write_data(const struct plot *plot, FILE *out)
{
	static const char *const names[SERIES_COLUMNS] = {
		[SERIES_HEAP] = "heap",		[SERIES_ANONYMOUS] = "anonymous",
		[SERIES_RSS] = "rss",		[SERIES_FILE] = "file",
		[SERIES_RESERVED] = "reserved", [SERIES_RSS_NET] = "rss_without_tracer",
		[SERIES_SWAP] = "swap",
	};
	const struct dropped *dropped = reader_dropped(plot->reader);

	fputs(PLOT_SIGNATURE, out);
	if (dropped != NULL) {
		fputs("# ", out);
		report_put_dropped(out, report_dropped_seconds(plot->reader), dropped->held.known,
				   dropped->held.missing);
		putc('\n', out);
	}
	fputs("# seconds", out);
	for (size_t i = 0; i < SERIES_COLUMNS; i++)
		fprintf(out, " %s_bytes", names[i]);
	fputc('\n', out);
	series_visit(&plot->series, put_point, out);
	if (plot->events.count != 0)
		put_events(&plot->events, out);
}

/* --- script --- */

static void put_word(void *context, const char *word, size_t size)
{
	FILE *out = context;

	if (ftell(out) > 0)
		fputc(' ', out);
	fwrite(word, 1, size, out);
}

/* The command line and the process, as a string of gnuplot. */
static void put_title(const struct plot *plot, FILE *out)
{
	char *command = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&command, &size);

	fputs("set title \"", out);
	if (memory != NULL) {
		report_command(plot->reader, put_word, memory);
		if (fclose(memory) == 0 && size != 0)
			escape_gnuplot(out, command, TITLE_BYTES);
		free(command);
	}
	fprintf(out, "\\n{/*0.8 process %" PRIu32, reader_header(plot->reader)->pid);
	if (!report_complete(plot->reader))
		fputs(", log not complete", out);
	fputs("}\"\n", out);
}

static void put_axes(const struct plot *plot, FILE *out)
{
	const uint64_t end_ns = report_duration_ns(plot->reader, &plot->replay);

	fputs("set xlabel 'seconds since the start'\nset ylabel 'MiB'\n"
	      "set datafile missing '?'\n"
	      "set border 3 lc rgb '#606060'\nset tics nomirror out textcolor rgb '#303030'\n"
	      "set grid ytics lc rgb '#dddddd' lt 1 lw 0.6\n"
	      "set key at screen 0.5, screen 0.01 center bottom horizontal Left reverse samplen 2 spacing 1.2\nset bmargin 7\n"
	      "set yrange [0:*]\nset offsets 0, 0, graph 0.12, 0\n",
	      out);
	fputs("set xrange [0:", out);
	put_seconds(out, end_ns != 0 ? end_ns : 1000000000);
	fputs("]\n", out);
}

/* The texts of marks [FIRST, END) as one label at the time of the first. */
static void put_mark(const struct plot *plot, size_t first, size_t end, FILE *out)
{
	const uint64_t time_ns = plot->marks[first].time_ns;

	fputs("set arrow from first ", out);
	put_seconds(out, time_ns);
	fputs(", graph 0 to first ", out);
	put_seconds(out, time_ns);
	fputs(", graph 1 nohead lc rgb '#b0b0b0' lw 1 dt 2 back\nset label \"", out);
	for (size_t i = first; i < end; i++) {
		if (i != first)
			fputs(", ", out);
		escape_gnuplot(out, plot->marks[i].text, PLOT_MARK_TEXT);
	}
	fputs("\" at first ", out);
	put_seconds(out, time_ns);
	fputs(", graph 0.985 right rotate by 90 offset character 0.7,0 font ',9' textcolor rgb '#707070' front\n",
	      out);
}

/* Marks that would be printed over each other share a label. */
static void put_marks(const struct plot *plot, FILE *out)
{
	const uint64_t near_ns = report_duration_ns(plot->reader, &plot->replay) / 80;
	const size_t count = plot->mark_count < PLOT_MARKS_MAX ? plot->mark_count : PLOT_MARKS_MAX;

	for (size_t first = 0, end; first < count; first = end) {
		end = first + 1;
		while (end < count &&
		       plot->marks[end].time_ns - plot->marks[first].time_ns < near_ns)
			end++;
		put_mark(plot, first, end, out);
	}
	if (plot->mark_count > count)
		fprintf(out, "# %zu more marks are left out\n", plot->mark_count - count);
}

static void put_peak(const struct plot *plot, FILE *out)
{
	const struct amount *peak = &plot->replay.heap_peak;
	const uint64_t end_ns = report_duration_ns(plot->reader, &plot->replay);
	const bool late = plot->replay.blocks_peak_ns > end_ns - end_ns / 4;
	report_buffer size;

	if (peak->bytes == 0)
		return;
	fprintf(out, "set label \"peak of the heap: %s\" at first ",
		report_size(peak->bytes, size));
	put_seconds(out, plot->replay.blocks_peak_ns);
	fprintf(out,
		", first %.6f %s offset character %s,0.9 point pt 7 ps 0.9 lc rgb '#c03030' textcolor rgb '#c03030' front\n",
		(double)peak->bytes / MIB, late ? "right" : "left", late ? "-0.5" : "0.5");
}

/* Where the process was when RSS was largest at an event of the interpreter. */
static void put_place(struct reader *reader, const struct pmt_record *record, FILE *out)
{
	struct reader_code code;
	uint64_t id;
	uint64_t line;

	switch (record->type) {
	case PMT_REC_line:
		id = record->line.code;
		line = record->line.line;
		break;
	case PMT_REC_pyevent:
		id = record->pyevent.code;
		line = reader_position_line(reader, id, record->pyevent.position);
		break;
	case PMT_REC_c_event:
		id = record->c_event.code;
		line = reader_position_line(reader, id, record->c_event.position);
		break;
	default: { /* create and destroy */
		const uint64_t stack = record->type == PMT_REC_create ? record->create.stack
								      : record->destroy.stack;

		id = reader_stack_code(reader, stack);
		line = reader_stack_line(reader, stack);
	}
	}
	if (id == 0)
		return;
	reader_code(reader, id, &code);
	fputs("\\n", out);
	escape_gnuplot(out, code.file, PLACE_BYTES);
	fprintf(out, ":%" PRIu64 " ", line);
	escape_gnuplot(out, code.qualname, PLACE_BYTES);
}

static void put_event_peak(const struct plot *plot, FILE *out)
{
	const struct plot_events *events = &plot->events;
	const uint64_t end_ns = report_duration_ns(plot->reader, &plot->replay);
	const bool late = events->peak_ns > end_ns - end_ns / 4;
	report_buffer size;

	if (events->peak_rss == 0)
		return;
	fprintf(out, "set label \"%s", report_size(events->peak_rss, size));
	put_place(plot->reader, &events->peak.record, out);
	fputs("\" at first ", out);
	put_seconds(out, events->peak_ns);
	fprintf(out,
		", first %.6f %s offset character %s,1.9 point pt 6 ps 1 lc rgb '#b03060' font ',9' textcolor rgb '#b03060' front\n",
		(double)events->peak_rss / MIB, late ? "right" : "left", late ? "-0.5" : "0.5");
}

/* What the axis on the right is for; nothing if the log has nothing of it. */
static enum plot_second second_of(const struct plot *plot, const struct plot_style *style)
{
	if (style->second == PLOT_SECOND_OBJECTS && plot->events.has_objects)
		return PLOT_SECOND_OBJECTS;
	if (style->second == PLOT_SECOND_EVENTS && plot->events.count != 0)
		return PLOT_SECOND_EVENTS;
	return PLOT_SECOND_NONE;
}

static void put_second_axis(enum plot_second second, FILE *out)
{
	if (second == PLOT_SECOND_NONE)
		return;
	fprintf(out,
		"set border 11 lc rgb '#606060'\nset y2tics out textcolor rgb '#707070'\n"
		"set y2range [0:*]\nset format y2 '%%.0s%%c'\nset y2label '%s'\n",
		second == PLOT_SECOND_OBJECTS ? "live Python objects"
					      : "events of the interpreter a second");
}

/* The curve of the axis on the right, below the others; returns what stands before the next one. */
static const char *put_second_curve(const struct plot *plot, const char *name,
				    enum plot_second second, FILE *out)
{
	if (second == PLOT_SECOND_NONE)
		return "";
	if (second == PLOT_SECOND_OBJECTS) {
		fprintf(out, "'%s.dat' index 1 using 1:3 axes x1y2 with steps", name);
	} else {
		fprintf(out, "'%s.dat' index 2 using 1:($2/", name);
		put_seconds(out, plot->events.interval_ns);
		fputs(") axes x1y2 with steps", out);
	}
	fprintf(out, " lw 1 lc rgb '#a0a0a0' title '%s (right)'",
		second == PLOT_SECOND_OBJECTS ? "live objects" : "events");
	return ", \\\n\t";
}

static void put_event_curve(const struct plot *plot, const char *name, FILE *out)
{
	if (plot->events.peak_rss != 0)
		fprintf(out,
			", \\\n\t'%s.dat' index 1 using 1:($2/MiB) with steps lw 1.2 lc rgb '#b03060' title 'RSS at Python events'",
			name);
}

struct curve {
	enum series_column column;
	const char *style;
	const char *title;
	bool shown;
};

static void put_curves(const struct plot *plot, const char *name, enum plot_second second,
		       FILE *out)
{
	const char *block = plot->events.count != 0 ? " index 0" : "";
	const struct mapping_total *totals = plot->replay.mappings.totals;
	const bool mapped = totals[MAPPING_ANONYMOUS].peak_bytes != 0;
	const bool rss = plot->replay.rss.samples != 0;
	const struct curve curves[] = {
		{SERIES_HEAP, "fillsteps fs transparent solid 0.25 noborder lc rgb '#3070b0'", "",
		 true},
		{SERIES_HEAP, "steps lw 1.6 lc rgb '#3070b0'", "heap", true},
		{SERIES_ANONYMOUS, "steps lw 1.4 lc rgb '#40a060'", "anonymous mappings", mapped},
		{SERIES_FILE, "steps lw 1.2 lc rgb '#a08040'", "file mappings",
		 totals[MAPPING_FILE].peak_bytes != 0},
		{SERIES_RESERVED, "steps lw 1.2 dt 3 lc rgb '#909090'", "reserved",
		 totals[MAPPING_RESERVED].peak_bytes != 0},
		{SERIES_RSS, "lines lw 1.4 dt 2 lc rgb '#d08030'", "RSS", rss},
		{SERIES_RSS_NET, "lines lw 1.6 lc rgb '#d08030'", "RSS without the tracer", rss},
		{SERIES_SWAP, "steps lw 1.4 lc rgb '#8050a0'", "swapped out",
		 plot->replay.rss.peak.swap != 0},
	};
	const char *between;

	fputs("MiB = 1048576.0\n# Address space can be much larger than all else: 1 shows it.\n"
	      "if (!exists('reserved')) reserved = 0\nplot ",
	      out);
	between = put_second_curve(plot, name, second, out);
	for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
		const bool hidden = curves[i].column == SERIES_RESERVED;

		if (!curves[i].shown)
			continue;
		fprintf(out, "%s'%s.dat'%s using 1:(%s$%d/MiB) with %s ", between, name, block,
			hidden ? "!reserved ? NaN : " : "", curves[i].column + 2, curves[i].style);
		if (hidden)
			fprintf(out, "title reserved ? '%s' : ''", curves[i].title);
		else if (curves[i].title[0] != '\0')
			fprintf(out, "title '%s'", curves[i].title);
		else
			fputs("notitle", out);
		between = ", \\\n\t";
	}
	put_event_curve(plot, name, out);
	fputs("\nif (exists('window')) { pause mouse close }\n", out);
}

void plot_write_script(const struct plot *plot, const struct plot_style *style, const char *name,
		       FILE *out)
{
	const enum plot_second second = second_of(plot, style);

	fputs(PLOT_SIGNATURE, out);
	plot_put_terminal(style, name, out);
	put_title(plot, out);
	put_axes(plot, out);
	put_second_axis(second, out);
	put_marks(plot, out);
	put_peak(plot, out);
	put_event_peak(plot, out);
	put_curves(plot, name, second, out);
}
