/* SPDX-License-Identifier: MIT */
/*
 * The real functions behind the hooks, found with RTLD_NEXT, so that another allocator that is
 * preloaded or linked works underneath. The table is never empty: it starts with stand-ins,
 * each of which finds its real function and puts it in its own place.
 */
#ifndef PMT_TRACER_REAL_H
#define PMT_TRACER_REAL_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One pointer a hook, named as the function. */
struct real {
#define PMT_HOOK(result, name, parameters, arguments, room) result(*name) parameters;
#include "hooks.def"
#undef PMT_HOOK
};

extern struct real real;

#define PMT_EXPORT __attribute__((visibility("default")))

/* Blocks handed out while the real functions were being looked up; they are never given back. */
#define REAL_BOOT_BYTES 65536

extern char real_boot_memory[REAL_BOOT_BYTES];

static inline int real_is_boot(const void *block)
{
	return (uintptr_t)block - (uintptr_t)real_boot_memory < REAL_BOOT_BYTES;
}

/*
 * Called at the first use of the heap, which may be before any of our constructors has run: so
 * nobody can have set a pointer to it, and life/ defines it. It may use the heap.
 */
void real_start_tracer(void);
/* Find all that has not been called yet; at the start, when a look-up may allocate unrecorded. */
void real_look_up_all(void);
/* realloc of such a block: a real block with its contents. */
void *real_boot_move(void *block, size_t size);

#endif
