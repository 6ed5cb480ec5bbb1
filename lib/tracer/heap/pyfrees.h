/* SPDX-License-Identifier: MIT */
/*
 * Frees that may give memory back to the system, where the library was not preloaded: there are no
 * hooks of free() and munmap() then, so Python's allocators tell when the resident set may fall.
 *
 * Only the functions that free and resize are put in front of an allocator's own, the context stays
 * the allocator's. So a thread that calls the allocator meanwhile, with the interpreter's lock or
 * without, finds functions and a context that belong together, whichever of them it reads first.
 */
#ifndef PMT_TRACER_PYFREES_H
#define PMT_TRACER_PYFREES_H

/* Tell rss_gave_back() of frees from now on. The caller is attached to the interpreter. */
void pyfrees_start(void);
/*
 * Not any more: the allocators are as they were, but for those above which another wrapper was put,
 * which stay as they are. The caller is attached to the interpreter.
 */
void pyfrees_stop(void);

#endif
