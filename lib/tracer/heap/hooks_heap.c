/* SPDX-License-Identifier: MIT */
/* The malloc family: the real call, then the record. */
#include <stdlib.h>

#include "names.h"
#include "order.h"
#include "real.h"
#include "rss.h"
#include "thread.h"
#include "trace.h"
#include "tracing.h"

void *memalign(size_t alignment, size_t size);
void *pvalloc(size_t size);
void *valloc(size_t size);
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);

static inline int is_wanted(void)
{
	return tracing_wants(PMT_TRACED_MALLOC);
}

/* A block, or NULL, was handed out. */
static inline void *trace_taken(void *p, size_t size, unsigned allocator)
{
	if (__builtin_expect(p != NULL, 1) && is_wanted())
		trace_alloc(p, size, allocator);
	return p;
}

PMT_EXPORT void *malloc(size_t size)
{
	return trace_taken(real.malloc(size), size, PMT_ALLOCATOR_MALLOC);
}

PMT_EXPORT void *calloc(size_t count, size_t size)
{
	return trace_taken(real.calloc(count, size), count * size, PMT_ALLOCATOR_CALLOC);
}

/* Free a block so large that this may shrink the resident set: the next event reads that anew. */
static void free_large(void *block)
{
	real.free(block);
	rss_gave_back();
}

PMT_EXPORT void free(void *block)
{
	if (block == NULL || real_is_boot(block))
		return;
	if (is_wanted())
		trace_free(block, PMT_DEALLOCATOR_FREE);
	if (rss_is_large(block))
		free_large(block);
	else
		real.free(block);
}

/* The C library may implement this function by calling free(), which must not be a second event. */
static struct thread *giving_back(void *block, unsigned deallocator)
{
	return is_wanted() ? trace_inside_free(block, deallocator) : NULL;
}

PMT_EXPORT void free_sized(void *block, size_t size)
{
	struct thread *t;
	int large;

	if (block == NULL || real_is_boot(block))
		return;
	t = giving_back(block, PMT_DEALLOCATOR_FREE_SIZED);
	large = rss_is_large(block);
	real.free_sized(block, size);
	thread_outside(t);
	if (large)
		rss_gave_back();
}

PMT_EXPORT void free_aligned_sized(void *block, size_t alignment, size_t size)
{
	struct thread *t;
	int large;

	if (block == NULL || real_is_boot(block))
		return;
	t = giving_back(block, PMT_DEALLOCATOR_FREE_ALIGNED_SIZED);
	large = rss_is_large(block);
	real.free_aligned_sized(block, alignment, size);
	thread_outside(t);
	if (large)
		rss_gave_back();
}

/* What a call of realloc or reallocarray did, from its arguments and result. */
static void *trace_resized(void *block, void *p, size_t size, unsigned reallocator,
			   unsigned allocator)
{
	if (block == NULL)
		return trace_taken(p, size, allocator);
	if (!is_wanted())
		return p;
	if (p != NULL)
		trace_realloc(block, p, size, reallocator);
	else if (size == 0)
		/* The C library gave the block back; every other NULL leaves it as it was. */
		trace_left(block, PMT_DEALLOCATOR_REALLOC);
	return p;
}

/* BLOCK may be given back by what follows. Returns whether rss_gave_back() must follow, too. */
static inline int prepare_resize(void *block)
{
	if (block != NULL && is_wanted())
		trace_leaving(order_entry((uintptr_t)block));
	return block != NULL && rss_is_large(block);
}

PMT_EXPORT void *realloc(void *block, size_t size)
{
	void *p;
	int large;

	if (block != NULL && real_is_boot(block))
		return real_boot_move(block, size);
	large = prepare_resize(block);
	p = real.realloc(block, size);
	if (large)
		rss_gave_back();
	return trace_resized(block, p, size, PMT_REALLOCATOR_REALLOC, PMT_ALLOCATOR_REALLOC);
}

PMT_EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
	struct thread *t;
	size_t whole;
	int large;
	void *p;

	/* The product overflows: the real function will fail and leave the block as it is. */
	if (__builtin_mul_overflow(count, size, &whole))
		return real.reallocarray(block, count, size);
	if (block != NULL && real_is_boot(block))
		return real_boot_move(block, whole);
	large = prepare_resize(block);
	t = thread_inside();
	p = real.reallocarray(block, count, size);
	thread_outside(t);
	if (large)
		rss_gave_back();
	return trace_resized(block, p, whole, PMT_REALLOCATOR_REALLOCARRAY,
			     PMT_ALLOCATOR_REALLOCARRAY);
}

PMT_EXPORT int posix_memalign(void **result, size_t alignment, size_t size)
{
	struct thread *t = thread_inside();
	int rc = real.posix_memalign(result, alignment, size);

	thread_outside(t);
	if (rc == 0)
		(void)trace_taken(*result, size, PMT_ALLOCATOR_POSIX_MEMALIGN);
	return rc;
}

/* The aligned functions may be built on one another: what happens inside is no event. */
#define ALIGNED(name, parameters, arguments, allocator)                                            \
	PMT_EXPORT void *name parameters                                                           \
	{                                                                                          \
		struct thread *t = thread_inside();                                                \
		void *p = real.name arguments;                                                     \
                                                                                                   \
		thread_outside(t);                                                                 \
		return trace_taken(p, size, (allocator));                                          \
	}

ALIGNED(aligned_alloc, (size_t alignment, size_t size), (alignment, size),
	PMT_ALLOCATOR_ALIGNED_ALLOC)
ALIGNED(memalign, (size_t alignment, size_t size), (alignment, size), PMT_ALLOCATOR_MEMALIGN)
ALIGNED(valloc, (size_t size), (size), PMT_ALLOCATOR_VALLOC)
ALIGNED(pvalloc, (size_t size), (size), PMT_ALLOCATOR_PVALLOC)
