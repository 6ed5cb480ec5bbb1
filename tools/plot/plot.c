/* SPDX-License-Identifier: MIT */
/* The curves and marks of one log. */
#include "plot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "damage.h"
#include "error.h"
#include "log_end.h"
#include "progress.h"

static struct series_point point_now(const struct replay *replay)
{
	const struct mapping_total *totals = replay->mappings.totals;
	const struct replay_rss *rss = &replay->rss;
	const uint64_t own = rss->last_own_bytes;
	const uint64_t resident = rss->last_bytes;
	struct series_point point = {.time_ns = replay->last_ns};

	point.values[SERIES_HEAP] = replay->blocks.live.bytes;
	point.values[SERIES_ANONYMOUS] = totals[MAPPING_ANONYMOUS].bytes;
	point.values[SERIES_FILE] = totals[MAPPING_FILE].bytes;
	point.values[SERIES_RESERVED] = totals[MAPPING_RESERVED].bytes;
	point.values[SERIES_RSS] = rss->samples != 0 ? resident : SERIES_UNKNOWN;
	point.values[SERIES_RSS_NET] = SERIES_UNKNOWN;
	if (rss->samples != 0)
		point.values[SERIES_RSS_NET] = resident > own ? resident - own : 0;
	point.values[SERIES_SWAP] = rss->details != 0 ? rss->last.swap : SERIES_UNKNOWN;
	return point;
}

/* Text of the program: cut, and not within a character of UTF-8. */
static void add_mark(struct plot *plot, const char *text, size_t size)
{
	const size_t position = plot->mark_count++;

	if (position >= PLOT_MARKS_MAX)
		return;
	struct plot_mark *mark = &plot->marks[position];

	if (size > PLOT_MARK_TEXT)
		for (size = PLOT_MARK_TEXT; size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80;)
			size--;
	mark->time_ns = plot->replay.last_ns;
	if (size != 0)
		memcpy(mark->text, text, size);
	mark->text[size] = '\0';
}

static void add_life_point(struct plot *plot, const struct pmt_process *record)
{
	const char *name = pmt_name("LIFE", record->what);
	char text[PLOT_MARK_TEXT];

	if (name == NULL)
		return;
	if (record->what == PMT_LIFE_FORK && record->value != 0)
		snprintf(text, sizeof(text), "%s %" PRIu64, name, record->value);
	else
		snprintf(text, sizeof(text), "%s", name);
	add_mark(plot, text, strlen(text));
}

static void add_notice(struct plot *plot, const struct pmt_notice *record)
{
	const char *name = pmt_name("NOTICE", record->what);

	if (name != NULL)
		add_mark(plot, name, strlen(name));
}

static int visit_event(void *context, const struct reader_event *event)
{
	struct plot *plot = context;
	const struct pmt_record *record = &event->record;

	progress_step(event->number);
	replay_event(&plot->replay, event);
	if (reader_is_python_event(record->type)) {
		plot_events_add(&plot->events, event, plot->replay.last_ns);
		return 0;
	}
	const struct series_point point = point_now(&plot->replay);

	series_add(&plot->series, &point);
	if (record->type == PMT_REC_mark)
		add_mark(plot, (const char *)record->mark.text.data, record->mark.text.size);
	else if (record->type == PMT_REC_process)
		add_life_point(plot, &record->process);
	else if (record->type == PMT_REC_notice)
		add_notice(plot, &record->notice);
	return 0;
}

int plot_init(struct plot *plot, const char *path, bool objects)
{
	memset(plot, 0, sizeof(*plot));
	if (reader_open(path, &plot->reader) != 0)
		return EXIT_DATA;
	log_end_warn(plot->reader);
	replay_init(&plot->replay, reader_header(plot->reader));
	replay_begin(&plot->replay, plot->reader);
	series_init(&plot->series);
	plot_events_init(&plot->events, objects, 2 * reader_header(plot->reader)->rss_interval_ns);
	progress_begin(path);
	const int result = reader_run(plot->reader, visit_event, plot);

	progress_end();
	plot_events_end(&plot->events, plot->replay.last_ns);
	damage_warn(plot->reader);
	return result != 0 ? EXIT_DATA : EXIT_OK;
}

void plot_fini(struct plot *plot)
{
	if (plot->reader == NULL)
		return;
	series_fini(&plot->series);
	plot_events_fini(&plot->events);
	replay_fini(&plot->replay);
	reader_close(plot->reader);
}
