/* SPDX-License-Identifier: MIT */
/*
 * Python's own allocators: the domains RAW, MEM and OBJ, wrapped by PyMem_SetAllocator().
 *
 * A block that Python hands out is one event, whatever the allocator below does for it: the
 * malloc() or mmap() that it calls in turn is not recorded as a block again. The mappings that hold
 * Python's blocks are recorded as arenas.
 */
#ifndef PMT_TRACER_PYMEM_H
#define PMT_TRACER_PYMEM_H

/* Wrap the three domains; before Py_Initialize(), so that the first block is seen. 0, or -1. */
int pymem_start(void);
/*
 * Wrap those domains again that something replaced (PYTHONMALLOC does so while the interpreter
 * starts). The interpreter's lock is held.
 */
void pymem_check(void);

struct pymem_allocator;
/* If ALLOCATOR is one of these wrappers it becomes what is below. */
void pymem_look_below(struct pymem_allocator *allocator);

#endif
