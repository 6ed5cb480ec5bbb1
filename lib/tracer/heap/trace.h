/* SPDX-License-Identifier: MIT */
/*
 * The one waist: every source of events calls these, each event becomes one record.
 *
 * Any thread, errno is left alone, nothing is allocated, no lock is held and no system call is made
 * unless a chunk is full, a stack is new or a thread is. Events that a signal handler raises inside
 * the tracer are counted as lost.
 *
 * Something taken (alloc, mmap) is recorded after the real call. Something given back is recorded
 * before it when the call cannot fail (free); when it can (realloc, munmap, mremap),
 * trace_leaving() comes before the real call and keeps its place in the order, and the record
 * follows afterwards.
 */
#ifndef PMT_TRACER_TRACE_H
#define PMT_TRACER_TRACE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "order.h"
#include "record.h"

void trace_alloc(void *block, size_t size, unsigned allocator);
void trace_free(void *block, unsigned deallocator);

/* What lies at ENTRY may be given back by the call that follows. */
void trace_leaving(unsigned entry);
void trace_leaving_mapping(void);
/* A block of the heap moved or changed its size. OLD and BLOCK are not NULL. */
void trace_realloc(void *old, void *block, size_t size, unsigned reallocator);
/* OLD was given back by a function that could have failed. */
void trace_left(void *old, unsigned deallocator);

/*
 * The same for a function that calls other allocators. Nothing that happens between thread_inside()
 * and the end is an event, but for mappings, which are marked as arenas:
 *
 *	t = thread_inside()			or trace_inside_free(...)
 *	real call
 *	trace_inside_alloc(t, ...)		or trace_inside_realloc(t, ...) or thread_outside(t)
 */
struct thread *trace_inside_free(void *block, unsigned deallocator);
void trace_inside_alloc(struct thread *t, void *block, size_t size, unsigned allocator);
void trace_inside_realloc(struct thread *t, void *old, void *block, size_t size,
			  unsigned reallocator);

void trace_mmap(const struct pmt_mmap *r);
void trace_munmap(const struct pmt_munmap *r);
void trace_mremap(const struct pmt_mremap *r);

/* The thread HANDLE is called NAME from now on. One that has recorded nothing yet brings its name.
 */
void trace_thread_name(pthread_t handle, const char *name);

/* The allocator (PMT_ALLOCATOR_*) of the blocks that a reallocator (PMT_REALLOCATOR_*) hands out.
 */
unsigned trace_realloc_allocator(unsigned reallocator);

/*
 * Between enter and leave, before a record that is about this moment (a census, a mark): what is
 * live now gets a record, if it has none yet, and does not just become part of a count. This
 * thread's blocks get it now, those that other threads hold back when they leave the table; the
 * order numbers say that they were made before. Returns 0, or -1: the log is full.
 */
int trace_moment(struct thread *t);

/* The process reached a point of its life (PMT_LIFE_*). */
void trace_life(unsigned what, uint64_t value);
/*
 * The program's own code has ended: a point of its life before which this thread's blocks that are
 * held back are written, so that a report on this moment has them.
 */
void trace_program_end(void);

#endif
