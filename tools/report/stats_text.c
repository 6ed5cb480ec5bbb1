/* SPDX-License-Identifier: MIT */
/* The figures of one log for people: two columns, sizes rounded and exact. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "account_report.h"
#include "escape.h"
#include "log_end.h"
#include "pyevents_report.h"
#include "report.h"
#include "stats.h"

static void print_label(const char *label)
{
	printf("  %-18s ", label);
}

static void print_line(const char *label, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void print_line(const char *label, const char *format, ...)
{
	va_list args;

	print_label(label);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void print_size(const char *label, uint64_t bytes)
{
	print_label(label);
	report_put_bytes(bytes);
	putchar('\n');
}

/* "12 blocks, 1.4 MiB (1,468,006 bytes)" */
static void print_amount(const char *label, const struct amount *amount)
{
	report_buffer count;

	print_label(label);
	printf("%s block%s, ", report_count(amount->count, count), amount->count == 1 ? "" : "s");
	report_put_bytes(amount->bytes);
	putchar('\n');
}

static void print_word(void *context, const char *word, size_t size)
{
	bool *first = context;

	if (!*first)
		putchar(' ');
	*first = false;
	if (size == 0 || memchr(word, ' ', size) != NULL) {
		putchar('\'');
		escape_terminal_sized(stdout, word, size, ESCAPE_LENGTH);
		putchar('\'');
	} else {
		escape_terminal_sized(stdout, word, size, ESCAPE_LENGTH);
	}
}

static void print_process(const struct stats *stats)
{
	const struct pmt_header *header = reader_header(stats->reader);
	report_buffer version;
	char state[REPORT_STATE];
	bool first = true;
	uint32_t threads = 0;

	escape_terminal(stdout, reader_path(stats->reader), ESCAPE_LENGTH);
	putchar('\n');
	if (log_end_stopped(stats->reader, state) != NULL)
		printf("  %s; what happened later is not in the log\n", state);
	print_label("command");
	report_command(stats->reader, print_word, &first);
	putchar('\n');
	print_line("process", "%" PRIu32 ", child of %" PRIu32, header->pid, header->parent_pid);
	if (report_python(header->python_version, version) != NULL)
		print_line("Python", "%s", version);
	print_line("duration", "%.3f s",
		   report_seconds(report_duration_ns(stats->reader, &stats->replay)));
	for (uint32_t i = 0; i < stats->replay.threads.count; i++)
		threads += stats->replay.threads.threads[i].number != 0;
	print_line("threads", "%" PRIu32, threads);
	print_line("log", "%s", report_state(stats->reader, stats->replay.python_ended, state));
	if (reader_dropped(stats->reader) != NULL)
		print_line("flight recorder",
			   "events up to %.3f s are only in the totals, %s of them",
			   report_dropped_seconds(stats->reader),
			   report_count(reader_dropped(stats->reader)->events, version));
}

static void print_frees(const struct replay_frees *frees)
{
	report_buffer buffer;

	print_label("frees");
	fputs(report_count(frees->count, buffer), stdout);
	if (frees->inherited != 0)
		printf(", %s of them of blocks from before the log",
		       report_count(frees->inherited, buffer));
	if (frees->dropped != 0)
		printf(", %s of them of blocks that are only in the totals",
		       report_count(frees->dropped, buffer));
	if (frees->unmatched != 0)
		printf(", %s of them of unknown blocks", report_count(frees->unmatched, buffer));
	putchar('\n');
	if (frees->replaced != 0)
		print_line("without a free", "%s, their addresses were handed out again",
			   report_count(frees->replaced, buffer));
}

/* What the log has no records of, and how much of the log they would have been. */
static void print_folded(const struct stats *stats)
{
	const struct amount *folded = &stats->replay.folded;
	const uint64_t events = stats->replay.events;
	report_buffer count;

	print_label("folded");
	printf("%s short-lived block%s, ", report_count(folded->count, count),
	       folded->count == 1 ? "" : "s");
	report_put_bytes(folded->bytes);
	printf(", counted in place of %.1f%% of all events\n",
	       events == 0 ? 0 : 200.0 * (double)folded->count / (double)events);
}

/* With the program's own mappings, where they matter. */
static void print_memory_peak(const struct stats *stats)
{
	const struct replay_peak *peak = &stats->replay.memory;

	if (peak->bytes == stats->replay.heap_peak.bytes)
		return;
	print_label("peak with mappings");
	report_put_bytes(peak->bytes);
	printf(" after %.3f s\n", report_seconds(peak->at_ns));
}

static void print_heap(const struct stats *stats)
{
	const struct sites *blocks = &stats->replay.blocks;
	const struct amount *peak = &stats->replay.heap_peak;
	report_buffer count;

	puts("\nHeap");
	print_amount("allocations", &stats->total);
	if (reader_folded(stats->reader))
		print_folded(stats);
	print_frees(&stats->replay.frees);
	print_label("peak");
	report_put_bytes(peak->bytes);
	if (peak->bytes != 0)
		printf(" in %s block%s after %.3f s", report_count(peak->count, count),
		       peak->count == 1 ? "" : "s", report_seconds(stats->replay.blocks_peak_ns));
	if (reader_held_bytes(stats->reader) != 0)
		printf(" (" REPORT_HELD ")", report_size(reader_held_bytes(stats->reader), count));
	putchar('\n');
	print_memory_peak(stats);
	if (stats->replay.has_program_end)
		print_amount("live at the end", &stats->replay.program_end);
	print_amount(stats->replay.has_program_end ? "live at exit" : "live at the end",
		     &blocks->live);
}

static void print_row(const char *name, const struct amount *amount)
{
	report_buffer count;
	report_buffer size;
	report_buffer exact;

	printf("  %-18s %15s %12s %22s\n", name, report_count(amount->count, count),
	       report_cell(amount->bytes, size), report_count(amount->bytes, exact));
}

static void print_allocators(const struct stats *stats)
{
	char buffer[32];

	if (stats->total.count == 0 && stats->mapped.count == 0)
		return;
	printf("\n%-20s %15s %12s %22s\n", "By allocator", "count", "size", "bytes");
	for (uint32_t kind = 0; kind < REPLAY_KIND_MAPPING; kind++)
		if (stats->kinds[kind].count != 0)
			print_row(replay_kind_name(kind, buffer), &stats->kinds[kind]);
	if (stats->mapped.count != 0)
		print_row("mmap", &stats->mapped);
	if (stats->arenas.count != 0)
		print_row("mmap (arenas)", &stats->arenas);
	if (stats->pools.count != 0)
		print_row("mmap (malloc)", &stats->pools);
}

static void print_mappings(const struct stats *stats)
{
	report_buffer live;
	report_buffer peak;

	printf("\n%-20s %15s %12s %12s\n", "Mappings", "live ranges", "live", "peak");
	for (int i = 0; i < MAPPING_CLASSES; i++) {
		const struct mapping_total *total = &stats->replay.mappings.totals[i];
		report_buffer count;

		if (i == MAPPING_MALLOC && total->peak_bytes == 0)
			continue;
		printf("  %-18s %15s %12s %12s\n", mapping_class_names[i],
		       report_count(total->count, count), report_cell(total->bytes, live),
		       report_cell(total->peak_bytes, peak));
	}
}

static void print_detail(const char *label, uint64_t last, uint64_t peak)
{
	report_buffer last_text;
	report_buffer peak_text;

	if (peak != 0)
		printf("  %-18s %15s %12s\n", label, report_cell(last, last_text),
		       report_cell(peak, peak_text));
}

/* How the resident set at the interpreter's events is known. */
static void print_at_events(const struct stats *stats)
{
	const uint64_t by_slice = stats->replay.rss.by_slice;
	report_buffer count;
	const char *mode;
	const long size = reader_text(stats->reader, PMT_TEXT_RSS, &mode);

	if (size < 0)
		return;
	print_label("at events by");
	escape_terminal_sized(stdout, mode, (size_t)size, ESCAPE_LENGTH);
	if (by_slice != 0)
		printf(", but %s thread%s by slice", report_count(by_slice, count),
		       by_slice == 1 ? "" : "s");
	putchar('\n');
}

static void print_rss(const struct stats *stats)
{
	const struct replay_rss *rss = &stats->replay.rss;
	report_buffer buffer;
	const char *mode;
	const bool sampled = rss->samples != 0 || rss->details != 0;

	if (!sampled && reader_text(stats->reader, PMT_TEXT_RSS, &mode) < 0)
		return;
	puts("\nResident set (RSS)");
	print_at_events(stats);
	if (!sampled)
		return;
	print_label("peak");
	report_put_bytes(stats->peak_rss_bytes);
	if (rss->samples != 0 && stats->peak_rss_bytes <= rss->peak_bytes)
		printf(" after %.3f s", report_seconds(stats->replay.rss_peak_ns));
	else if (rss->samples != 0)
		printf("; the largest sample, %s, after %.3f s",
		       report_size(rss->peak_bytes, buffer),
		       report_seconds(stats->replay.rss_peak_ns));
	putchar('\n');
	print_size("of the tracer", stats->own_bytes);
	print_size("first", rss->first_bytes);
	print_size("last", rss->last_bytes);
	print_line("samples", "%s", report_count(rss->samples, buffer));
	if (rss->details == 0)
		return;
	printf("\n%-20s %15s %12s\n", "RSS by kind", "last", "peak");
	print_detail("anonymous", rss->last.anon, rss->peak.anon);
	print_detail("file", rss->last.file, rss->peak.file);
	print_detail("shared memory", rss->last.shmem, rss->peak.shmem);
	print_detail("swapped out", rss->last.swap, rss->peak.swap);
	print_detail("huge pages", rss->last.hugetlb, rss->peak.hugetlb);
}

static void print_threads(const struct stats *stats)
{
	const struct threads *threads = &stats->replay.threads;
	report_buffer count;
	report_buffer size;

	printf("\n%-8s %10s %15s %12s  %s\n", "Thread", "tid", "allocations", "size", "name");
	for (uint32_t i = 0; i < threads->count; i++) {
		const struct thread *thread = &threads->threads[i];

		if (thread->number == 0)
			continue;
		printf("  %-6" PRIu32 " %10" PRIu64 " %15s %12s", thread->number, thread->tid,
		       report_count(stats->threads[i].count, count),
		       report_cell(stats->threads[i].bytes, size));
		if (thread->name_size != 0) {
			fputs("  ", stdout);
			escape_terminal_sized(stdout, thread->name, thread->name_size, 40);
		}
		putchar('\n');
	}
}

/* Two line ends before the first note, one before the next. */
static void begin_note(bool *first)
{
	fputs(*first ? "\nnote: " : "note: ", stdout);
	*first = false;
}

static void print_bound_deep(const struct pyevents *events, bool *first)
{
	for (size_t i = 0; i < events->notice_count && i < PYEVENTS_NOTICES_MAX; i++) {
		if (events->notices[i].what != PMT_NOTICE_BOUND_DEEP)
			continue;
		begin_note(first);
		escape_terminal(stdout, events->notices[i].text, ESCAPE_LENGTH);
		puts(" was loaded with RTLD_DEEPBIND: its calls of malloc\n"
		     "      and free are not seen, and blocks that it frees stay live here");
	}
}

static void print_dropped_note(const struct stats *stats)
{
	const struct dropped *dropped = reader_dropped(stats->reader);
	const struct pmt_totals_entry *peak = dropped_peak(dropped);
	const uint64_t start_ns = reader_header(stats->reader)->start_ns;
	report_buffer size;

	report_put_dropped(stdout, report_dropped_seconds(stats->reader), dropped->held.known,
			   dropped->held.missing);
	if (peak != NULL && peak->addr > stats->replay.blocks.peak.bytes)
		printf(";\n      the heap had a larger peak before, %s after %.3f s",
		       report_size(peak->addr, size),
		       report_seconds(pmt_held_value(peak) > start_ns
					      ? pmt_held_value(peak) - start_ns
					      : 0));
	putchar('\n');
}

/* Sections that the tracer was asked for, but has no records of: /proc may not be there, for one. */
static void print_missing(const struct stats *stats, bool *first)
{
	const struct replay_rss *rss = &stats->replay.rss;

	if (!(reader_header(stats->reader)->traced >> PMT_TRACED_RSS & 1))
		return;
	if (rss->samples == 0 && rss->details == 0) {
		begin_note(first);
		puts("no samples of the resident set are in this log");
	}
	if (stats->replay.account.accounts == 0) {
		begin_note(first);
		puts("what the resident set is made of is not in this log");
	}
}

static void print_notes(const struct stats *stats)
{
	const uint64_t lost = report_lost(stats->reader, &stats->replay);
	report_buffer buffer;
	char state[REPORT_STATE];
	bool first = true;

	if (!report_complete(stats->reader)) {
		begin_note(&first);
		printf("%s;\n      live at the end is what was live at the last record\n",
		       report_state(stats->reader, stats->replay.python_ended, state));
	}
	if (reader_dropped(stats->reader) != NULL) {
		begin_note(&first);
		print_dropped_note(stats);
	}
	if (lost != 0) {
		begin_note(&first);
		printf("%s event%s lost\n", report_count(lost, buffer),
		       lost == 1 ? " was" : "s were");
	}
	if (report_far_apart(stats->replay.rss.peak_bytes, stats->replay.memory.rss_bytes)) {
		begin_note(&first);
		printf("the peak of heap and mappings, after %.3f s, is not that of the resident set, after %.3f s:\n      see both, top --at peak and --at rss-peak\n",
		       report_seconds(stats->replay.memory.at_ns),
		       report_seconds(stats->replay.rss_peak_ns));
	}
	if (report_hides_blocks(stats->reader)) {
		begin_note(&first);
		puts(REPORT_PYTHON_NOTE);
	}
	print_missing(stats, &first);
	print_bound_deep(&stats->replay.python, &first);
	account_print_notes(&stats->replay.account, stats->peak_rss_bytes, begin_note, &first);
}

void stats_print(const struct stats *stats)
{
	print_process(stats);
	print_heap(stats);
	print_allocators(stats);
	print_mappings(stats);
	print_rss(stats);
	pyevents_print(&stats->replay.python, stats->reader);
	account_print(&stats->replay.account);
	print_threads(stats);
	print_notes(stats);
}
