/* SPDX-License-Identifier: MIT */
/* How this library came into the process, and who else did that way. */
#ifndef PMT_TRACER_PRELOAD_H
#define PMT_TRACER_PRELOAD_H

/* Loaded before the C library: by LD_PRELOAD, so that the program's calls come by us. */
int preload_is_ours(void);
/* FOLLOW=off: take our library out of LD_PRELOAD, so that no program started from here has it. */
void preload_leave_children_alone(void);
/* A library that was preloaded before ours may have a malloc() of its own: says so, and flags it.
 */
void preload_check_heap(void);

#endif
