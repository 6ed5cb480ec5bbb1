/* SPDX-License-Identifier: MIT */
/*
 * Accounts of the resident set: what the tracer read from the kernel, put together with what the
 * replay knows of that moment.
 *
 * The kernel's mappings say where pages are. Which of the anonymous ones are an arena of Python, a
 * large block of malloc, or the program's own, only the records say: neighbours become one mapping.
 * So the records' ranges are laid over the parts of the account; where a part is but partly
 * resident and has several owners, each gets its share by length.
 *
 * Sums do not wrap: they stop at the largest number.
 */
#ifndef PMT_TOOLS_ACCOUNT_H
#define PMT_TOOLS_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include "mappings.h"
#include "names.h"

/* What the resident set is made of; all parts and `unexplained` add up to it. */
enum account_part {
	ACCOUNT_HEAP,	   /* malloc: its arenas, and blocks in mappings of their own */
	ACCOUNT_ARENAS,	   /* of Python */
	ACCOUNT_MAPPED,	   /* anonymous memory that the program mapped */
	ACCOUNT_ANONYMOUS, /* other anonymous memory */
	ACCOUNT_STACKS,
	ACCOUNT_LIBRARIES,
	ACCOUNT_LIBRARY_DATA,
	ACCOUNT_FILES,
	ACCOUNT_FILE_COPIES,
	ACCOUNT_SHARED,
	ACCOUNT_TRACER,
	ACCOUNT_OTHER,
	ACCOUNT_BEFORE, /* anonymous memory that was there before the log: inherited, as a rule */
	ACCOUNT_PARTS,
};

/*
 * An allocator's memory: held + overhead + before + kept - untouched = resident. Memory that is not
 * touched may be part of blocks as well as of what is free.
 */
struct account_store {
	uint64_t blocks;
	uint64_t held_bytes;	 /* requested, of live blocks */
	uint64_t overhead_bytes; /* headers and rounding of these */
	uint64_t before_bytes;	 /* in blocks from before the log */
	uint64_t kept_bytes;	 /* in no live block */
	uint64_t untouched_bytes;
	bool known; /* else the blocks are not known, or lie elsewhere: only `blocks`, `held` hold
		     */
};

struct account_view {
	uint64_t time_ns; /* since the start */
	uint64_t rss_bytes;
	uint64_t resident[ACCOUNT_PARTS];
	uint64_t mapped[ACCOUNT_PARTS]; /* address space; 0: not known */
	uint64_t shared_bytes;		/* of the resident set: other processes have it, too */
	uint64_t reserved_bytes;	/* address space without access */
	uint64_t swap_bytes;
	struct account_store heap;
	struct account_store arenas;
	struct pmt_account record; /* with the figures of malloc, if they are known */
};

/* Blocks that lie in one allocator's memory. */
struct account_blocks {
	uint64_t count;
	uint64_t bytes;		/* requested */
	uint64_t rounded_bytes; /* with headers and rounding */
};

enum account_owner {
	ACCOUNT_BY_MALLOC,
	ACCOUNT_BY_PYTHON,
	ACCOUNT_BY_PROGRAM,
	ACCOUNT_BY_NOBODY, /* it was there before the log, and nobody knows who made it */
	ACCOUNT_OWNERS
};

struct account_ranges {
	struct pmt_account_range *list;
	uint32_t count;
	uint32_t room;
};

struct account {
	struct mappings owners; /* `site` is an enum account_owner */
	uint64_t owned_bytes[ACCOUNT_OWNERS];
	struct account_blocks malloc;
	struct account_blocks python; /* small blocks of Python's own allocator */
	/* Of a forked child whose parent's log is there: what the parent had at the fork. */
	struct account_blocks malloc_before;
	struct account_blocks python_before;
	bool before_known;
	struct account_ranges ranges;	  /* of the account that is being read */
	struct pmt_account_shared shared; /* of the account that is being read */
	uint64_t accounts;
	struct account_view peak; /* the one with the largest resident set */
	struct account_view last;
	bool incomplete; /* account_lacks_events() */
	/* From the header. */
	bool has_before; /* the process is a forked child, or was there before the log */
	bool forked;
	uint64_t arena_bytes; /* of an arena of Python; 0: not known */
	bool malloc_maps;     /* malloc is not the C library's, and its mappings are recorded */
	bool free_threaded;
	bool sees_python; /* Python's blocks are recorded */
};

/* HEADER is read here only. */
void account_init(struct account *account, const struct pmt_header *header);
void account_fini(struct account *account);

/*
 * ACCOUNT, before its first record, is of a child of the process that PARENT was replayed of up to
 * the fork: it begins with what that one had.
 */
void account_inherit(struct account *account, struct account *parent);

/* A block of SIZE bytes at ADDR came from the allocator KIND (COUNT 1), or goes (-1). */
void account_block_large(struct account *account, uint64_t addr, uint64_t size, int count);

#define ACCOUNT_SMALL_MAX 512U	       /* larger blocks of Python come from malloc */
#define ACCOUNT_LARGE_MIN (120U << 10) /* of these malloc may put each in a mapping of its own */

static inline bool account_is_python(const struct account *account, uint64_t size, uint32_t kind)
{
	return kind >= PMT_ALLOCATOR_PYMEM_MALLOC && kind <= PMT_ALLOCATOR_PYOBJECT_REALLOC &&
	       (size <= ACCOUNT_SMALL_MAX || account->free_threaded);
}

static inline void account_block(struct account *account, uint64_t addr, uint64_t size,
				 uint32_t kind, int count)
{
	const uint64_t sign = (uint64_t)(int64_t)count;
	const bool python = account_is_python(account, size, kind);
	struct account_blocks *blocks = python ? &account->python : &account->malloc;
	/* malloc: 8 bytes in front, at least 32, a multiple of 16; Python's blocks: of 16. */
	uint64_t rounded = (size + (python ? 15 : 8 + 15)) & ~UINT64_C(15);

	if (!python && rounded < 32)
		rounded = 32;
	blocks->count += sign;
	blocks->bytes += size * sign;
	blocks->rounded_bytes += rounded * sign;
	if (size >= ACCOUNT_LARGE_MIN && (addr & 4095) == 16)
		account_block_large(account, addr, size, count);
}

/* A record that is not about blocks, at TIME_NS since the start. Mappings are given as well. */
void account_record(struct account *account, const struct pmt_record *record, uint64_t time_ns);

/* In the end: events are missing, so what allocators keep free is not known. */
void account_lacks_events(struct account *account);

/* What the parts leave over; negative when they are more than the resident set. */
int64_t account_unexplained(const struct account_view *view);
/* "C heap", "Python's arenas": for people; and "c_heap" for JSON. */
extern const char *const account_part_names[ACCOUNT_PARTS];
extern const char *const account_part_keys[ACCOUNT_PARTS];

#endif
