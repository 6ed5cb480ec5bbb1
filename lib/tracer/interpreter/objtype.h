/* SPDX-License-Identifier: MIT */
/*
 * Types of objects: from a type in the interpreter's memory to a word that says whether its objects
 * are recorded, under which number, and how large they are.
 *
 * A type is looked at once, when its first object is made; names are copied into the log. Types die
 * and their addresses are reused, so the birth and the death of a type must be told here.
 */
#ifndef PMT_TRACER_OBJTYPE_H
#define PMT_TRACER_OBJTYPE_H

#include <stdatomic.h>
#include <stdint.h>

#include "objlive.h"
#include "table.h"

#define OBJTYPE_KNOWN (1ULL << 32)
#define OBJTYPE_REJECTED (1ULL << 33) /* the filters pass over its objects */
#define OBJTYPE_META (1ULL << 34)     /* its objects are types */
#define OBJTYPE_VARIABLE (1ULL << 35) /* its objects differ in size */
#define OBJTYPE_SKIP_SHIFT 36	      /* two bits, as in objlive.h */
#define OBJTYPE_SIZE_SHIFT 40	      /* bytes of an object */

extern struct table objtype_words;
/* Goes up when a word may no longer be what it was. */
extern _Atomic uint64_t objtype_epoch;

/*
 * Once, before the interpreter runs; it looks symbols up. Returns 0, or -1 when the types of this
 * interpreter are not understood.
 */
int objtype_start(void);
/*
 * Ends of types will not be told for a while, or other types are wanted: look at each again. Numbers
 * stay. Where several threads run Python at once, one that makes an object meanwhile may keep an old
 * word.
 */
void objtype_forget(void);
/* Before another log: numbers begin anew. */
void objtype_reset(void);

/* The word of the type at TYPE, 0: it has not been looked at. Any thread. */
static inline uint64_t objtype_find(const void *type)
{
	return table_get(&objtype_words, (uintptr_t)type);
}

/*
 * Read the type at TYPE and give it a word. Returns 0 when it cannot be put into the log. Between
 * enter and leave.
 */
uint64_t objtype_learn(const void *type);

/*
 * The type at TYPE has died, or another type is at its address: forget it. Not between enter and
 * leave.
 */
void objtype_gone(const void *type);

static inline uint32_t objtype_number(uint64_t word)
{
	return (uint32_t)word;
}

/* Bytes from the beginning of the block to the object. */
static inline uint32_t objtype_skip(uint64_t word)
{
	return (uint32_t)(word >> OBJTYPE_SKIP_SHIFT & 3) * 16;
}

static inline uint64_t objtype_size(uint64_t word)
{
	return word >> OBJTYPE_SIZE_SHIFT;
}

/* What a live object's cell says. */
static inline uint32_t objtype_cell(uint64_t word)
{
	return objtype_number(word) | (uint32_t)(word >> OBJTYPE_SKIP_SHIFT & 3)
					      << OBJLIVE_SKIP_SHIFT;
}

#endif
