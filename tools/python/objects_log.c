/* SPDX-License-Identifier: MIT */
/* The objects of one log: a replay of its `create` and `destroy` events. */
#include <stdlib.h>
#include <string.h>

#include "damage.h"
#include "error.h"
#include "log_end.h"
#include "objects.h"
#include "progress.h"
#include "reader.h"
#include "replay.h"

/* --- sites --- */

struct key {
	const struct objects_site *sites;
	const struct objects_site *site;
};

static bool is_same(const void *context, uint32_t number)
{
	const struct key *key = context;
	const struct objects_site *a = &key->sites[number];
	const struct objects_site *b = key->site;

	return a->stack == b->stack && a->type == b->type && a->thread == b->thread &&
	       a->unknown == b->unknown;
}

static uint64_t hash_site(const struct objects_log *log, const struct objects_site *site)
{
	const uint64_t rest = (uint64_t)site->thread << 1 | site->unknown;

	return hashindex_mix(&log->index, hashindex_mix(&log->index, site->stack, site->type),
			     rest);
}

/* Without globs everything is wanted. */
static bool glob_matches(const struct text_list *globs, const char *text)
{
	return globs->count == 0 || text_list_matches(globs, text);
}

static bool is_type_wanted(const struct objects_options *options, const char *type)
{
	return glob_matches(&options->types, type) &&
	       !text_list_matches(&options->other_types, type);
}

/* Of an object that was made before the log, only the type is known. */
static bool is_wanted(struct objects_log *log, const struct objects_site *site)
{
	const struct filter *filter = &log->options->filter;

	if (!is_type_wanted(log->options, reader_object_type(log->reader, site->type)))
		return false;
	if (site->unknown)
		return filter->thread == FILTER_ALL_THREADS && filter->include.count == 0;
	return filter_has_thread(filter, site->thread) &&
	       stack_filter_passes(&log->stack_filter, site->stack);
}

static uint32_t find_site(struct objects_log *log, const struct objects_site *site)
{
	const struct key key = {log->sites, site};
	const uint64_t hash = hash_site(log, site);
	const uint32_t found = hashindex_find(&log->index, hash, is_same, &key);

	if (found != 0)
		return found;
	const uint32_t number = ++log->site_count;

	log->sites = need_room(log->sites, number, &log->site_room, sizeof(*log->sites));
	log->sites[number] = *site;
	log->sites[number].wanted = is_wanted(log, site);
	hashindex_add(&log->index, hash, number);
	return number;
}

/* --- events --- */

static uint64_t since_start(const struct objects_log *log, uint64_t time_ns)
{
	const uint64_t start_ns = reader_header(log->reader)->start_ns;

	return time_ns > start_ns ? time_ns - start_ns : 0;
}

/* The object OLD is gone. Returns what the visitor said. */
static int on_death(struct objects_log *log, const struct objmap_object *old,
		    struct objects_object *death)
{
	struct objects_site *site = &log->sites[old->site];

	site->counts.live--;
	site->counts.live_bytes -= old->size;
	site->counts.inferred += death->inferred;
	if (!site->wanted)
		return 0;
	log->counts.live--;
	log->counts.live_bytes -= old->size;
	log->counts.inferred += death->inferred;
	if (log->visit_death == NULL)
		return 0;
	death->size = old->size;
	death->born_ns = old->time_ns;
	death->age_ns = log->last_ns > old->time_ns ? log->last_ns - old->time_ns : 0;
	death->site = site;
	return log->visit_death(log->context, log, death);
}

static void note_peak(struct objects_log *log, const struct objects_event *event)
{
	if (log->counts.live <= log->peak_live)
		return;
	log->peak_live = log->counts.live;
	log->peak_bytes = log->counts.live_bytes;
	log->peak_ns = log->last_ns;
	log->peak_rss = event->rss;
	log->peak_number = event->number;
}

static void count_birth(struct objects_counts *counts, uint64_t size)
{
	counts->created++;
	counts->created_bytes += size;
	counts->live++;
	counts->live_bytes += size;
}

static int on_create(struct objects_log *log, const struct objects_event *event)
{
	const struct objects_site key = {
		.stack = event->stack, .type = event->type, .thread = event->thread};
	const uint64_t size = event->size < OBJMAP_SIZE_MAX ? event->size : OBJMAP_SIZE_MAX;
	const struct objmap_object object = {log->last_ns, size, find_site(log, &key)};
	struct objects_object death = {.addr = event->addr, .inferred = true, .reused = true};
	struct objmap_object old;
	int result = 0;

	if (objmap_put(&log->map, event->addr, &object, &old))
		result = on_death(log, &old, &death);
	count_birth(&log->sites[object.site].counts, size);
	if (log->sites[object.site].wanted) {
		count_birth(&log->counts, size);
		note_peak(log, event);
	}
	return result;
}

static int on_destroy(struct objects_log *log, const struct objects_event *event)
{
	const struct objects_site key = {.type = event->type, .unknown = true};
	struct objects_object death = {
		.addr = event->addr,
		.inferred = event->kind == OBJECTS_INFERRED,
		.stack = event->stack,
		.thread = event->thread,
	};
	struct objmap_object old;

	if (objmap_take(&log->map, event->addr, &old))
		return on_death(log, &old, &death);
	/* In two steps: finding may move the sites. */
	const uint32_t number = find_site(log, &key);
	struct objects_site *site = &log->sites[number];

	site->counts.before++;
	log->counts.before += site->wanted;
	return 0;
}

/*
 * With more live objects than fit the processor's cache, most of the time goes into waiting for
 * memory. So events are collected, and their places are fetched meanwhile.
 */
static int flush_rows(struct objects_log *log)
{
	int result = 0;

	for (uint32_t i = 0; i < log->waiting_count && result == 0; i++) {
		const struct objects_event *event = &log->waiting[i];

		log->last_ns = event->time_ns;
		result = event->kind == OBJECTS_CREATE ? on_create(log, event)
						       : on_destroy(log, event);
	}
	log->seen += log->waiting_count;
	log->waiting_count = 0;
	return result;
}

static int add_event(struct objects_log *log, const struct reader_event *from)
{
	const struct pmt_create *create = &from->record.create;
	const struct pmt_destroy *destroy = &from->record.destroy;
	struct objects_event *to = &log->waiting[log->waiting_count++];

	to->time_ns = log->read_ns;
	to->number = from->number;
	to->rss = from->rss_bytes;
	to->thread = from->thread;
	if (from->record.type == PMT_REC_create) {
		to->kind = OBJECTS_CREATE;
		to->addr = create->addr;
		to->type = create->type;
		to->size = create->size;
		to->stack = create->stack;
	} else {
		to->kind = destroy->inferred != 0 ? OBJECTS_INFERRED : OBJECTS_DESTROY;
		to->addr = destroy->addr;
		to->type = destroy->type;
		to->stack = destroy->stack;
	}
	objmap_prefetch(&log->map, to->addr);
	return log->waiting_count == OBJECTS_WAITING_MAX ? flush_rows(log) : 0;
}

static int visit_event(void *context, const struct reader_event *event)
{
	struct objects_log *log = context;

	progress_step(event->number);
	if (event->time_ns > log->until_ns) {
		log->read_ns = since_start(log, log->until_ns);
		return 1;
	}
	if (event->number > log->until_number)
		return 1;
	log->read_ns = since_start(log, event->time_ns);
	if (event->record.type != PMT_REC_create && event->record.type != PMT_REC_destroy)
		return 0;
	return add_event(log, event);
}

/* --- the whole log --- */

static void begin_log(struct objects_log *log, const struct objects_options *options)
{
	memset(log, 0, sizeof(*log));
	log->options = options;
	hashindex_init(&log->index, "stacks");
	log->until_number = UINT64_MAX;
	log->until_ns = UINT64_MAX;
	objmap_init(&log->map);
}

static void end_log(struct objects_log *log)
{
	stack_filter_fini(&log->stack_filter);
	objmap_fini(&log->map);
	free(log->sites);
	hashindex_fini(&log->index);
}

/* Returns 0, or -1 after an I/O error. */
static int read_events(struct objects_log *log)
{
	progress_begin(reader_path(log->reader));
	const int result = reader_run(log->reader, visit_event, log);

	progress_end();
	flush_rows(log);
	log->last_ns = log->read_ns;
	return result < 0 ? -1 : 0;
}

static void set_reader(struct objects_log *log, struct reader *reader)
{
	log->reader = reader;
	stack_filter_init(&log->stack_filter, &log->options->filter, reader);
}

/* The peak is known only in the end: a first pass finds it. */
static int find_peak(struct objects_log *log, const struct objects_options *options)
{
	struct reader *reader = log->reader;

	if (read_events(log) != 0)
		return -1;
	const uint64_t number = log->seen == 0 ? UINT64_MAX : log->peak_number;

	end_log(log);
	begin_log(log, options);
	set_reader(log, reader);
	log->until_number = number;
	return 0;
}

int objects_log_init(struct objects_log *log, const struct moments_log *moment,
		     const struct objects_options *options, objects_visit death, void *context)
{
	int result = 0;

	struct reader *reader;

	begin_log(log, options);
	if (reader_open(moment->path, &reader) != 0)
		return EXIT_DATA;
	set_reader(log, reader);
	log_end_warn(reader);
	if (options->moment.kind == MOMENT_PEAK) {
		result = find_peak(log, options);
	} else {
		log->until_ns = moment->until_ns;
		log->until_number = moment->until_number;
	}
	log->visit_death = death;
	log->context = context;
	if (result == 0)
		result = read_events(log);
	damage_warn(log->reader);
	if (result == 0 &&
	    (log->seen != 0 || options->moment.kind == MOMENT_TIME ||
	     !log_end_lacks(reader, 1U << PMT_TRACED_OBJECTS, "Python objects", "objects")))
		return EXIT_OK;
	reader_close(log->reader);
	log->reader = NULL;
	return EXIT_DATA;
}

void objects_log_fini(struct objects_log *log)
{
	end_log(log);
	if (log->reader != NULL)
		reader_close(log->reader);
}

/* --- what is live --- */

struct entry {
	uint64_t addr;
	struct objmap_object object;
};

struct collection {
	const struct objects_log *log;
	struct entry *entries;
	size_t count;
};

static void collect_object(void *context, uint64_t addr, const struct objmap_object *object)
{
	struct collection *to = context;

	if (to->log->sites[object->site].wanted)
		to->entries[to->count++] = (struct entry){addr, *object};
}

static int by_age(const void *left, const void *right)
{
	const struct entry *a = left;
	const struct entry *b = right;

	if (a->object.time_ns != b->object.time_ns)
		return a->object.time_ns < b->object.time_ns ? -1 : 1;
	return (a->addr > b->addr) - (a->addr < b->addr);
}

void objects_log_live(struct objects_log *log, objects_visit visit_live, void *context)
{
	struct collection found = {log, need_memory((log->map.count + 1) * sizeof(struct entry)),
				   0};

	objmap_visit(&log->map, collect_object, &found);
	qsort(found.entries, found.count, sizeof(*found.entries), by_age);
	for (size_t i = 0; i < found.count; i++) {
		const struct objmap_object *from = &found.entries[i].object;
		const struct objects_object object = {
			.addr = found.entries[i].addr,
			.size = from->size,
			.born_ns = from->time_ns,
			.age_ns = log->last_ns > from->time_ns ? log->last_ns - from->time_ns : 0,
			.site = &log->sites[from->site],
		};

		if (visit_live(context, log, &object) != 0)
			break;
	}
	free(found.entries);
}
