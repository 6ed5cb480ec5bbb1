/* SPDX-License-Identifier: MIT */
/* One moment in several logs: a pass over each log, one after the other, then one point in time. */
#include "moments.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dropped.h"
#include "error.h"
#include "header.h"
#include "progress.h"
#include "reader.h"
#include "replay.h"
#include "source.h"

/* Clocks of the day that differ by less are those of one boot: they are set now and then. */
#define SAME_BOOT_NS 10000000000ULL

/* What a pass over a log looks for. */
struct scan {
	const struct moments *moments;
	struct moments_log *log;
	struct replay *replay; /* MOMENT_PEAK */
	struct curve curve;    /* MOMENT_PEAK, MOMENT_RSS_PEAK */
	uint32_t number;       /* of the log */
	uint64_t last_ns;
	bool python_ended;
	/* MOMENT_END, MOMENT_MARK */
	bool found;
	uint64_t found_ns;
	uint64_t found_number;
	uint64_t found_order;
};

/* The best of all logs so far. */
struct choice {
	bool found;
	uint32_t log;
	uint64_t time_ns; /* common time */
	uint64_t number;
	uint64_t late_order; /* 0: not known */
};

static uint64_t common_time(const struct moments_log *log, uint64_t time_ns)
{
	return time_ns + log->shift_ns;
}

/* --- headers --- */

static int read_header(struct moments_log *log)
{
	struct source *source;
	union header_bytes head;
	const struct pmt_header *h = &head.header;

	if (source_open(log->path, &source) != 0)
		return -1;
	const int64_t got = source_read(source, head.bytes, sizeof(head.bytes), 0);
	const int result = got < 0 ? -1 : header_check(log->path, &head, got);

	source_close(source);
	if (result != 0)
		return -1;
	log->start_ns = log->first_ns = h->start_ns;
	log->end_ns = h->live.end_ns > h->start_ns ? h->live.end_ns : h->start_ns;
	log->realtime_ns = h->start_realtime_ns;
	log->pid = h->pid;
	log->state = h->live.state;
	log->readable = true;
	return 0;
}

/* The clock of the day minus that of the records. */
static uint64_t boot_ns(const struct moments_log *log)
{
	return log->realtime_ns - log->start_ns;
}

static void find_shifts(struct moments *moments)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (size_t i = 0; i < moments->count; i++) {
		const struct moments_log *log = &moments->logs[i];

		if (!log->readable)
			continue;
		least = boot_ns(log) < least ? boot_ns(log) : least;
		most = boot_ns(log) > most ? boot_ns(log) : most;
	}
	for (size_t i = 0; i < moments->count && most > least; i++)
		if (most - least > SAME_BOOT_NS)
			moments->logs[i].shift_ns = boot_ns(&moments->logs[i]);
}

static uint64_t first_start(const struct moments *moments)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < moments->count; i++) {
		const struct moments_log *log = &moments->logs[i];

		if (log->readable && common_time(log, log->start_ns) < first)
			first = common_time(log, log->start_ns);
	}
	return first;
}

static uint64_t last_end(const struct moments *moments)
{
	uint64_t last = 0;

	for (size_t i = 0; i < moments->count; i++) {
		const struct moments_log *log = &moments->logs[i];

		if (log->readable && common_time(log, log->end_ns) > last)
			last = common_time(log, log->end_ns);
	}
	return last;
}

/* Whether tracing had to stop in the log that ends last, at END. */
static bool last_stopped(const struct moments *moments, uint64_t end)
{
	for (size_t i = 0; i < moments->count; i++) {
		const struct moments_log *log = &moments->logs[i];

		if (log->readable && common_time(log, log->end_ns) == end &&
		    log->state == PMT_STATE_STOPPED)
			return true;
	}
	return false;
}

/* Whether OTHER is of the same process as LOG, which ran another program. */
static bool goes_on_in(const struct moments_log *log, const struct moments_log *other)
{
	return other != log && other->readable && other->pid == log->pid &&
	       common_time(other, other->start_ns) >= common_time(log, log->end_ns);
}

static void find_processes(struct moments *moments)
{
	for (size_t i = 0; i < moments->count; i++) {
		struct moments_log *log = &moments->logs[i];

		for (size_t j = 0; log->state == PMT_STATE_EXECED && j < moments->count; j++)
			log->replaced |= goes_on_in(log, &moments->logs[j]);
		moments->processes += log->readable && !log->replaced;
	}
}

/* --- a pass over a log --- */

static void add_point(struct scan *scan, uint64_t time_ns, uint64_t most, uint64_t last,
		      uint64_t number)
{
	const struct curve_point point = {
		.time_ns = common_time(scan->log, time_ns),
		.most = most,
		.last = last,
		.number = number,
		.log = scan->number,
	};

	curve_add(&scan->curve, &point);
}

/* After some events, the last of them NUMBER; the replay's peak is that of these alone. */
static void add_memory(struct scan *scan, uint64_t time_ns, uint64_t number)
{
	const uint64_t now = replay_memory(scan->replay);
	const struct replay_peak *peak = &scan->replay->memory;

	if (peak->bytes > now)
		add_point(scan, time_ns, peak->bytes, now, peak->number);
	else
		add_point(scan, time_ns, now, now, number);
}

static void note_event(struct scan *scan, const struct reader_event *event)
{
	scan->found = true;
	scan->found_ns = event->time_ns;
	scan->found_number = event->number;
	scan->found_order = event->order;
}

static bool is_program_end(const struct pmt_record *record)
{
	return (record->type == PMT_REC_process && record->process.what == PMT_LIFE_PROGRAM_END) ||
	       (record->type == PMT_REC_census && record->census.moment == PMT_MOMENT_END);
}

static void look_for(struct scan *scan, const struct reader_event *event)
{
	const struct moment *moment = &scan->moments->moment;
	const struct pmt_record *record = &event->record;

	scan->python_ended |=
		record->type == PMT_REC_process && record->process.what == PMT_LIFE_PYTHON_END;
	if (moment->kind == MOMENT_END && is_program_end(record))
		note_event(scan, event);
	if (moment->kind == MOMENT_MARK && !scan->found && record->type == PMT_REC_mark &&
	    record->mark.text.size == strlen(moment->label) &&
	    memcmp(record->mark.text.data, moment->label, record->mark.text.size) == 0)
		note_event(scan, event);
	if (moment->kind == MOMENT_RSS_PEAK && record->type == PMT_REC_rss)
		add_point(scan, event->time_ns, record->rss.resident, record->rss.resident,
			  event->number);
}

static int visit_event(void *context, const struct reader_event *event)
{
	struct scan *scan = context;

	progress_step(event->number);
	scan->last_ns = event->time_ns;
	if (scan->replay == NULL) {
		look_for(scan, event);
		return 0;
	}
	scan->replay->memory.bytes = 0;
	replay_event(scan->replay, event);
	add_memory(scan, event->time_ns, event->number);
	return 0;
}

static int visit_blocks(void *context, const struct reader_blocks *blocks)
{
	struct scan *scan = context;

	progress_steps(blocks->number, blocks->count);
	scan->last_ns = blocks->time_ns;
	if (scan->replay == NULL)
		return 0;
	scan->replay->memory.bytes = 0;
	replay_blocks(scan->replay, blocks);
	add_memory(scan, blocks->time_ns, blocks->number + blocks->count - 1);
	return 0;
}

static void run_scan(struct scan *scan, struct reader *reader)
{
	struct replay replay;

	if (scan->moments->moment.kind == MOMENT_PEAK) {
		replay_init(&replay, reader_header(reader));
		replay_begin(&replay, reader);
		scan->replay = &replay;
	}
	progress_begin(reader_path(reader));
	(void)reader_run_blocks(reader, visit_event, visit_blocks, scan); /* errors come again */
	progress_end();
	if (scan->replay != NULL)
		replay_fini(&replay);
	scan->replay = NULL;
}

static int scan_log(struct scan *scan)
{
	struct moments_log *log = scan->log;
	struct reader *reader;

	if (reader_open(log->path, &reader) != 0) {
		log->readable = false;
		return -1;
	}
	if (reader_dropped(reader) != NULL &&
	    reader_dropped(reader)->numbers.time_ns > log->start_ns)
		log->first_ns = reader_dropped(reader)->numbers.time_ns;
	if (scan->moments->moment.kind != MOMENT_TIME || log->end_ns == log->start_ns)
		run_scan(scan, reader);
	if (scan->last_ns > log->end_ns)
		log->end_ns = scan->last_ns;
	reader_close(reader);
	return 0;
}

/* --- all logs --- */

/* A log that reached its size limit has nothing of before its kept window. */
static bool is_before_window(const struct moments_log *log)
{
	return log->alive && log->first_ns > log->until_ns;
}

static void leave_out(struct moments_log *log)
{
	error("warning: %s is left out: it reached its size limit, and what was live at that moment is not known",
	      log->path);
	log->readable = log->alive = false;
}

/* The moment is that of the event NUMBER of the log CHOICE->log, and includes it. */
static void cut_logs(struct moments *moments, const struct choice *choice)
{
	for (size_t i = 0; i < moments->count; i++) {
		struct moments_log *log = &moments->logs[i];
		const uint64_t start = common_time(log, log->start_ns),
			       end = common_time(log, log->end_ns);
		const bool before = i < choice->log;

		log->alive = log->readable && start <= choice->time_ns &&
			     (before ? end > choice->time_ns : end >= choice->time_ns);
		log->until_ns = choice->time_ns - log->shift_ns - (before ? 0 : 1);
		if (i != choice->log && is_before_window(log))
			leave_out(log);
		if (i != choice->log)
			continue;
		log->alive = true;
		log->until_ns = UINT64_MAX;
		log->until_number = choice->number;
		log->late_order = choice->late_order;
	}
	moments->at_ns = choice->time_ns - first_start(moments);
}

static int cut_at_time(struct moments *moments)
{
	const uint64_t first = first_start(moments);
	const uint64_t length = last_end(moments) - first;
	const uint64_t at = first + moments->moment.at_ns;

	if (moments->moment.at_ns > length)
		return error("--at: %.3f s is after the end: the log%s from 0 to %.3f s%s",
			     (double)moments->moment.at_ns / 1e9,
			     moments->count == 1 ? " goes" : "s go", (double)length / 1e9,
			     last_stopped(moments, last_end(moments)) ? ", when tracing stopped"
								      : "");
	for (size_t i = 0; i < moments->count; i++) {
		struct moments_log *log = &moments->logs[i];

		log->alive = log->readable && common_time(log, log->start_ns) <= at &&
			     common_time(log, log->end_ns) >= at;
		log->until_ns = at - log->shift_ns;
		if (is_before_window(log))
			return error(
				"--at: %s has what was live from %.3f to %.3f s only: it reached its size limit",
				log->path, (double)(common_time(log, log->first_ns) - first) / 1e9,
				(double)length / 1e9);
	}
	moments->at_ns = moments->moment.at_ns;
	return 0;
}

/* Before such a mark the tracer does not see to it that all live blocks get records. */
static bool is_of_context(const char *label)
{
	return strncmp(label, PMT_MARK_OF_CONTEXT, strlen(PMT_MARK_OF_CONTEXT)) == 0;
}

static void take_scan(struct choice *choice, const struct scan *scan)
{
	const uint64_t time_ns = common_time(scan->log, scan->found_ns);

	if (choice->found && choice->time_ns <= time_ns)
		return;
	*choice = (struct choice){
		.found = true,
		.log = scan->number,
		.time_ns = time_ns,
		.number = scan->found_number,
		.late_order = is_of_context(scan->moments->moment.label) ? 0 : scan->found_order};
}

/* --at end: each log for itself. */
static void cut_end(const struct scan *scan)
{
	struct moments_log *log = scan->log;

	log->no_end = !scan->found && scan->python_ended;
	if (!scan->found)
		return;
	log->until_number = scan->found_number;
	log->late_order = scan->found_order;
}

static int choose_moment(struct moments *moments, struct choice *choice, struct curve *sum)
{
	const struct curve_point *peak = curve_peak(sum);

	if (peak != NULL && (peak->most != 0 || moments->moment.kind == MOMENT_PEAK)) {
		*choice = (struct choice){.found = true,
					  .log = peak->log,
					  .time_ns = peak->most_ns,
					  .number = peak->number};
		moments->most = peak->most;
	}
	if (moments->moment.kind == MOMENT_MARK && !choice->found)
		return error("--at: no mark '%s' in %s", moments->moment.label,
			     moments->count == 1 ? moments->logs[0].path : "these logs");
	if (moments->moment.kind == MOMENT_RSS_PEAK && !choice->found)
		return error("--at: no samples of the resident set in %s",
			     moments->count == 1 ? moments->logs[0].path : "these logs");
	if (choice->found)
		cut_logs(moments, choice);
	return 0;
}

static int scan_all(struct moments *moments)
{
	struct choice choice = {0};
	struct curve sum;

	curve_init(&sum);
	for (size_t i = 0; i < moments->count; i++) {
		struct scan scan = {
			.moments = moments, .log = &moments->logs[i], .number = (uint32_t)i};

		if (!scan.log->readable)
			continue;
		curve_init(&scan.curve);
		scan_log(&scan);
		if (moments->moment.kind == MOMENT_END)
			cut_end(&scan);
		if (moments->moment.kind == MOMENT_MARK && scan.found)
			take_scan(&choice, &scan);
		if (scan.curve.count != 0) {
			add_point(&scan, scan.log->end_ns, 0, 0, 0);
			curve_join(&sum, &scan.curve);
		}
		curve_fini(&scan.curve);
	}
	const int result = moments->moment.kind == MOMENT_TIME
				   ? cut_at_time(moments)
				   : choose_moment(moments, &choice, &sum);

	curve_fini(&sum);
	return result;
}

int moments_init(struct moments *moments, const struct moment *moment, char **paths, size_t count)
{
	*moments = (struct moments){.moment = *moment, .count = count};
	moments->logs = need_memory(count * sizeof(*moments->logs));
	for (size_t i = 0; i < count; i++) {
		struct moments_log *log = &moments->logs[i];

		*log = (struct moments_log){
			.path = paths[i], .until_ns = UINT64_MAX, .until_number = UINT64_MAX};
		(void)read_header(log);
		log->alive = log->readable;
	}
	find_shifts(moments);
	find_processes(moments);
	moments->single_pass = count == 1 && moment->kind == MOMENT_PEAK;
	if (moments->processes != 0 && !moments->single_pass && moment->kind != MOMENT_EXIT &&
	    scan_all(moments) != 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (moment->kind == MOMENT_END || moment->kind == MOMENT_EXIT)
			moments->logs[i].alive =
				moments->logs[i].readable && !moments->logs[i].replaced;
	return 0;
}

void moments_fini(struct moments *moments)
{
	free(moments->logs);
	moments->logs = NULL;
}
