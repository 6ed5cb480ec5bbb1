/* SPDX-License-Identifier: MIT */
/*
 * From the first bytes of a block to the type of the object in it. One structure serves for one
 * census; the caller holds the interpreter's lock.
 *
 * An object begins 0, 16 or 32 bytes into its block: up to two things stand before it, the head of
 * the garbage collector and, from 3.11 on, the words of its dict and weak references. The type says
 * which of them its objects have. So the word where a type could stand is believed when what it
 * points to is a type, and one whose objects begin just there.
 *
 * No pointer is followed that is not known to be good: the kernel copies what it points to.
 */
#ifndef PMT_TRACER_TYPEINFO_H
#define PMT_TRACER_TYPEINFO_H

#include <stddef.h>
#include <stdint.h>

#include "record.h"

#define TYPEINFO_NEGATIVES 8192U
/* Bytes at the beginning of a block that are looked at. */
#define TYPEINFO_HEAD 48U

/* Ids that are no types. */
enum { TYPEINFO_NONE = 1, TYPEINFO_FREE = 2, TYPEINFO_FIRST = 3 };

struct typeinfo_type {
	uintptr_t address;
	uint64_t count;	  /* for the caller */
	uint16_t skip;	  /* bytes before its objects */
	uint16_t is_meta; /* its objects are types */
	uint32_t id;	  /* TYPEINFO_FIRST and up; 0: none of its objects has been seen yet */
};

struct typeinfo {
	int pid;
	struct typeinfo_type *types; /* in the order in which they were found */
	uint32_t count;
	uint32_t room;
	uint32_t *index; /* hash table of positions in `types` plus one */
	uint32_t index_mask;
	uint32_t last_id;
	uint32_t last;				 /* position of the type of the last object */
	uint32_t budget;			 /* looks by the kernel that are left */
	uintptr_t negatives[TYPEINFO_NEGATIVES]; /* words that are no types */
};

/*
 * Once, at the start, because it looks symbols up. Returns 0, or -1 when the types of this
 * interpreter are not understood: then there are no censuses.
 */
int typeinfo_start(void);
/* In zeroed memory. Returns 0; or -1, without memory or when the kernel does not copy for us. */
int typeinfo_init(struct typeinfo *info, int pid);
void typeinfo_fini(struct typeinfo *info);

/*
 * Type id of the block whose first SIZE bytes (at most TYPEINFO_HEAD) are at HEAD: TYPEINFO_NONE,
 * TYPEINFO_FREE, or that of a type.
 */
uint32_t typeinfo_look(struct typeinfo *info, const void *head, size_t size,
		       struct typeinfo_type **type);

/* What a type is called, as UTF-8 of at most SIZE bytes each; empty where it is not known. */
struct typeinfo_name {
	uint8_t module[256];
	uint8_t name[512];
	uint32_t module_size;
	uint32_t name_size;
};
void typeinfo_name(const struct typeinfo *info, uintptr_t type, struct typeinfo_name *name);

#endif
