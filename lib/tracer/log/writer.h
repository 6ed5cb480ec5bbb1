/* SPDX-License-Identifier: MIT */
/*
 * A writer: one slot's place in the log. Owned by one thread at a time; no lock is held while it
 * writes. Used by the event path (struct thread), the sampler and the definitions.
 */
#ifndef PMT_TRACER_WRITER_H
#define PMT_TRACER_WRITER_H

#include <stdint.h>

#include "log.h"
#include "record.h"

struct writer {
	struct pmt_encoder enc;	 /* where the next record goes, and the deltas' state */
	uint8_t *limit;		 /* a record may begin below this; NULL: ask thread_room() first */
	struct pmt_chunk *chunk; /* NULL: none, every write fails */
	uint32_t kind;
	uint32_t slot;
	uint32_t thread; /* number of the thread that writes now */
	uint32_t sequence;
	uint64_t number; /* of the chunk in the file */
	uint64_t bytes;	 /* of the chunk that are allocated */
	/* The log that it is for: logfile_generation() when it was started. */
	uint32_t generation;
};

/* A slot number that nobody has. */
uint32_t writer_new_slot(void);
/* Start a writer without a chunk; the first writer_room() gets one. */
void writer_init(struct writer *w, unsigned kind, uint32_t slot);
/*
 * Room for SIZE bytes behind what is written: more of this chunk, or else a new one. Returns 0, or
 * -1 when the log cannot grow or is another.
 */
int writer_more(struct writer *w, size_t size);
/* Seal the old chunk and get a new one. Returns 0, or -1 when the log cannot grow or is another. */
int writer_rotate(struct writer *w, uint64_t time_ns, uint64_t order);
/* Seal the chunk, if there is one; w has none afterwards. */
void writer_finish(struct writer *w);
/* In a forked child: slots are numbered anew. */
void writer_reset(void);

static inline int writer_has_room(const struct writer *w, size_t size)
{
	return (intptr_t)w->limit - (intptr_t)w->enc.cur >= (intptr_t)size;
}

/* Make room for SIZE bytes of records, SIZE below PMT_PAYLOAD_MAX + PMT_RECORD_MAX. 0, or -1. */
static inline int writer_room(struct writer *w, size_t size)
{
	if (__builtin_expect(writer_has_room(w, size), 1))
		return 0;
	return writer_more(w, size);
}

/*
 * Everything put so far becomes part of the log: a reader that sees the new count sees the bytes,
 * and they are in the file even if the process dies now.
 */
static inline void writer_commit(struct writer *w)
{
	uint32_t size = (uint32_t)(w->enc.cur - (uint8_t *)(w->chunk + 1));

	__atomic_store_n(&w->chunk->committed, size, __ATOMIC_RELEASE);
}

#endif
