/* SPDX-License-Identifier: MIT */
/* The chunks of a log file: index and loading. */
#include "chunks.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "names.h"

#define HEAD sizeof(struct pmt_chunk)

static void make_room(struct chunk_index *index, size_t room)
{
	index->room = room;
	index->refs = need_resize(index->refs, room * sizeof(*index->refs));
}

static void add_chunk(struct chunk_index *index, const struct chunk_ref *ref)
{
	if (index->count == index->room)
		make_room(index, index->room * 2);
	index->refs[index->count++] = *ref;
}

static bool head_makes_sense(const struct chunk_file *file, const struct pmt_chunk *head)
{
	if (head->magic != PMT_CHUNK_MAGIC || head->sealed > 1)
		return false;
	if (head->kind != PMT_CHUNK_EVENTS && head->kind != PMT_CHUNK_DEFINITIONS &&
	    head->kind != PMT_CHUNK_FOLD && head->kind != PMT_CHUNK_TOTALS)
		return false;
	return !head->sealed || head->committed <= file->chunk_bytes - HEAD;
}

/* From the head of a chunk; AVAILABLE bytes of the file from its start on. */
static void fill_ref(const struct chunk_file *file, const struct pmt_chunk *head,
		     uint64_t available, struct chunk_ref *ref)
{
	uint64_t committed = head->committed;

	if (committed > file->chunk_bytes - HEAD)
		committed = file->chunk_bytes - HEAD;
	if (committed > available - HEAD)
		committed = available - HEAD;
	ref->time_ns = head->time_ns;
	ref->order = head->order;
	ref->slot = head->slot;
	ref->sequence = head->sequence;
	ref->kind = head->kind;
	ref->committed = (uint32_t)committed;
	ref->cut = committed < head->committed && available < file->chunk_bytes;
}

/* Where a chunk of zeros stands, perhaps many follow: the next one that may hold data. */
static uint64_t skip_hole(const struct chunk_file *file, uint64_t offset, uint64_t size)
{
	uint64_t next = offset + file->chunk_bytes;
	uint64_t data = source_next_data(file->source, next, size);

	if (data > next && data < size)
		next += (data - next) / file->chunk_bytes * file->chunk_bytes;
	return data < size ? next : size;
}

static bool all_zero(const void *data, size_t size)
{
	static const char zeros[HEAD];

	return memcmp(data, zeros, size) == 0;
}

/* One pass over a file. */
struct scan {
	const struct chunk_file *file;
	struct chunk_index *index; /* `end` is set */
	struct reader_damage *damage;
};

/* A place where a chunk should be and none is. */
static void lose_place(const struct scan *scan, uint64_t offset)
{
	uint64_t available = scan->index->end - offset;

	scan->damage->bytes_lost +=
		available < scan->file->chunk_bytes ? available : scan->file->chunk_bytes;
	scan->index->bad_heads++;
}

/* A place that holds something. HEAD is what was read of it. */
static void take_place(const struct scan *scan, uint64_t offset, const struct pmt_chunk *head)
{
	uint64_t available = scan->index->end - offset;
	struct chunk_ref ref = {.offset = offset};

	/* The chunk was about to be replaced. */
	if (scan->file->recycled && head->magic == 0)
		return;
	if (!head_makes_sense(scan->file, head)) {
		lose_place(scan, offset);
		return;
	}
	fill_ref(scan->file, head, available, &ref);
	add_chunk(scan->index, &ref);
	if (ref.cut) {
		scan->damage->truncated = true;
		scan->damage->bytes_lost += head->committed - ref.committed;
	}
}

/* Look at one place of the file. Returns the offset of the next place, 0 after an error. */
static uint64_t scan_one(const struct scan *scan, uint64_t offset)
{
	struct pmt_chunk head;
	int64_t got = source_read(scan->file->source, &head, sizeof(head), offset);

	if (got == SOURCE_ERROR)
		return 0;
	if (got == SOURCE_DAMAGED) {
		lose_place(scan, offset);
		return offset + scan->file->chunk_bytes;
	}
	if (all_zero(&head, (size_t)got))
		return skip_hole(scan->file, offset, scan->index->end);
	if ((size_t)got < sizeof(head)) {
		scan->damage->truncated = true;
		scan->damage->bytes_lost += (uint64_t)got;
	} else {
		take_place(scan, offset, &head);
	}
	return offset + scan->file->chunk_bytes;
}

static int compare_chunks(const void *a, const void *b)
{
	const struct chunk_ref *x = a, *y = b;

	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	if (x->sequence != y->sequence)
		return x->sequence < y->sequence ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Sort, and note gaps. A slot's first chunks may have been dropped. */
static void put_in_order(struct chunk_index *index, bool recycled, struct reader_damage *damage)
{
	struct chunk_ref *refs = index->refs;

	qsort(refs, index->count, sizeof(*refs), compare_chunks);
	for (size_t i = 0; i < index->count; i++) {
		bool first = i == 0 || refs[i - 1].slot != refs[i].slot;
		uint32_t last = first ? UINT32_MAX : refs[i - 1].sequence;

		if (first && recycled && refs[i].kind == PMT_CHUNK_EVENTS)
			continue;
		index->missing += refs[i].sequence != last && refs[i].sequence != last + 1;
	}
	damage->chunks_damaged +=
		index->missing > index->bad_heads ? index->missing : index->bad_heads;
}

int chunks_scan(const struct chunk_file *file, struct chunk_index *index,
		struct reader_damage *damage)
{
	const struct scan scan = {file, index, damage};
	uint64_t offset = file->first;

	if (source_size(file->source, &index->end) != 0)
		return -1;
	make_room(index, 64);
	while (offset < index->end) {
		offset = scan_one(&scan, offset);
		if (offset == 0)
			return -1;
	}
	put_in_order(index, file->recycled, damage);
	return 0;
}

void chunks_copy(struct chunk_index *index, const struct chunk_index *from)
{
	*index = *from;
	index->refs = NULL;
	make_room(index, from->room);
	memcpy(index->refs, from->refs, from->count * sizeof(*from->refs));
}

void chunks_fini(struct chunk_index *index)
{
	free(index->refs);
	*index = (struct chunk_index){0};
}

/* A sealed chunk must have its checksum; one that grew since it was found cannot be checked. */
static bool is_intact(const struct pmt_chunk *chunk, const struct chunk_ref *ref)
{
	if (chunk->magic != PMT_CHUNK_MAGIC || chunk->slot != ref->slot ||
	    chunk->sequence != ref->sequence || chunk->kind != ref->kind)
		return false;
	if (!chunk->sealed || chunk->committed != ref->committed)
		return true;
	return pmt_chunk_checksum(chunk) == chunk->checksum;
}

int chunks_load(const struct chunk_file *file, const struct chunk_ref *ref,
		struct chunk_buffer *buffer)
{
	size_t size = HEAD + ref->committed;
	int64_t got;

	if (buffer->room < size) {
		buffer->chunk = need_resize(buffer->chunk, size);
		buffer->room = size;
	}
	got = source_read(file->source, buffer->chunk, size, ref->offset);
	if (got == SOURCE_ERROR)
		return -1;
	return (size_t)got == size && is_intact(buffer->chunk, ref);
}

void chunks_buffer_fini(struct chunk_buffer *buffer)
{
	free(buffer->chunk);
	*buffer = (struct chunk_buffer){0};
}
