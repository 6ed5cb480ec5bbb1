/* SPDX-License-Identifier: MIT */
/*
 * The file: one header, then chunks of one size.
 *
 *	+--------+---------+---------+-----
 *	| header | chunk 0 | chunk 1 | ...
 *	+--------+---------+---------+-----
 *
 * All numbers are little-endian. Both structures are laid out without padding and are written in
 * place into a shared mapping, which is why the build refuses big-endian machines.
 */
#ifndef PMT_FORMAT_LOG_H
#define PMT_FORMAT_LOG_H

#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the log is written in place and is little-endian"
#endif

/* As PNG's: a byte over 127, the name, and both kinds of line end, to notice damage by transfer. */
#define PMT_MAGIC "\211PMT\r\n\032\n"
#define PMT_VERSION_MAJOR 1 /* a reader refuses another one */
#define PMT_VERSION_MINOR 0
#define PMT_HEADER_BYTES 4096
#define PMT_CHUNK_MAGIC 0x4b4e4843U /* "CHNK" */
#define PMT_CHUNK_BYTES_MIN 32768U
#define PMT_CHUNK_BYTES_MAX 16777216U

/*
 * Marks that the package makes for its contexts begin so. There may be many, and no report looks at
 * their moments: what threads hold back then gets no records because of them.
 */
#define PMT_MARK_OF_CONTEXT "pymemtrace:"

/* Incompatible features: a reader must know them. */
#define PMT_FEATURE_FOLDED 1ULL	  /* fold.h; without it there are no fold chunks */
#define PMT_FEATURE_RECYCLED 2ULL /* totals.h; without it no place is used again */
#define PMT_FEATURE_EVENTS 4ULL	  /* events of the interpreter; without it none of their records */
#define PMT_FEATURES_KNOWN (PMT_FEATURE_FOLDED | PMT_FEATURE_RECYCLED | PMT_FEATURE_EVENTS)

/* Compatible features: a reader may ignore them. */
#define PMT_COMPATIBLE_HELD                                                                        \
	1ULL /* totals.h: totals tell what was live at the window's beginning                      \
	      */

#define PMT_COMPATIBLE_FOLD_BOUND                                                                  \
	2ULL /* fold.h: all tables together hold PMT_FOLD_HELD_MAX at most */

/* The file may end within its last chunk, behind what that holds; without it chunks are whole. */
#define PMT_COMPATIBLE_SHORT_END 4ULL

/*
 * The part of the header that changes while the log is written. It is not under a checksum.
 */
struct pmt_header_live {
	uint32_t state;	      /* PMT_STATE_* */
	uint32_t stop_reason; /* PMT_STOP_* */
	uint64_t end_ns;      /* CLOCK_MONOTONIC at the end, 0 while open */
	uint64_t chunks;      /* chunks handed to writers so far */
	uint64_t threads;     /* threads that wrote so far */
	uint64_t lost;	      /* events lost after tracing stopped, or without a thread */
	uint64_t flags;	      /* bit set of PMT_FLAG_*: what was found out along the way */
};

struct pmt_header {
	char magic[8];
	uint16_t version_major;
	uint16_t version_minor;
	uint32_t header_bytes;		/* the first chunk begins here */
	uint32_t chunk_bytes;		/* of every chunk, its header included; a power of two */
	uint32_t page_bytes;		/* of the traced system */
	uint64_t features_compatible;	/* may be ignored by a reader that does not know them */
	uint64_t features_incompatible; /* must be known by a reader */
	uint32_t pid;
	uint32_t parent_pid;
	uint64_t start_realtime_ns; /* CLOCK_REALTIME at the start */
	uint64_t start_ns;	  /* CLOCK_MONOTONIC at the same moment; the clock of all records */
	uint64_t traced;	  /* bit set of PMT_TRACED_* */
	uint32_t python_version;  /* as PY_VERSION_HEX, 0: none */
	uint32_t pointer_bytes;	  /* of the traced process */
	uint64_t rss_interval_ns; /* distance of the resident-set samples, 0: none */
	uint32_t max_stack_depth; /* frames kept of a stack */
	uint32_t texts_bytes;	  /* size of the texts, from offset PMT_TEXTS_OFFSET */
	struct pmt_header_live live;
	uint64_t checksum; /* pmt_hash of bytes [0, end of the texts) with `live` and this field
			      zero */
};

/* Texts: u16 key (PMT_TEXT_*), u16 length, bytes; one behind the other, unaligned. */
#define PMT_TEXTS_OFFSET 256
_Static_assert(sizeof(struct pmt_header) <= PMT_TEXTS_OFFSET, "header grew into its texts");
#define PMT_TEXTS_MAX (PMT_HEADER_BYTES - PMT_TEXTS_OFFSET)

/*
 * The head of a chunk. A chunk belongs to one slot (one thread at a time); a slot's chunks are
 * numbered without gaps, and its records are in the order in which they happened.
 */
struct pmt_chunk {
	uint32_t magic;
	uint16_t kind;	    /* PMT_CHUNK_* */
	uint16_t sealed;    /* 1: full or closed, and the checksum holds */
	uint32_t slot;	    /* whose chunk */
	uint32_t sequence;  /* number of this chunk in its slot, from 0 */
	uint64_t time_ns;   /* clock at the chunk's start */
	uint64_t order;	    /* order number at the chunk's start */
	uint32_t thread;    /* thread number at the chunk's start, 0: none */
	uint32_t committed; /* bytes of whole records behind this head; grows by release stores */
	uint64_t checksum;  /* once sealed: pmt_hash of head (this field and `sealed` zero) and
			       records */
	uint64_t reserved[2];
};

_Static_assert(sizeof(struct pmt_chunk) == 64, "the chunk head is 64 bytes");

/* The checksum that belongs into HEADER; texts are read behind it. BYTES are PMT_HEADER_BYTES. */
uint64_t pmt_header_checksum(const struct pmt_header *header);
/* The checksum that belongs into CHUNK, of its head and its `committed` bytes behind it. */
uint64_t pmt_chunk_checksum(const struct pmt_chunk *chunk);

/*
 * Append a text to the header; cut to the room there is (a cut text ends in "..."). DATA may hold
 * any bytes. Returns 0, or -1 when there is no room for even a short one.
 */
int pmt_header_put_text(struct pmt_header *header, unsigned key, const void *data, size_t size);
/* Find a text: sets DATA and returns its size, or -1 when there is none. Safe on any bytes. */
long pmt_header_get_text(const struct pmt_header *header, unsigned key, const char **data);

#endif
