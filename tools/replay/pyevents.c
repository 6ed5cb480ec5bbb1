/* SPDX-License-Identifier: MIT */
/* Counts of the interpreter's events, and what the tracer noted about them. */
#include "pyevents.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

static void add_notice(struct pyevents *events, const struct reader_event *event)
{
	const struct pmt_notice *record = &event->record.notice;
	const size_t size = record->text.size;

	if (events->notice_count++ >= PYEVENTS_NOTICES_MAX)
		return;
	char *text = need_memory(size + 1);

	if (size != 0)
		memcpy(text, record->text.data, size);
	text[size] = '\0';
	events->notices[events->notice_count - 1] =
		(struct pyevents_notice){record->what, event->time_ns, text};
}

void pyevents_add(struct pyevents *events, const struct reader_event *event)
{
	const struct pmt_record *record = &event->record;

	events->skipped += event->skipped;
	switch (record->type) {
	case PMT_REC_pyevent:
		events->what[record->pyevent.what % PYEVENTS_WHAT]++;
		break;
	case PMT_REC_c_event:
		events->c_what[record->c_event.what % PYEVENTS_C_WHAT]++;
		break;
	case PMT_REC_line:
		events->lines++;
		break;
	case PMT_REC_create:
		events->creates++;
		break;
	case PMT_REC_destroy:
		events->destroys++;
		events->inferred += record->destroy.inferred != 0;
		break;
	case PMT_REC_notice:
		add_notice(events, event);
		break;
	default:
		break;
	}
}

void pyevents_fini(struct pyevents *events)
{
	for (size_t i = 0; i < PYEVENTS_NOTICES_MAX; i++)
		free(events->notices[i].text);
	*events = (struct pyevents){0};
}

uint64_t pyevents_count(const struct pyevents *events)
{
	uint64_t count = events->lines + events->creates + events->destroys;

	for (size_t i = 0; i < PYEVENTS_WHAT; i++)
		count += events->what[i];
	for (size_t i = 0; i < PYEVENTS_C_WHAT; i++)
		count += events->c_what[i];
	return count;
}
