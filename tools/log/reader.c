/* SPDX-License-Identifier: MIT */
/* Opens logs, and merges the streams of their slots into one. */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

#include "chunks.h"
#include "definitions.h"
#include "dropped.h"
#include "error.h"
#include "fold.h"
#include "folds.h"
#include "header.h"
#include "names.h"
#include "source.h"
#include "stream.h"

struct reader {
	union header_bytes head;
	char *path;
	struct chunk_file file;
	struct chunk_index events;
	struct chunk_index definition_chunks;
	struct definitions definitions;
	struct folds folds;
	struct dropped dropped;
	struct reader_damage at_open; /* what opening found */
	struct reader_damage damage;  /* and what reading found, too */
};

/* Streams that have records left, as a binary heap: the first one is the earliest. */
struct merge {
	struct stream **heap;
	size_t count;
};

/* Open the file and read the header. */
static int open_file(struct reader *r)
{
	int64_t got;

	if (source_open(r->path, &r->file.source) != 0)
		return -1;
	got = source_read(r->file.source, r->head.bytes, sizeof(r->head.bytes), 0);
	if (got < 0 || header_check(r->path, &r->head, got) != 0)
		return -1;
	r->file.first = r->head.header.header_bytes;
	r->file.chunk_bytes = r->head.header.chunk_bytes;
	r->file.held = (r->head.header.features_compatible & PMT_COMPATIBLE_HELD) != 0;
	r->file.recycled = (r->head.header.features_incompatible & PMT_FEATURE_RECYCLED) != 0;
	return 0;
}

static int add_definition(void *context, const struct reader_event *event)
{
	struct reader *r = context;

	if (definitions_add(&r->definitions, &event->record) < 0)
		r->at_open.definitions_refused++;
	return 0;
}

/* The last chunk of the slot that REF belongs to, plus one. */
static const struct chunk_ref *slot_end(const struct chunk_index *index,
					const struct chunk_ref *ref)
{
	const struct chunk_ref *end = index->refs + index->count;
	const struct chunk_ref *p = ref;

	while (p != end && p->slot == ref->slot)
		p++;
	return p;
}

/* Definitions need no merging: slot by slot. */
static int run_definitions(struct reader *r, struct stream_run *run)
{
	static const struct stream_key never = {UINT64_MAX, UINT64_MAX, UINT32_MAX};
	const struct chunk_index *index = &r->definition_chunks;
	const struct chunk_ref *next, *ref = index->refs;
	enum stream_state state = STREAM_END;

	run->file = &r->file;
	run->kind = PMT_CHUNK_DEFINITIONS;
	for (; state == STREAM_END && ref != index->refs + index->count; ref = next) {
		struct stream stream;

		next = slot_end(index, ref);
		stream_init(&stream, ref, next);
		state = stream_advance(&stream, &never, run);
		stream_fini(&stream);
	}
	return state == STREAM_ERROR ? -1 : state == STREAM_STOP ? run->stop : 0;
}

/* Where the chunks that the header knows of end, each of them whole. */
static uint64_t chunks_end(const struct reader *r)
{
	const uint64_t chunks = r->head.header.live.chunks;

	return chunks < UINT32_MAX ? r->file.first + chunks * r->file.chunk_bytes : UINT64_MAX / 2;
}

/*
 * The file was at least that long. A chunk that gets its space as it fills is only sure to have had
 * its head; if some of what it holds is cut off, its head says so.
 */
static uint64_t least_end(const struct reader *r)
{
	const struct pmt_header *header = &r->head.header;
	const uint64_t end = chunks_end(r);

	if (!(header->features_compatible & PMT_COMPATIBLE_SHORT_END) || header->live.chunks == 0)
		return end;
	return end - r->file.chunk_bytes + sizeof(struct pmt_chunk);
}

/*
 * The chunks are looked for twice: definitions are written before the events that use them, so what
 * the second look finds has all definitions that the events of the first one need. A compressed log
 * does not grow.
 */
static int find_chunks(struct reader *r)
{
	struct reader_damage unused = {0};

	if (chunks_scan(&r->file, &r->events, &r->at_open) != 0)
		return -1;
	if (!source_compressed(r->file.source))
		return chunks_scan(&r->file, &r->definition_chunks, &unused);
	chunks_copy(&r->definition_chunks, &r->events);
	return 0;
}

/* What is missing at the end of a compressed log, as far as its header tells. */
static void note_end(struct reader *r)
{
	const bool cut = source_cut(r->file.source);
	const bool is_short = r->events.end < least_end(r);

	r->at_open.truncated |= cut || is_short;
	r->at_open.index_damaged = source_index_damaged(r->file.source);
	if (cut && is_short && chunks_end(r) < UINT64_MAX / 2)
		r->at_open.bytes_lost += chunks_end(r) - r->events.end;
}

static int read_index(struct reader *r)
{
	struct stream_run run = {.damage = &r->at_open, .visit = add_definition, .context = r};

	if (find_chunks(r) != 0 || run_definitions(r, &run) != 0 ||
	    dropped_find(&r->dropped, &r->file, &r->events, &r->at_open) != 0 ||
	    folds_find(&r->folds, &r->file, &r->events, reader_folded(r), &r->at_open) != 0)
		return -1;
	note_end(r);
	r->damage = r->at_open;
	return 0;
}

int reader_open(const char *path, struct reader **reader)
{
	struct reader *r = need_memory(sizeof(*r));

	memset(r, 0, sizeof(*r));
	r->path = strcpy(need_memory(strlen(path) + 1), path);
	if (open_file(r) != 0 || read_index(r) != 0) {
		reader_close(r);
		return -1;
	}
	*reader = r;
	return 0;
}

void reader_close(struct reader *r)
{
	source_close(r->file.source);
	chunks_fini(&r->events);
	chunks_fini(&r->definition_chunks);
	folds_fini(&r->folds);
	dropped_fini(&r->dropped);
	definitions_fini(&r->definitions);
	free(r->path);
	free(r);
}

const char *reader_path(const struct reader *reader)
{
	return reader->path;
}

const struct pmt_header *reader_header(const struct reader *reader)
{
	return &reader->head.header;
}

long reader_text(const struct reader *reader, unsigned key, const char **data)
{
	return pmt_header_get_text(&reader->head.header, key, data);
}

const struct reader_damage *reader_damage(const struct reader *reader)
{
	return &reader->damage;
}

bool reader_folded(const struct reader *reader)
{
	return (reader->head.header.features_incompatible & PMT_FEATURE_FOLDED) != 0;
}

const struct dropped *reader_dropped(const struct reader *reader)
{
	return reader->dropped.chunks == 0 ? NULL : &reader->dropped;
}

uint64_t reader_dropped_ns(const struct reader *reader)
{
	const uint64_t start_ns = reader_header(reader)->start_ns;
	const struct dropped *dropped = reader_dropped(reader);

	if (dropped == NULL || dropped->numbers.time_ns < start_ns)
		return 0;
	return dropped->numbers.time_ns - start_ns;
}

uint64_t reader_held_bytes(const struct reader *reader)
{
	const uint64_t bytes = reader->folds.held_bytes;
	const bool bound =
		(reader->head.header.features_compatible & PMT_COMPATIBLE_FOLD_BOUND) != 0;

	return bound && bytes > PMT_FOLD_HELD_MAX ? PMT_FOLD_HELD_MAX : bytes;
}

/* Where chunks are damaged or missing, some may have been such that belonged to other slots. */
bool reader_late_elsewhere(const struct reader *reader, uint32_t slot)
{
	const struct folds *folds = &reader->folds;

	if (folds->count == 0 || folds->count > 1)
		return true;
	return folds->folds[0].slot != slot || reader->at_open.truncated ||
	       reader->at_open.chunks_damaged != 0;
}

static void sink_stream(struct merge *m, size_t i)
{
	struct stream *moved = m->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= m->count)
			break;
		if (child + 1 < m->count &&
		    stream_before(&m->heap[child + 1]->key, &m->heap[child]->key))
			child++;
		if (!stream_before(&m->heap[child]->key, &moved->key))
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = moved;
}

/* One stream for each slot, in order. Returns them; free them and the heap. */
static struct stream *merge_init(struct merge *m, const struct chunk_index *index,
				 const struct dropped *dropped)
{
	const struct chunk_ref *ref = index->refs, *end = ref + index->count;
	struct stream *streams;
	size_t slots = 0;

	for (const struct chunk_ref *p = ref; p != end; p = slot_end(index, p))
		slots++;
	streams = need_memory(slots * sizeof(*streams));
	m->heap = need_memory(slots * sizeof(struct stream *));
	for (m->count = 0; ref != end; ref = slot_end(index, ref)) {
		stream_init(&streams[m->count], ref, slot_end(index, ref));
		streams[m->count].position = dropped_position(dropped, ref->slot);
		m->heap[m->count] = &streams[m->count];
		m->count++;
	}
	for (size_t i = m->count / 2; i-- > 0;)
		sink_stream(m, i);
	return streams;
}

/* When the first stream has to give way: the key of the second one. */
static struct stream_key second_key(const struct merge *m)
{
	struct stream_key key = {UINT64_MAX, UINT64_MAX, UINT32_MAX};

	for (size_t i = 1; i < 3 && i < m->count; i++)
		if (stream_before(&m->heap[i]->key, &key))
			key = m->heap[i]->key;
	return key;
}

/*
 * A log that could not grow is complete up to that moment only: other threads went on until their
 * chunks were full. What they wrote is left out, as it lacks what the first thread did meanwhile.
 */
static struct stream_key last_key(const struct pmt_header *header)
{
	struct stream_key key = {UINT64_MAX, UINT64_MAX, UINT32_MAX};

	const bool goes_on = header->live.stop_reason == PMT_STOP_DISK ||
			     header->live.stop_reason == PMT_STOP_MEMORY;

	if (header->live.state == PMT_STATE_STOPPED && goes_on && header->live.end_ns != 0)
		key = (struct stream_key){.time_ns = header->live.end_ns + 1};
	return key;
}

static enum stream_state merge_run(struct merge *m, struct stream_run *run,
				   const struct stream_key *last)
{
	while (m->count != 0 && stream_before(&m->heap[0]->key, last)) {
		struct stream_key limit = second_key(m);

		if (stream_before(last, &limit))
			limit = *last;
		enum stream_state state = stream_advance(m->heap[0], &limit, run);

		if (state == STREAM_END)
			m->heap[0] = m->heap[--m->count];
		else if (state != STREAM_LATER)
			return state;
		if (m->count != 0)
			sink_stream(m, 0);
	}
	return STREAM_END;
}

int reader_run(struct reader *r, reader_visit visit, void *context)
{
	return reader_run_blocks(r, visit, NULL, context);
}

int reader_run_blocks(struct reader *r, reader_visit visit, reader_visit_blocks blocks,
		      void *context)
{
	struct stream_run run = {
		.file = &r->file,
		.damage = &r->damage,
		.visit = visit,
		.visit_blocks = blocks,
		.context = context,
		.kind = PMT_CHUNK_EVENTS,
	};
	struct merge merge;
	struct stream *streams = merge_init(&merge, &r->events, &r->dropped);
	const size_t count = merge.count;
	const struct stream_key last = last_key(&r->head.header);
	enum stream_state state;

	r->damage = r->at_open;
	run.event.time_ns = r->head.header.start_ns;
	state = merge_run(&merge, &run, &last);
	run.event.taken = false;
	if (state == STREAM_END)
		state = folds_visit(&r->folds, streams, count, &run);
	for (size_t i = 0; i < merge.count; i++)
		stream_fini(merge.heap[i]);
	free(merge.heap);
	free(streams);
	return state == STREAM_ERROR ? -1 : state == STREAM_STOP ? run.stop : 0;
}

int reader_definitions(struct reader *r, reader_visit visit, void *context)
{
	struct reader_damage unused = {0};
	struct stream_run run = {.damage = &unused, .visit = visit, .context = context};

	run.event.time_ns = r->head.header.start_ns;
	return run_definitions(r, &run);
}

uint64_t reader_stack_parent(const struct reader *reader, uint64_t stack)
{
	const struct frame_definition *f = definitions_frame(&reader->definitions, stack);

	return f == NULL ? 0 : f->parent;
}

uint64_t reader_stack_code(const struct reader *reader, uint64_t stack)
{
	const struct frame_definition *f = definitions_frame(&reader->definitions, stack);

	return f == NULL ? 0 : f->code;
}

uint32_t reader_stack_line(struct reader *reader, uint64_t stack)
{
	return definitions_line(&reader->definitions, stack);
}

bool reader_stack_known(const struct reader *reader, uint64_t stack)
{
	return definitions_frame(&reader->definitions, stack) != NULL;
}

void reader_code(const struct reader *reader, uint64_t code, struct reader_code *out)
{
	const struct code_definition *c = definitions_code(&reader->definitions, code);

	*out = (struct reader_code){"?", "?", "?", 0};
	if (c == NULL)
		return;
	out->name = definitions_string(&reader->definitions, c->name);
	out->qualname = c->qualname == 0 ? out->name
					 : definitions_string(&reader->definitions, c->qualname);
	out->file = definitions_string(&reader->definitions, c->file);
	out->first_line = c->first_line;
}

const char *reader_string(const struct reader *reader, uint64_t id)
{
	return definitions_string(&reader->definitions, id);
}

uint32_t reader_position_line(struct reader *reader, uint64_t code, uint64_t position)
{
	return definitions_position_line(&reader->definitions, code, position);
}

void reader_c_function(const struct reader *reader, uint64_t id, struct reader_c_function *out)
{
	const struct definitions *d = &reader->definitions;
	const struct c_function_definition *f = definitions_c_function(d, id);

	*out = (struct reader_c_function){"?", ""};
	if (f == NULL)
		return;
	out->name = definitions_string(d, f->name);
	if (f->owner != 0)
		out->owner = definitions_string(d, f->owner);
}

const char *reader_object_type(const struct reader *reader, uint64_t id)
{
	const struct type_definition *type = definitions_type(&reader->definitions, id);

	return type == NULL ? "?" : definitions_string(&reader->definitions, type->name);
}

bool reader_object_type_builtin(const struct reader *reader, uint64_t id)
{
	const struct type_definition *type = definitions_type(&reader->definitions, id);

	return type != NULL && type->builtin;
}
