/* SPDX-License-Identifier: MIT */
/*
 * The chunks of a log: finding them, and loading one. Whole numbers of the file are checked here;
 * the records in a chunk are not.
 */
#ifndef PMT_TOOLS_CHUNKS_H
#define PMT_TOOLS_CHUNKS_H

#include "reader.h"
#include "source.h"

/* An open log, its header checked. */
struct chunk_file {
	struct source *source;
	uint64_t first; /* offset of the first chunk */
	uint32_t chunk_bytes;
	bool recycled; /* places may have been used again (PMT_FEATURE_RECYCLED) */
	bool held;     /* totals tell what was live at the window's beginning */
};

/* A chunk as it was when the log was opened: later records are not read. */
struct chunk_ref {
	uint64_t offset;
	uint64_t time_ns;
	uint64_t order;
	uint32_t slot;
	uint32_t sequence;
	uint32_t committed; /* what is there of it: at most what fits the chunk and the file */
	uint16_t kind;
	bool cut; /* the file ends before the last record does */
};

/* Chunks by slot and sequence; two may claim the same place. All zero before
 * chunks_scan(), which is called once. */
struct chunk_index {
	struct chunk_ref *refs;
	size_t count;
	size_t room;
	uint64_t end;	  /* size of the log */
	size_t bad_heads; /* places where a chunk should be and no good head is */
	size_t missing;	  /* gaps in the numbers of a slot's chunks, at least */
};

/* One loaded chunk; the buffer is reused by the next one. All zero is an empty one. */
struct chunk_buffer {
	struct pmt_chunk *chunk; /* behind it `committed` bytes of its reference */
	size_t room;
};

/* Find all chunks. Adds to DAMAGE. Returns 0, or -1 after a message. */
int chunks_scan(const struct chunk_file *file, struct chunk_index *index,
		struct reader_damage *damage);
/* Make INDEX, which is all zero, one with the same chunks. */
void chunks_copy(struct chunk_index *index, const struct chunk_index *from);
void chunks_fini(struct chunk_index *index);

/*
 * Load a chunk. Returns 1; 0 when it is damaged, or is gone since it was found; -1 after a message
 * when the file cannot be read.
 */
int chunks_load(const struct chunk_file *file, const struct chunk_ref *ref,
		struct chunk_buffer *buffer);
void chunks_buffer_fini(struct chunk_buffer *buffer);

#endif
