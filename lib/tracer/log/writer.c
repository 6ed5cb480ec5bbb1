/* SPDX-License-Identifier: MIT */
/* Writers: rotation of chunks. */
#include "writer.h"

#include <stdatomic.h>

#include "logfile.h"

static _Atomic uint32_t slots;

uint32_t writer_new_slot(void)
{
	return atomic_fetch_add(&slots, 1);
}

void writer_reset(void)
{
	atomic_store(&slots, 0);
}

void writer_init(struct writer *w, unsigned kind, uint32_t slot)
{
	*w = (struct writer){.kind = kind, .slot = slot, .generation = logfile_generation()};
}

void writer_finish(struct writer *w)
{
	struct pmt_chunk *chunk = w->chunk;
	const struct pmt_state end = w->enc.state;

	/*
	 * The writer forgets its chunk first: a signal handler that ends the process now must not
	 * seal it, too.
	 */
	w->chunk = NULL;
	w->limit = w->enc.cur = NULL;
	atomic_signal_fence(memory_order_seq_cst);
	if (chunk == NULL)
		return;
	const uint64_t used = sizeof(*chunk) + chunk->committed;

	logfile_seal(chunk, w->number, w->bytes, &end);
	logfile_trim(w->number, used, w->bytes);
}

/* SIZE bytes of records, at least, fit into the new chunk. */
static int rotate_chunk(struct writer *w, size_t size, uint64_t time_ns, uint64_t order)
{
	writer_finish(w);
	if (w->generation != logfile_generation())
		return -1;
	/* Space for the first chunk is had in steps; who has filled one will fill the next. */
	w->bytes = w->sequence == 0 ? sizeof(*w->chunk) + size : logfile_header()->chunk_bytes;
	w->chunk = logfile_chunk(w->kind, &w->number, &w->bytes);
	if (w->chunk == NULL)
		return -1;
	w->chunk->kind = (uint16_t)w->kind;
	w->chunk->slot = w->slot;
	w->chunk->sequence = w->sequence++;
	w->chunk->time_ns = time_ns;
	w->chunk->order = order;
	w->chunk->thread = w->thread;
	/* Last, so that a process killed above leaves no half-made head. */
	__atomic_store_n(&w->chunk->magic, PMT_CHUNK_MAGIC, __ATOMIC_RELEASE);
	logfile_begun(w->chunk, w->number);
	w->enc.cur = (uint8_t *)(w->chunk + 1);
	w->enc.state = (struct pmt_state){.time_ns = time_ns, .order = order};
	w->limit = (uint8_t *)w->chunk + w->bytes;
	return 0;
}

/* Of a limit that is NULL the chunk's is the owner's affair: thread_room(). */
int writer_more(struct writer *w, size_t size)
{
	if (w->chunk != NULL && w->limit != NULL && w->generation == logfile_generation()) {
		const uint64_t bytes = logfile_extend(w->number, w->bytes, size);

		if (bytes != w->bytes) {
			w->bytes = bytes;
			w->limit = (uint8_t *)w->chunk + bytes;
		}
		if (writer_has_room(w, size))
			return 0;
	}
	return rotate_chunk(w, size, w->enc.state.time_ns, w->enc.state.order);
}

int writer_rotate(struct writer *w, uint64_t time_ns, uint64_t order)
{
	return rotate_chunk(w, 0, time_ns, order);
}
