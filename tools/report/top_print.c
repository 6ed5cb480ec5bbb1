/* SPDX-License-Identifier: MIT */
/* The rows of top as a table. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "moment_print.h"
#include "replay.h"
#include "report.h"
#include "top.h"

static void print_text(const struct top *top, uint32_t text)
{
	escape_terminal(stdout, top->frames.texts[text], ESCAPE_LENGTH);
}

static void print_frame(const struct top *top, const struct frame *frame)
{
	print_text(top, frame->file);
	if (frame->file == top->no_frame)
		return;
	if (frame->line != 0)
		printf(":%" PRIu32, frame->line);
	if (frame->function != 0) {
		putchar(' ');
		print_text(top, frame->function);
	}
}

static void print_thread(const struct top *top, const struct top_row *row)
{
	const struct thread *thread = top_row_thread(top, row);

	printf("thread %" PRIu32, row->key.thread);
	if (thread != NULL && thread->name_size != 0) {
		putchar(' ');
		escape_terminal_sized(stdout, thread->name, thread->name_size, 40);
	}
}

static void print_process(const struct top_process *process)
{
	printf("process %" PRIu32 " ", process->pid);
	escape_terminal(stdout, process->path, ESCAPE_LENGTH);
}

static void print_name(const struct top *top, const struct top_row *row)
{
	const struct top_process *process = top_row_process(top, row);
	struct frame frame;
	char buffer[32];

	if (top->options.by == TOP_BY_PROCESS) {
		print_process(process);
		return;
	}
	if (process != NULL && (top->options.per_process || top->process_count > 1))
		printf("[%" PRIu32 "] ", process->pid);
	if (top->options.by == TOP_BY_THREAD)
		print_thread(top, row);
	else if (top->options.by == TOP_BY_ALLOCATOR)
		fputs(replay_kind_name(row->key.kind - 1, buffer), stdout);
	else if (top->options.by == TOP_BY_TYPE)
		print_text(top, row->key.type);
	else if (top_row_frame(top, row, &frame))
		print_frame(top, &frame);
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

static void print_columns(const struct top *top, const struct amount *amount)
{
	report_buffer size;
	report_buffer count;
	report_buffer average;

	printf("%11s %6.1f%% %12s %11s  ", report_cell(amount->bytes, size),
	       percent(amount->bytes, top->all.bytes), report_count(amount->count, count),
	       report_cell(amount->count == 0 ? 0 : amount->bytes / amount->count, average));
}

/* Below a row by stack: the callers, one a line. */
static void print_callers(const struct top *top, uint32_t stack)
{
	while (stack != 0 && (stack = top->frames.frames[stack].caller) != 0) {
		printf("%46s", "");
		print_frame(top, &top->frames.frames[stack]);
		putchar('\n');
	}
}

static void print_rows(const struct top *top, uint64_t limit)
{
	struct amount rest = top->shown;
	report_buffer count;

	printf("\n%11s %7s %12s %11s\n", "size", "share", "count", "average");
	for (uint32_t i = 0; i < top->count && i < limit; i++) {
		const struct top_row *row = &top->rows[i];

		print_columns(top, &row->amount);
		print_name(top, row);
		putchar('\n');
		if (top->options.by == TOP_BY_STACK)
			print_callers(top, row->key.stack);
		rest.bytes -= row->amount.bytes;
		rest.count -= row->amount.count;
	}
	if (top->count > limit) {
		print_columns(top, &rest);
		printf("%s more\n", report_count(top->count - limit, count));
	}
}

/* AMOUNT, of which MAPPED are mappings. */
static void print_amount(const struct amount *amount, const struct amount *mapped)
{
	const uint64_t blocks = amount->count - mapped->count;
	report_buffer count;

	report_put_bytes(amount->bytes);
	fputs(" in ", stdout);
	if (blocks != 0 || mapped->count == 0)
		printf("%s block%s", report_count(blocks, count), blocks == 1 ? "" : "s");
	if (mapped->count != 0)
		printf("%s%s mapping%s", blocks != 0 ? " and " : "",
		       report_count(mapped->count, count), mapped->count == 1 ? "" : "s");
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

/* What the table is about, at a moment. */
static void print_moment(const struct top *top)
{
	fputs(top->options.mappings ? "mappings live " : "live ", stdout);
	moment_print(&top->options.moment, top->process_count > 1);
}

/* "Live at the peak": what the table is about. */
static void print_subject(const struct top *top)
{
	switch (top->options.what) {
	case TOP_AT_MOMENT:
		print_moment(top);
		break;
	case TOP_AT_CENSUS:
		fputs("live Python objects at ", stdout);
		if (top->process_count > 1 || top->processes[0].census == NULL)
			fputs(top->options.census == NULL ? "the last census" : "the snapshot",
			      stdout);
		else
			escape_terminal(stdout, top->processes[0].census, ESCAPE_LENGTH);
		break;
	case TOP_TEMPORARY:
		printf("short-lived: freed after at most %" PRIu64 " further allocation%s",
		       top->options.threshold, plural(top->options.threshold));
		break;
	}
}

static void print_held(const struct top *top)
{
	report_buffer size;

	if (!top->options.mappings && top->held_bytes != 0)
		printf(" (" REPORT_HELD ")", report_size(top->held_bytes, size));
}

/*
 * When the moment was. Of several processes only some kinds of moment are a single point in time.
 */
static void print_when(const struct top *top)
{
	const enum moment_kind kind = top->options.moment.kind;

	if (top->options.what == TOP_TEMPORARY || top->all.count == 0)
		return;
	if (top->process_count == 1 && (top->options.what == TOP_AT_CENSUS || kind != MOMENT_TIME))
		printf(", %.3f s after the start", report_seconds(top->processes[0].moment_ns));
	else if (top->options.what == TOP_AT_MOMENT && kind != MOMENT_TIME && kind != MOMENT_END &&
		 kind != MOMENT_EXIT)
		printf(", %.3f s after the start of the first process",
		       report_seconds(top->moments->at_ns));
}

/* So many of the processes have a census. */
static size_t count_censuses(const struct top *top)
{
	size_t count = 0;

	for (size_t i = 0; i < top->process_count; i++)
		count += top->processes[i].census != NULL;
	return count;
}

static void print_processes(const struct top *top)
{
	size_t alive = 0;
	report_buffer logs;

	for (size_t i = 0; i < top->process_count; i++)
		alive += top->processes[i].alive;
	if (top->process_count == 1)
		return;
	if (top->options.what == TOP_AT_CENSUS && count_censuses(top) != top->process_count)
		printf("%zu of ", count_censuses(top));
	printf("%zu process%s", top->moments->processes, top->moments->processes == 1 ? "" : "es");
	if (top->moments->processes != top->process_count)
		printf(" in %s logs", report_count(top->process_count, logs));
	if (top->options.what != TOP_AT_MOMENT || alive == top->process_count)
		fputs(", added up", stdout);
	else if (top->options.moment.kind != MOMENT_END && top->options.moment.kind != MOMENT_EXIT)
		printf(", %zu of them alive then", alive);
	putchar('\n');
}

/* The first lines: the logs in which tracing stopped before their process ended. */
static void print_stopped(const struct top *top)
{
	for (size_t i = 0; i < top->process_count; i++) {
		const struct top_process *process = &top->processes[i];

		if (process->stopped == NULL)
			continue;
		if (top->process_count > 1)
			printf("process %" PRIu32 ": ", process->pid);
		printf("%s; what happened later is not in the log\n", process->stopped);
	}
}

/* Which census it was, where a process has run on after the last one. */
static void print_censuses(const struct top *top)
{
	for (size_t i = 0; i < top->process_count; i++) {
		const struct top_process *process = &top->processes[i];

		if (process->census == NULL || process->after_ns < 1000000)
			continue;
		printf("process %" PRIu32 ": its last census is that at ", process->pid);
		escape_terminal(stdout, process->census, ESCAPE_LENGTH);
		printf(", %.3f s after the start, %.3f s before the last event\n",
		       report_seconds(process->moment_ns), report_seconds(process->after_ns));
	}
}

static void print_head(const struct top *top)
{
	print_stopped(top);
	print_subject(top);
	print_when(top);
	fputs(":\n", stdout);
	print_amount(&top->all, &top->mapped);
	print_held(top);
	putchar('\n');
	print_processes(top);
	if (top->options.what == TOP_AT_CENSUS && top->options.census == NULL)
		print_censuses(top);
	if (filter_has_patterns(&top->options.filter) ||
	    top->options.filter.thread != FILTER_ALL_THREADS) {
		fputs("of these match: ", stdout);
		print_amount(&top->shown, &top->shown_mapped);
		putchar('\n');
	}
}

/* How much of mappings counts, and who said so. */
static void print_mapped_note(const struct top *top)
{
	uint64_t untold = 0, grown = 0, told_ns = 0;
	report_buffer size;

	for (size_t i = 0; i < top->process_count; i++) {
		untold += top->processes[i].untold_bytes;
		grown += top->processes[i].grown_bytes;
		if (top->processes[i].told_ns > told_ns)
			told_ns = top->processes[i].told_ns;
	}
	if (top->mapped.bytes == 0)
		return;
	if (told_ns == 0) {
		puts("\nnote: mappings count in full: the log does not tell what of them was resident");
		return;
	}
	if (top->process_count == 1)
		printf("\nnote: mappings count as far as they were resident %.3f s after the start",
		       report_seconds(told_ns));
	else
		fputs("\nnote: mappings count as far as they were resident when each log told it last",
		      stdout);
	if (untold != 0)
		printf(";\n      %s that were mapped later count in full",
		       report_size(untold, size));
	if (grown != 0)
		printf(";\n      the resident set has grown since: %s more are taken to be in them",
		       report_size(grown, size));
	putchar('\n');
}

/* The resident set was largest at another time, and much larger. */
static void print_rss_note(const struct top *top)
{
	const struct top_rss *rss = &top->rss;
	report_buffer size, then;

	if (report_far_apart(rss->bytes, rss->then_bytes))
		printf("\nnote: the resident set was largest, %s, %.3f s after the start (see --at rss-peak); at\n      this moment it was %s\n",
		       report_size(rss->bytes, size), report_seconds(rss->at_ns),
		       report_size(rss->then_bytes, then));
}

static void print_notes(const struct top *top)
{
	print_mapped_note(top);
	print_rss_note(top);
	if (top->hides_blocks && !top->options.mappings && top->options.what != TOP_AT_CENSUS)
		puts("\nnote: " REPORT_PYTHON_NOTE);
	if (top->dropped && top->options.what == TOP_TEMPORARY)
		printf("\nnote: the log reached its size limit: short-lived blocks of up to %.3f s are not known\n",
		       top->dropped_seconds);
	else if (top->dropped) {
		fputs("\nnote: ", stdout);
		report_put_dropped(stdout, top->dropped_seconds, !top->dropped_unknown,
				   top->dropped_missing);
		putchar('\n');
	}
}

void top_print(const struct top *top, uint64_t limit)
{
	print_head(top);
	if (top->count != 0)
		print_rows(top, limit);
	print_notes(top);
}
