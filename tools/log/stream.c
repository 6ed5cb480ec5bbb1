/* SPDX-License-Identifier: MIT */
/* The records of one slot. */
#include "stream.h"

#include "names.h"

void stream_init(struct stream *s, const struct chunk_ref *first, const struct chunk_ref *end)
{
	*s = (struct stream){
		.key = {first->time_ns, first->order, first->slot},
		.next = first,
		.end = end,
		.last = {.type = PMT_REC_UNKNOWN},
	};
}

void stream_fini(struct stream *s)
{
	chunks_buffer_fini(&s->buffer);
}

/* Clocks of a hostile log may go back from chunk to chunk; keys do not. */
static void raise_key(struct stream *s, const struct pmt_state *state)
{
	if (state->time_ns > s->key.time_ns)
		s->key.time_ns = state->time_ns;
	if (state->order > s->key.order)
		s->key.order = state->order;
}

/*
 * Load a chunk. Returns 1, 0 when it is of no use, -1 after an error. Of two chunks that claim the
 * same place the first good one counts.
 */
static int load_chunk(struct stream *s, const struct chunk_ref *ref, struct stream_run *run)
{
	int rc = 0;

	if (ref->kind != run->kind)
		return 0;
	if (s->loaded == NULL || s->loaded->sequence != ref->sequence)
		rc = chunks_load(run->file, ref, &s->buffer);
	if (rc == 0) {
		run->damage->chunks_damaged++;
		run->damage->bytes_lost += ref->committed;
	}
	return rc;
}

/* Where the kept window begins in the loaded chunk, NULL: before it. */
static const uint8_t *taken_end(const struct stream *s)
{
	const uint64_t size = (uint64_t)(s->decoder.end - s->decoder.cur);

	if (s->position == NULL || s->position->stack < s->loaded->sequence)
		return NULL;
	if (s->position->stack > s->loaded->sequence || pmt_held_value(s->position) > size)
		return s->decoder.end;
	return s->decoder.cur + pmt_held_value(s->position);
}

static bool before_window(const struct stream *s)
{
	return s->taken_end != NULL && s->decoder.cur < s->taken_end;
}

/* Load the next good chunk. Returns 1, 0 when there is none, -1 after an error. */
static int load_next(struct stream *s, struct stream_run *run)
{
	s->decoder.cur = NULL;
	while (s->next != s->end) {
		const struct chunk_ref *ref = s->next++;
		int rc = load_chunk(s, ref, run);

		if (rc < 0)
			return -1;
		if (rc == 0)
			continue;
		s->loaded = ref;
		s->decoder.cur = (const uint8_t *)(s->buffer.chunk + 1);
		s->decoder.end = s->decoder.cur + ref->committed;
		s->decoder.state = (struct pmt_state){.time_ns = ref->time_ns, .order = ref->order};
		s->thread = s->buffer.chunk->thread;
		s->prefixed = s->late = false;
		s->soon = 0;
		s->skipped = 0;
		s->previous = false;
		s->late_end = NULL;
		s->taken_end = taken_end(s);
		raise_key(s, &s->decoder.state);
		return 1;
	}
	return 0;
}

static bool is_definition(enum pmt_type type)
{
	return type == PMT_REC_string || type == PMT_REC_code || type == PMT_REC_code_lines ||
	       type == PMT_REC_frame || type == PMT_REC_c_function || type == PMT_REC_object_type;
}

/* Set what the event says about its place, from the stream. */
static void place_event(const struct stream *s, struct reader_event *event)
{
	event->time_ns = s->key.time_ns;
	event->order = s->key.order;
	event->slot = s->key.slot;
	event->thread = s->thread;
}

bool stream_visit(struct stream_run *run)
{
	run->stop = run->visit(run->context, &run->event);
	run->event.number++;
	return run->stop == 0;
}

/* A record that belongs to the next alloc, or to the next free or realloc. */
static void take_prefix(struct stream *s, const struct pmt_record *record)
{
	s->prefixed = true;
	if (record->type == PMT_REC_birth) {
		s->late = true;
		s->back = record->birth.back;
	} else {
		s->soon = (uint8_t)(1 + record->soon.distance);
	}
}

static uint64_t birth_order(const struct stream *s)
{
	return s->back < s->key.order ? s->key.order - s->back : 0;
}

/* A block's event, with the prefixes that belong to it. */
static bool visit_prefixed(struct stream *s, struct stream_run *run)
{
	struct reader_event *event = &run->event;

	if (event->record.type == PMT_REC_alloc && s->late) {
		event->late = true;
		event->order = s->last.order = birth_order(s);
		s->late = false;
		s->late_end = s->decoder.cur;
	} else if (event->record.type != PMT_REC_alloc) {
		event->soon = s->soon;
		s->soon = 0;
	}
	const bool goes_on = stream_visit(run);

	s->prefixed = s->late || s->soon != 0;
	event->late = false;
	event->soon = 0;
	event->order = s->key.order;
	return goes_on;
}

/* An event of the interpreter. Returns false when the visitor wants no more. */
static bool visit_python(struct stream *s, struct stream_run *run)
{
	struct reader_event *event = &run->event;

	event->rss_bytes = s->decoder.state.resident;
	event->skipped = s->skipped;
	event->previous = s->previous;
	s->skipped = 0;
	s->previous = false;
	const bool goes_on = stream_visit(run);

	event->rss_bytes = event->skipped = 0;
	event->previous = false;
	return goes_on;
}

static bool is_misplaced(const struct pmt_record *record, unsigned kind)
{
	return is_definition(record->type) != (kind == PMT_CHUNK_DEFINITIONS) ||
	       (record->type == PMT_REC_folded &&
		record->folded.allocator >= pmt_record_infos[PMT_REC_alloc].variants);
}

/* A record that is not just an event. Returns false when the visitor wants no more. */
static bool take_other(struct stream *s, struct stream_run *run)
{
	const struct pmt_record *record = &run->event.record;

	if (record->type == PMT_REC_UNKNOWN) {
		run->damage->unknown_records++;
		return true;
	}
	if (is_misplaced(record, run->kind)) {
		run->damage->records_damaged++;
		return true;
	}
	if (record->type == PMT_REC_thread) {
		s->thread =
			record->thread.thread < UINT32_MAX ? (uint32_t)record->thread.thread : 0;
		run->event.thread = s->thread;
	}
	return stream_visit(run);
}

/* Hand the blocks out that were collected. Returns false when the visitor wants no more. */
static bool hand_out(struct stream *s, struct stream_run *run)
{
	struct reader_blocks *blocks = &run->blocks;

	if (blocks->count == 0)
		return true;
	blocks->time_ns = s->key.time_ns;
	blocks->number = run->event.number;
	blocks->slot = s->key.slot;
	blocks->thread = s->thread;
	run->event.number += blocks->count;
	run->stop = run->visit_blocks(run->context, blocks);
	blocks->count = 0;
	return run->stop == 0;
}

/*
 * Decode one alloc or free or a prefix of one, if that is next and simple. BLOCK gets it, and NEXT
 * is moved on behind a block's event.
 */
static inline bool take_near(struct stream *s, struct pmt_decoder *d, struct reader_block **next)
{
	struct reader_block *block = *next;
	const unsigned tag = *d->cur++;
	struct pmt_alloc alloc;
	struct pmt_free release;
	struct pmt_birth birth;

	if (tag - PMT_TAG_alloc < PMT_VARIANTS_alloc) {
		if (pmt_near_alloc(d, tag - PMT_TAG_alloc, &alloc) != 0)
			return false;
		*block = (struct reader_block){alloc.addr,
					       alloc.size,
					       alloc.stack,
					       s->late ? birth_order(s) : s->key.order,
					       (uint32_t)alloc.allocator,
					       0};
		s->late = false;
		*next = block + 1;
	} else if (tag - PMT_TAG_free < PMT_VARIANTS_free) {
		if (pmt_near_free(d, tag - PMT_TAG_free, &release) != 0)
			return false;
		*block = (struct reader_block){release.addr, 0,		  0,
					       s->key.order, READER_FREE, s->soon};
		s->soon = 0;
		*next = block + 1;
	} else if (tag == PMT_TAG_birth) {
		if (pmt_near_birth(d, 0, &birth) != 0)
			return false;
		s->late = true;
		s->back = birth.back;
	} else if (tag - PMT_TAG_soon < PMT_VARIANTS_soon) {
		s->soon = (uint8_t)(1 + tag - PMT_TAG_soon);
	} else {
		return false;
	}
	return true;
}

/* Hand out blocks' events up to something else. Returns false when the visitor wants no more. */
static bool take_blocks(struct stream *s, struct stream_run *run)
{
	struct reader_block *const first = run->blocks.blocks;
	struct reader_block *const end = first + READER_BLOCKS_MAX;
	struct pmt_decoder d = s->decoder;
	bool near = true;

	while (near) {
		struct reader_block *next = first;

		while (next != end && d.end - d.cur >= PMT_NEAR_MAX) {
			const struct pmt_decoder before = d;

			near = take_near(s, &d, &next);
			if (near)
				continue;
			d = before;
			break;
		}
		near &= next == end;
		run->blocks.count = (uint32_t)(next - first);
		if (!hand_out(s, run))
			return false;
	}
	s->prefixed = s->late || s->soon != 0;
	s->decoder = d;
	return true;
}

/* The end of a chunk: keep its last record where whoever reads fold chunks must know it. */
static void note_last(struct stream *s, const struct pmt_record *record)
{
	s->last.type = PMT_REC_UNKNOWN;
	if (record->type == PMT_REC_alloc) {
		s->last.type = PMT_REC_alloc;
		s->last.alloc = record->alloc;
		if (s->late_end != s->decoder.cur)
			s->last.order = s->key.order;
	} else if (record->type == PMT_REC_folded) {
		s->last.type = PMT_REC_folded;
		s->last.folded = record->folded;
	}
}

/* The rest of a chunk cannot be read. */
static void lose_rest(struct stream *s, struct stream_run *run)
{
	run->damage->records_damaged += !s->loaded->cut;
	run->damage->bytes_lost += (uint64_t)(s->decoder.end - s->decoder.cur);
	s->last.type = PMT_REC_UNKNOWN;
}

/* The records of the loaded chunk. STREAM_END is the end of the chunk. */
static enum stream_state advance_chunk(struct stream *s, const struct stream_key *limit,
				       struct stream_run *run)
{
	const uint8_t *start = s->decoder.cur;
	int rc;

	place_event(s, &run->event);
	for (;;) {
		run->event.taken = before_window(s);
		if (run->visit_blocks != NULL && !run->event.taken && !take_blocks(s, run))
			return STREAM_STOP;
		rc = pmt_get_record(&s->decoder, &run->event.record);
		if (rc <= 0)
			break;
		switch (run->event.record.type) {
		case PMT_REC_alloc:
		case PMT_REC_free:
		case PMT_REC_realloc:
			if (!(s->prefixed ? visit_prefixed(s, run) : stream_visit(run)))
				return STREAM_STOP;
			break;
		case PMT_REC_time:
		case PMT_REC_order:
			raise_key(s, &s->decoder.state);
			s->last.type = PMT_REC_UNKNOWN;
			if (!stream_before(&s->key, limit))
				return STREAM_LATER;
			place_event(s, &run->event);
			break;
		case PMT_REC_birth:
		case PMT_REC_soon:
			take_prefix(s, &run->event.record);
			break;
		case PMT_REC_pyevent:
		case PMT_REC_c_event:
		case PMT_REC_line:
		case PMT_REC_create:
		case PMT_REC_destroy:
			if (!visit_python(s, run))
				return STREAM_STOP;
			break;
		case PMT_REC_resident:
			break;
		case PMT_REC_skipped:
			s->skipped += run->event.record.skipped.count;
			s->previous = run->event.record.skipped.previous != 0;
			break;
		default:
			if (!take_other(s, run))
				return STREAM_STOP;
			break;
		}
	}
	if (rc < 0)
		lose_rest(s, run);
	else if (s->decoder.cur != start)
		note_last(s, &run->event.record);
	return STREAM_END;
}

enum stream_state stream_advance(struct stream *s, const struct stream_key *limit,
				 struct stream_run *run)
{
	for (;;) {
		if (s->decoder.cur == NULL) {
			int rc = load_next(s, run);

			if (rc == 0)
				stream_fini(s);
			if (rc <= 0)
				return rc == 0 ? STREAM_END : STREAM_ERROR;
			if (!stream_before(&s->key, limit))
				return STREAM_LATER;
		}
		enum stream_state state = advance_chunk(s, limit, run);

		if (state != STREAM_END)
			return state;
		s->decoder.cur = NULL;
	}
}
