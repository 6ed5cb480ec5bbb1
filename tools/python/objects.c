/* SPDX-License-Identifier: MIT */
/* The rows of a report on objects: sites of all logs that have in common what it tells apart. */
#include "objects.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

void objects_init(struct objects *objects, const struct objects_options *options)
{
	memset(objects, 0, sizeof(*objects));
	objects->options = *options;
	hashindex_init(&objects->index, "rows");
	frames_init(&objects->frames);
}

void objects_fini(struct objects *objects)
{
	for (size_t i = 0; i < objects->process_count; i++)
		free(objects->processes[i].path);
	free(objects->processes);
	free(objects->rows);
	hashindex_fini(&objects->index);
	frames_fini(&objects->frames);
	memset(objects, 0, sizeof(*objects));
}

void objects_code(const struct objects_log *log, uint64_t stack, struct reader_code *code)
{
	const uint64_t id = reader_stack_code(log->reader, stack);

	reader_code(log->reader, id, code);
	if (id == 0 && reader_stack_known(log->reader, stack))
		code->qualname = FRAMES_LEFT_OUT;
}

struct key {
	const struct objects_row *rows;
	const struct objects_key *key;
};

static bool is_same(const void *context, uint32_t position)
{
	const struct key *key = context;

	return memcmp(&key->rows[position - 1].key, key->key, sizeof(*key->key)) == 0;
}

static uint64_t hash_key(const struct objects *objects, const struct objects_key *key)
{
	uint32_t words[sizeof(*key) / sizeof(uint32_t)];
	uint64_t hash = 0;

	memcpy(words, key, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		hash = hashindex_mix(&objects->index, hash, words[i]);
	return hash;
}

/* The position plus one of the row with KEY. */
static uint32_t find_row(struct objects *objects, const struct objects_key *key)
{
	const struct key wanted = {objects->rows, key};
	const uint64_t hash = hash_key(objects, key);
	const uint32_t found = hashindex_find(&objects->index, hash, is_same, &wanted);

	if (found != 0)
		return found;
	objects->rows =
		need_room(objects->rows, objects->count, &objects->room, sizeof(*objects->rows));
	objects->rows[objects->count++] = (struct objects_row){.key = *key};
	hashindex_add(&objects->index, hash, objects->count);
	return objects->count;
}

/* Where a stack's innermost function is. */
static void set_place(struct objects *objects, struct objects_log *log, uint64_t stack,
		      struct objects_key *key)
{
	const int by = objects->options.by;
	struct reader_code code;

	if (stack == 0) {
		key->file = frames_text(&objects->frames, OBJECTS_NO_FRAME);
		return;
	}
	objects_code(log, stack, &code);
	key->file = frames_text(&objects->frames, code.file);
	if (by != OBJECTS_BY_FILE)
		key->function = frames_text(&objects->frames, code.qualname);
	if (by == OBJECTS_BY_SITE)
		key->line = reader_stack_line(log->reader, stack);
}

static struct objects_key make_key(struct objects *objects, struct objects_log *log,
				   const struct objects_site *site)
{
	const int by = objects->options.by;
	struct objects_key key = {0};

	if (by == OBJECTS_BY_TYPE || by == OBJECTS_BY_SITE)
		key.type =
			frames_text(&objects->frames, reader_object_type(log->reader, site->type));
	if (by == OBJECTS_BY_TYPE)
		return key;
	key.unknown = site->unknown;
	if (!site->unknown)
		set_place(objects, log, site->stack, &key);
	return key;
}

static void add_counts(struct objects_counts *to, const struct objects_counts *from)
{
	to->created += from->created;
	to->created_bytes += from->created_bytes;
	to->live += from->live;
	to->live_bytes += from->live_bytes;
	to->inferred += from->inferred;
	to->before += from->before;
}

void objects_add(struct objects *objects, struct objects_log *log)
{
	const char *path = reader_path(log->reader);

	for (uint32_t i = 1; i <= log->site_count; i++) {
		const struct objects_site *site = &log->sites[i];

		if (!site->wanted)
			continue;
		const struct objects_key key = make_key(objects, log, site);
		const uint32_t row = find_row(objects, &key); /* may move the rows */

		add_counts(&objects->rows[row - 1].counts, &site->counts);
	}
	add_counts(&objects->counts, &log->counts);
	objects->processes = need_resize(objects->processes, (objects->process_count + 1) *
								     sizeof(*objects->processes));
	objects->processes[objects->process_count++] = (struct objects_process){
		.path = strcpy(need_memory(strlen(path) + 1), path),
		.pid = reader_header(log->reader)->pid,
		.counts = log->counts,
		.moment_ns = log->last_ns,
		.peak_live = log->peak_live,
		.peak_bytes = log->peak_bytes,
		.peak_ns = log->peak_ns,
		.peak_rss = log->peak_rss,
	};
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_texts(const struct objects *objects, uint32_t a, uint32_t b)
{
	if (a == b || a == 0 || b == 0)
		return compare_numbers(a, b);
	return strcmp(objects->frames.texts[a], objects->frames.texts[b]);
}

/* The same order for the same logs, however they were hashed. */
static int by_live(const void *left, const void *right, void *context)
{
	const struct objects *objects = context;
	const struct objects_row *a = left;
	const struct objects_row *b = right;
	const int orders[] = {
		compare_numbers(b->counts.live, a->counts.live),
		compare_numbers(b->counts.live_bytes, a->counts.live_bytes),
		compare_numbers(b->counts.created, a->counts.created),
		compare_numbers(b->counts.before, a->counts.before),
		compare_texts(objects, a->key.type, b->key.type),
		compare_texts(objects, a->key.file, b->key.file),
		compare_numbers(a->key.line, b->key.line),
		compare_texts(objects, a->key.function, b->key.function),
		compare_numbers(a->key.unknown, b->key.unknown),
	};

	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++)
		if (orders[i] != 0)
			return orders[i];
	return 0;
}

void objects_finish(struct objects *objects)
{
	if (objects->count != 0)
		qsort_r(objects->rows, objects->count, sizeof(*objects->rows), by_live, objects);
}
