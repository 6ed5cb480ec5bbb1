/* SPDX-License-Identifier: MIT */
/*
 * The memory mappings that are live at one moment of a log: a set of address ranges that do not
 * overlap, each with its class and the site that made it.
 *
 * Ranges are whole pages: starts are rounded down, ends up, and an end beyond the address space is
 * clipped. Every operation takes O(log n) and O(1) more for each range that it removes.
 *
 * How much of a range counts as memory that the program took: of an anonymous one all of it, of a
 * reserved one nothing, until an account tells how much of it is resident; then that much, and what
 * the resident set has grown by since, as far as nothing else explains that. Ranges of files and arenas do not count: a file's pages are the kernel's to drop, and what an arena
 * holds are blocks.
 */
#ifndef PMT_TOOLS_MAPPINGS_H
#define PMT_TOOLS_MAPPINGS_H

#include <stdint.h>

#include "record.h"

/* MAPPING_<NAME>. The class is that of the moment of mapping: mprotect() does not change it. */
enum mapping_class {
	MAPPING_ANONYMOUS, /* memory that belongs to no file */
	MAPPING_FILE,	   /* of a file (not MAP_ANONYMOUS) */
	MAPPING_RESERVED,  /* anonymous, PROT_NONE or MAP_NORESERVE: address space, not memory */
	MAPPING_ARENA,	   /* an allocator's, for blocks that are counted themselves */
	MAPPING_MALLOC,	   /* malloc's, where that is not the C library's: the same */
	MAPPING_CLASSES,
};

/* `arena` of an mmap record. */
#define MAPPING_BY_MALLOC 2

/* "anonymous", "file", "reserved", "arena", "malloc". */
extern const char *const mapping_class_names[MAPPING_CLASSES];

struct mapping_total {
	uint64_t count; /* ranges; a mapping with a hole is two */
	uint64_t bytes;
	uint64_t peak_bytes; /* largest `bytes` between two operations */
};

/* Told of each range that comes (COUNT 1), goes (-1) or changes its length (0). */
typedef void (*mapping_change)(void *context, uint32_t site, enum mapping_class class,
			       int64_t bytes, int count);

/* Told of each change of the bytes that count. */
typedef void (*mapping_counted)(void *context, uint32_t site, int64_t bytes);

struct mapping;

struct mappings {
	struct mapping *root;
	struct mapping *spare;
	struct mapping_total totals[MAPPING_CLASSES];
	uint64_t unreserved_peak; /* largest sum of anonymous and file ranges */
	uint64_t page_bytes;
	uint64_t random;
	mapping_change changed;	 /* may be NULL */
	mapping_counted counted; /* NULL: nobody wants to know; set it after mappings_init() */
	void *context;
	uint64_t counted_bytes; /* of all ranges */
	uint64_t untold_bytes;	/* of these, in ranges that no account has told of */
	uint64_t grown_bytes;	/* of these, what mappings_grow() added */
};

/* PAGE_BYTES of the traced system; what is no page size counts as 4096. CHANGED may be NULL. */
void mappings_init(struct mappings *maps, uint64_t page_bytes, mapping_change changed,
		   void *context);
void mappings_fini(struct mappings *maps);

/* The class of what an mmap record maps. */
enum mapping_class mapping_class(const struct pmt_mmap *record);
/* The class of the range at ADDR; anonymous when there is none. */
enum mapping_class mappings_class_at(const struct mappings *maps, uint64_t addr);

/* Calls VISIT with the bytes of each range that lie in [START, END), by address. */
typedef void (*mapping_visit)(void *context, uint32_t site, uint64_t bytes);
void mappings_visit(const struct mappings *maps, uint64_t start, uint64_t end, mapping_visit visit,
		    void *context);

/*
 * The account with this number, not 0, tells that RESIDENT bytes of [START, START + SIZE) are
 * resident. Several parts of one account add up.
 */
struct mapping_told {
	uint64_t account;
	uint64_t start;
	uint64_t size;
	uint64_t resident;
};

void mappings_tell(struct mappings *maps, const struct mapping_told *told);

/*
 * Since the last account that told of ranges they have grown by BYTES in all, so far: the ranges that
 * were resident in part then, each by a share of its room; what these have no room for, the anonymous
 * ones of which nothing was resident. Takes O(n).
 */
void mappings_grow(struct mappings *maps, uint64_t bytes);

/*
 * Replay a record. SITE is the caller's, for the new range. Without memory the program ends.
 *
 * mmap removes what was there before. munmap cuts ranges as needed. mremap removes the old range,
 * or keeps it (MREMAP_DONTUNMAP, or old size 0, which duplicates a shared mapping), removes what
 * was at the new place, and adds the new range; its class is that of the range at the old address,
 * anonymous when there is none (it was mapped before tracing began), and its site is SITE.
 */
void mappings_mmap(struct mappings *maps, const struct pmt_mmap *record, uint32_t site);
void mappings_munmap(struct mappings *maps, const struct pmt_munmap *record);
void mappings_mremap(struct mappings *maps, const struct pmt_mremap *record, uint32_t site);

#endif
