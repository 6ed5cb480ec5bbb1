/* SPDX-License-Identifier: MIT */
/* The section of `pymemtrace stats` on the interpreter's events, as text and as JSON. */
#include "pyevents_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "names.h"
#include "report.h"

/* Call VISIT with the name and the number of each kind that has a name, or events. */
static void each_kind(const struct pyevents *events,
		      void (*visit)(void *context, const char *name, uint64_t count), void *context)
{
	char number[32];

	for (size_t i = 0; i < PYEVENTS_WHAT; i++)
		visit(context, pmt_name("PYEVENT", i), events->what[i]);
	for (size_t i = 0; i < PYEVENTS_C_WHAT; i++) {
		const char *name = pmt_name("CEVENT", i);

		if (name == NULL && events->c_what[i] == 0)
			continue;
		snprintf(number, sizeof(number), "c-event %zu", i);
		visit(context, name != NULL ? name : number, events->c_what[i]);
	}
	visit(context, "line", events->lines);
	visit(context, "create", events->creates);
	visit(context, "destroy", events->destroys);
}

/* --- text --- */

static void print_kind(void *context, const char *name, uint64_t count)
{
	report_buffer buffer;

	(void)context;
	if (count != 0)
		printf("  %-18s %s\n", name, report_count(count, buffer));
}

static const char *notice_name(const struct pyevents_notice *notice, char buffer[32])
{
	const char *name = pmt_name("NOTICE", notice->what);

	snprintf(buffer, 32, "notice %" PRIu64, notice->what);
	return name != NULL ? name : buffer;
}

static double seconds_of(const struct pyevents_notice *notice, const struct reader *reader)
{
	const uint64_t start_ns = reader_header(reader)->start_ns;

	return notice->time_ns > start_ns ? report_seconds(notice->time_ns - start_ns) : 0;
}

static void print_notices(const struct pyevents *events, const struct reader *reader)
{
	report_buffer count;
	char buffer[32];

	for (size_t i = 0; i < events->notice_count && i < PYEVENTS_NOTICES_MAX; i++) {
		const struct pyevents_notice *notice = &events->notices[i];

		printf("  notice at %.3f s: %s: ", seconds_of(notice, reader),
		       notice_name(notice, buffer));
		escape_terminal(stdout, notice->text, ESCAPE_LENGTH);
		putchar('\n');
	}
	if (events->notice_count > PYEVENTS_NOTICES_MAX)
		printf("  %s more notices\n",
		       report_count(events->notice_count - PYEVENTS_NOTICES_MAX, count));
}

void pyevents_print(const struct pyevents *events, const struct reader *reader)
{
	const uint64_t all = pyevents_count(events);

	if (all == 0 && events->skipped == 0 && events->notice_count == 0)
		return;
	puts("\nEvents of the interpreter");
	print_kind(NULL, "all", all);
	each_kind(events, print_kind, NULL);
	print_kind(NULL, "inferred", events->inferred);
	print_kind(NULL, "passed over", events->skipped);
	print_notices(events, reader);
}

/* --- JSON --- */

static void put_kind(void *context, const char *name, uint64_t count)
{
	report_put_number(context, name, count);
}

static json_t *json_notices(const struct pyevents *events, const struct reader *reader)
{
	json_t *list = json_array();
	char buffer[32];

	for (size_t i = 0; i < events->notice_count && i < PYEVENTS_NOTICES_MAX; i++) {
		const struct pyevents_notice *notice = &events->notices[i];
		json_t *object = json_object();

		json_object_set_new(object, "time_s", json_real(seconds_of(notice, reader)));
		json_object_set_new(object, "what", json_string(notice_name(notice, buffer)));
		json_object_set_new(object, "text",
				    report_json_text(notice->text, strlen(notice->text)));
		json_array_append_new(list, object);
	}
	return list;
}

json_t *pyevents_json(const struct pyevents *events, const struct reader *reader)
{
	const uint64_t all = pyevents_count(events);
	json_t *object, *kinds;

	if (all == 0 && events->skipped == 0 && events->notice_count == 0)
		return json_null();
	object = json_object();
	kinds = json_object();
	each_kind(events, put_kind, kinds);
	report_put_number(object, "count", all);
	json_object_set_new(object, "by_kind", kinds);
	report_put_number(object, "inferred_ends", events->inferred);
	report_put_number(object, "skipped", events->skipped);
	report_put_number(object, "notice_count", events->notice_count);
	json_object_set_new(object, "notices", json_notices(events, reader));
	return object;
}
