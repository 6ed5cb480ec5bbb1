/* SPDX-License-Identifier: MIT */
/* The interpreter's events in the picture of a log. */
#include "plot_events.h"

#include <string.h>

/* A hostile log may say anything of its clock. */
enum { INTERVAL_MIN_NS = 1024, INTERVAL_START_NS = 1 << 30 };

void plot_events_init(struct plot_events *events, bool count_objects, uint64_t resolution_ns)
{
	memset(events, 0, sizeof(*events));
	series_init(&events->series);
	objmap_init(&events->live);
	events->count_objects = count_objects;
	events->rss = SERIES_UNKNOWN;
	events->interval_ns = INTERVAL_MIN_NS;
	while (events->interval_ns < resolution_ns && events->interval_ns < INTERVAL_START_NS)
		events->interval_ns *= 2;
}

void plot_events_fini(struct plot_events *events)
{
	series_fini(&events->series);
	objmap_fini(&events->live);
}

static void add_point(struct plot_events *events, uint64_t time_ns)
{
	struct series_point point = {.time_ns = time_ns};

	for (size_t i = 0; i < SERIES_COLUMNS; i++)
		point.values[i] = SERIES_UNKNOWN;
	point.values[PLOT_EVENT_RSS] = events->rss;
	if (events->count_objects)
		point.values[PLOT_EVENT_OBJECTS] = events->live.count;
	series_add(&events->series, &point);
}

/* Make intervals twice as long: two neighbours become one. */
static void widen_spans(struct plot_events *events)
{
	for (size_t i = 0; i < PLOT_INTERVALS_MAX; i++) {
		const uint64_t count = events->intervals[i];

		events->intervals[i] = 0;
		events->intervals[i / 2] += count;
	}
	events->interval_ns *= 2;
}

static void count_event(struct plot_events *events, uint64_t time_ns)
{
	while (time_ns / events->interval_ns >= PLOT_INTERVALS_MAX)
		widen_spans(events);
	events->intervals[time_ns / events->interval_ns]++;
	events->count++;
}

/* Returns whether the number of live objects has changed. */
static bool count_object(struct plot_events *events, const struct pmt_record *record)
{
	const struct objmap_object object = {.site = 1};
	const size_t before = events->live.count;
	struct objmap_object old;

	if (record->type == PMT_REC_create)
		objmap_put(&events->live, record->create.addr, &object, &old);
	else if (record->type == PMT_REC_destroy)
		objmap_take(&events->live, record->destroy.addr, &old);
	events->has_objects |= events->live.count != before;
	return events->live.count != before;
}

/* Points are added where something changes, so most events cost little. */
void plot_events_add(struct plot_events *events, const struct reader_event *event, uint64_t time_ns)
{
	bool changed = events->count == 0;

	count_event(events, time_ns);
	events->last_ns = time_ns;
	if (event->rss_bytes != 0 && event->rss_bytes != events->rss) {
		changed = true;
		events->rss = event->rss_bytes;
	}
	if (event->rss_bytes > events->peak_rss) {
		events->peak_rss = event->rss_bytes;
		events->peak_ns = time_ns;
		events->peak = *event;
	}
	if (events->count_objects && count_object(events, &event->record))
		changed = true;
	if (changed)
		add_point(events, time_ns);
}

void plot_events_end(struct plot_events *events, uint64_t time_ns)
{
	if (events->count != 0)
		add_point(events, time_ns > events->last_ns ? time_ns : events->last_ns);
}
