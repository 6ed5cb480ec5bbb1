/* SPDX-License-Identifier: MIT */
/*
 * The records of one slot, chunk after chunk. A stream has a place in time, its key; it holds a
 * buffer only between its first and its last record.
 */
#ifndef PMT_TOOLS_STREAM_H
#define PMT_TOOLS_STREAM_H

#include "chunks.h"
#include "totals.h"

/* Order of events over all slots: by time, then order number, then slot. */
struct stream_key {
	uint64_t time_ns;
	uint64_t order;
	uint32_t slot;
};

/* The last record of a slot so far, if it is of these. */
struct stream_last {
	enum pmt_type type; /* PMT_REC_alloc, PMT_REC_folded; PMT_REC_UNKNOWN: another one */
	union {
		struct {
			struct pmt_alloc alloc;
			uint64_t order; /* as in struct reader_event */
		};
		struct pmt_folded folded;
	};
};

struct stream {
	struct stream_key key;
	const struct chunk_ref *next; /* not loaded yet; the slot's chunks up to `end` */
	const struct chunk_ref *end;
	const struct chunk_ref *loaded; /* the last good one, NULL at first */
	struct chunk_buffer buffer;
	struct pmt_decoder decoder; /* cur NULL: no chunk loaded */
	uint32_t thread;
	bool prefixed; /* one of the next two is set */
	bool late;     /* the next alloc has the order number of `back` before the present one */
	uint8_t soon;  /* of the next free or realloc, as in struct reader_event */
	uint64_t back;
	uint64_t skipped; /* of the next event of the interpreter, as in struct reader_event */
	bool previous;
	const uint8_t *late_end; /* behind the last alloc that was late */
	const uint8_t
		*taken_end; /* the chunk's records before it are before the window; NULL: none */
	const struct pmt_totals_entry *position; /* where the window begins, NULL: with the slot */
	struct stream_last last;		 /* up to date at the end of each chunk */
};

/* What one run over all streams shares. */
struct stream_run {
	const struct chunk_file *file;
	struct reader_damage *damage;
	struct reader_event event; /* of the last record; `number` is that of the next one */
	reader_visit visit;
	reader_visit_blocks visit_blocks; /* NULL: visit blocks' events like others */
	struct reader_blocks blocks;	  /* empty between calls */
	void *context;
	unsigned kind; /* PMT_CHUNK_*: visit the records of these chunks */
	int stop;      /* what the visitor returned, if not zero */
};

static inline bool stream_before(const struct stream_key *a, const struct stream_key *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns;
	if (a->order != b->order)
		return a->order < b->order;
	return a->slot < b->slot;
}

/* A stream over the chunks [FIRST, END) of one slot, at least one; nothing is loaded. */
void stream_init(struct stream *s, const struct chunk_ref *first, const struct chunk_ref *end);
void stream_fini(struct stream *s);

enum stream_state {
	STREAM_END,   /* no more records; the buffer is freed */
	STREAM_LATER, /* the key is not before the limit any more */
	STREAM_STOP,  /* the visitor wants no more */
	STREAM_ERROR, /* the file cannot be read; a message was printed */
};

/* Visit run->event. Returns false when the visitor wants no more. */
bool stream_visit(struct stream_run *run);

/* Visit records until the key is not before LIMIT. */
enum stream_state stream_advance(struct stream *s, const struct stream_key *limit,
				 struct stream_run *run);

#endif
