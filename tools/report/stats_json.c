/* SPDX-License-Identifier: MIT */
/* The figures of one log as a JSON object. */
#include <string.h>

#include "account_report.h"
#include "log_end.h"
#include "names.h"
#include "pyevents_report.h"
#include "report.h"
#include "stats.h"

static json_t *json_amount(const struct amount *amount)
{
	json_t *object = json_object();

	report_put_number(object, "count", amount->count);
	report_put_number(object, "bytes", amount->bytes);
	return object;
}

static void add_word(void *context, const char *word, size_t size)
{
	json_array_append_new(context, report_json_text(word, size));
}

static void put_process(json_t *object, const struct stats *stats)
{
	const struct pmt_header *header = reader_header(stats->reader);
	json_t *command = json_array();
	report_buffer version;
	const char *python = report_python(header->python_version, version);
	const char *text;
	const long size = reader_text(stats->reader, PMT_TEXT_PARENT_LOG, &text);
	const char *path = reader_path(stats->reader);

	report_command(stats->reader, add_word, command);
	json_object_set_new(object, "log", report_json_text(path, strlen(path)));
	report_put_number(object, "pid", header->pid);
	report_put_number(object, "parent_pid", header->parent_pid);
	json_object_set_new(object, "parent_log",
			    size < 0 ? json_null() : report_json_text(text, (size_t)size));
	json_object_set_new(object, "command", command);
	json_object_set_new(object, "python_version",
			    python != NULL ? json_string(python) : json_null());
}

static json_t *json_damage(const struct stats *stats)
{
	const struct reader_damage *damage = reader_damage(stats->reader);
	json_t *object = json_object();

	report_put_number(object, "chunks_damaged", damage->chunks_damaged);
	report_put_number(object, "records_damaged", damage->records_damaged);
	report_put_number(object, "definitions_refused", damage->definitions_refused);
	report_put_number(object, "bytes_lost", damage->bytes_lost);
	report_put_number(object, "unknown_records", damage->unknown_records);
	json_object_set_new(object, "truncated", json_boolean(damage->truncated));
	return object;
}

static json_t *json_dropped(const struct stats *stats)
{
	const struct dropped *dropped = reader_dropped(stats->reader);
	json_t *object = json_object();

	if (dropped == NULL)
		return json_null();
	report_put_number(object, "events", dropped->events);
	report_put_number(object, "chunks", dropped->chunks);
	json_object_set_new(object, "live_known", json_boolean(dropped->held.known));
	report_put_number(object, "live_missing", dropped->held.missing);
	json_object_set_new(object, "peak_heap_bytes",
			    dropped_peak(dropped) == NULL
				    ? json_null()
				    : report_json_number(dropped_peak(dropped)->addr));
	json_object_set_new(object, "until_s", json_real(report_dropped_seconds(stats->reader)));
	return object;
}

static void put_log(json_t *object, const struct stats *stats)
{
	const struct pmt_header_live *live = &reader_header(stats->reader)->live;
	const char *state = pmt_name("STATE", live->state);

	json_object_set_new(object, "complete", json_boolean(report_complete(stats->reader)));
	log_end_warn(stats->reader);
	json_object_set_new(object, "state", json_string(state != NULL ? state : "unknown"));
	report_put_number(object, "lost_records", report_lost(stats->reader, &stats->replay));
	json_object_set_new(object, "damage", json_damage(stats));
	report_put_number(object, "events", stats->replay.events);
	json_object_set_new(object, "dropped", json_dropped(stats));
	json_object_set_new(object, "folded", json_amount(&stats->replay.folded));
	json_object_set_new(
		object, "duration_s",
		json_real(report_seconds(report_duration_ns(stats->reader, &stats->replay))));
}

static void put_threads(json_t *object, const struct stats *stats)
{
	const struct threads *threads = &stats->replay.threads;
	json_t *list = json_array();

	for (uint32_t i = 0; i < threads->count; i++) {
		const struct thread *thread = &threads->threads[i];
		if (thread->number == 0) /* the tracer itself */
			continue;
		json_t *entry = json_object();

		report_put_number(entry, "thread", thread->number);
		report_put_number(entry, "tid", thread->tid);
		json_object_set_new(entry, "name",
				    thread->name == NULL
					    ? json_null()
					    : report_json_text(thread->name, thread->name_size));
		json_object_set_new(entry, "allocations", json_amount(&stats->threads[i]));
		json_array_append_new(list, entry);
	}
	report_put_number(object, "threads", json_array_size(list));
	json_object_set_new(object, "thread_list", list);
}

static void put_blocks(json_t *object, const struct stats *stats)
{
	const struct replay_frees *frees = &stats->replay.frees;
	json_t *counts = json_object();

	report_put_number(counts, "count", frees->count);
	report_put_number(counts, "unmatched", frees->unmatched);
	report_put_number(counts, "inherited", frees->inherited);
	report_put_number(counts, "dropped", frees->dropped);
	report_put_number(counts, "replaced", frees->replaced);
	json_object_set_new(object, "allocations", json_amount(&stats->total));
	json_object_set_new(object, "frees", counts);
}

static void put_allocators(json_t *object, const struct stats *stats)
{
	json_t *kinds = json_object();
	char buffer[32];

	for (uint32_t kind = 0; kind < REPLAY_KIND_MAPPING; kind++)
		if (stats->kinds[kind].count != 0)
			json_object_set_new(kinds, replay_kind_name(kind, buffer),
					    json_amount(&stats->kinds[kind]));
	if (stats->mapped.count != 0)
		json_object_set_new(kinds, "mmap", json_amount(&stats->mapped));
	if (stats->arenas.count != 0)
		json_object_set_new(kinds, "mmap (arenas)", json_amount(&stats->arenas));
	if (stats->pools.count != 0)
		json_object_set_new(kinds, "mmap (malloc)", json_amount(&stats->pools));
	json_object_set_new(object, "by_allocator", kinds);
}

static json_t *json_class(uint64_t live_bytes, uint64_t peak_bytes)
{
	json_t *object = json_object();

	report_put_number(object, "live_bytes", live_bytes);
	report_put_number(object, "peak_bytes", peak_bytes);
	return object;
}

static void put_mappings(json_t *object, const struct stats *stats)
{
	const struct sites *blocks = &stats->replay.blocks;
	const struct replay *replay = &stats->replay;
	const struct mappings *maps = &replay->mappings;
	const struct amount *end = replay->has_program_end ? &replay->program_end : &blocks->live;
	json_t *mappings = json_amount(&stats->mapped);

	report_put_number(mappings, "unmaps", stats->replay.munmaps);
	json_object_set_new(mappings, "heap",
			    json_class(blocks->live.bytes, replay->heap_peak.bytes));
	for (int i = 0; i < MAPPING_CLASSES; i++) {
		const struct mapping_total *total = &stats->replay.mappings.totals[i];

		if (i == MAPPING_MALLOC && total->peak_bytes == 0)
			continue;
		json_object_set_new(mappings, mapping_class_names[i],
				    json_class(total->bytes, total->peak_bytes));
	}
	json_object_set_new(
		mappings, "unreserved",
		json_class(maps->totals[MAPPING_ANONYMOUS].bytes + maps->totals[MAPPING_FILE].bytes,
			   maps->unreserved_peak));
	json_object_set_new(object, "mappings", mappings);
	report_put_number(object, "peak_heap_bytes", replay->heap_peak.bytes);
	report_put_number(object, "peak_heap_count", replay->heap_peak.count);
	json_object_set_new(object, "peak_heap_time_s",
			    json_real(report_seconds(stats->replay.blocks_peak_ns)));
	report_put_number(object, "peak_heap_short_lived_bytes", reader_held_bytes(stats->reader));
	report_put_number(object, "peak_memory_bytes", replay->memory.bytes);
	json_object_set_new(object, "peak_memory_time_s",
			    json_real(report_seconds(replay->memory.at_ns)));
	json_object_set_new(object, "live_at_end", json_amount(end));
	json_object_set_new(object, "live_at_exit", json_amount(&blocks->live));
}

static json_t *json_detail(const struct pmt_rss_detail *detail)
{
	json_t *object = json_object();

	report_put_number(object, "anonymous_bytes", detail->anon);
	report_put_number(object, "file_bytes", detail->file);
	report_put_number(object, "shmem_bytes", detail->shmem);
	report_put_number(object, "swap_bytes", detail->swap);
	report_put_number(object, "hugetlb_bytes", detail->hugetlb);
	return object;
}

/* How the resident set at the interpreter's events is known. */
static json_t *json_at_events(const struct stats *stats)
{
	const char *mode;
	const long size = reader_text(stats->reader, PMT_TEXT_RSS, &mode);
	json_t *object;

	if (size < 0)
		return json_null();
	object = json_object();
	json_object_set_new(object, "mode", report_json_text(mode, (size_t)size));
	report_put_number(object, "threads_by_slice", stats->replay.rss.by_slice);
	return object;
}

static void put_rss(json_t *object, const struct stats *stats)
{
	const struct replay_rss *rss = &stats->replay.rss;
	json_t *samples = json_object();

	json_object_set_new(object, "rss_at_events", json_at_events(stats));

	report_put_number(samples, "first_bytes", rss->first_bytes);
	report_put_number(samples, "peak_bytes", rss->peak_bytes);
	report_put_number(samples, "last_bytes", rss->last_bytes);
	report_put_number(samples, "samples", rss->samples);
	report_put_number(samples, "own_bytes", stats->own_bytes);
	report_put_number(samples, "last_own_bytes", rss->last_own_bytes);
	report_put_number(object, "peak_rss_bytes", stats->peak_rss_bytes);
	json_object_set_new(object, "peak_sample_time_s",
			    json_real(report_seconds(stats->replay.rss_peak_ns)));
	json_object_set_new(object, "rss", samples);
	if (rss->details == 0) {
		json_object_set_new(object, "rss_detail", json_null());
		return;
	}
	json_object_set_new(object, "rss_detail",
			    json_pack("{soso}", "last", json_detail(&rss->last), "peak",
				      json_detail(&rss->peak)));
}

/* Libraries whose calls of malloc are not seen. */
static void put_bound_deep(json_t *object, const struct pyevents *events)
{
	json_t *names = json_array();

	for (size_t i = 0; i < events->notice_count && i < PYEVENTS_NOTICES_MAX; i++)
		if (events->notices[i].what == PMT_NOTICE_BOUND_DEEP)
			json_array_append_new(names,
					      report_json_text(events->notices[i].text,
							       strlen(events->notices[i].text)));
	json_object_set_new(object, "bound_deep", names);
}

json_t *stats_json(const struct stats *stats)
{
	json_t *object = json_object();

	put_process(object, stats);
	put_log(object, stats);
	put_threads(object, stats);
	put_blocks(object, stats);
	put_allocators(object, stats);
	put_mappings(object, stats);
	put_rss(object, stats);
	json_object_set_new(object, "python_events",
			    pyevents_json(&stats->replay.python, stats->reader));
	put_bound_deep(object, &stats->replay.python);
	json_object_set_new(object, "accounts", account_json(&stats->replay.account));
	return object;
}
