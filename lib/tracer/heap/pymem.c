/* SPDX-License-Identifier: MIT */
/* Wrappers of Python's allocators. */
#include "pymem.h"

#include <stddef.h>
#include <stdint.h>

#include "names.h"
#include "order.h"
#include "python.h"
#include "say.h"
#include "thread.h"
#include "trace.h"
#include "tracing.h"
#include "types.h"

enum { GENERATIONS = 4 };

/* The numbers of a domain in names.def. */
struct numbers {
	unsigned malloc;
	unsigned calloc;
	unsigned realloc;
	unsigned reallocator;
	unsigned free;
};

static const char *const names[PYMEM_DOMAINS] = {
	[PYMEM_RAW] = "raw",
	[PYMEM_MEM] = "mem",
	[PYMEM_OBJ] = "object",
};

static const struct numbers numbers[PYMEM_DOMAINS] = {
	[PYMEM_RAW] =
		{
			.malloc = PMT_ALLOCATOR_PYMEM_RAW_MALLOC,
			.calloc = PMT_ALLOCATOR_PYMEM_RAW_CALLOC,
			.realloc = PMT_ALLOCATOR_PYMEM_RAW_REALLOC,
			.reallocator = PMT_REALLOCATOR_PYMEM_RAW_REALLOC,
			.free = PMT_DEALLOCATOR_PYMEM_RAW_FREE,
		},
	[PYMEM_MEM] =
		{
			.malloc = PMT_ALLOCATOR_PYMEM_MALLOC,
			.calloc = PMT_ALLOCATOR_PYMEM_CALLOC,
			.realloc = PMT_ALLOCATOR_PYMEM_REALLOC,
			.reallocator = PMT_REALLOCATOR_PYMEM_REALLOC,
			.free = PMT_DEALLOCATOR_PYMEM_FREE,
		},
	[PYMEM_OBJ] =
		{
			.malloc = PMT_ALLOCATOR_PYOBJECT_MALLOC,
			.calloc = PMT_ALLOCATOR_PYOBJECT_CALLOC,
			.realloc = PMT_ALLOCATOR_PYOBJECT_REALLOC,
			.reallocator = PMT_REALLOCATOR_PYOBJECT_REALLOC,
			.free = PMT_DEALLOCATOR_PYOBJECT_FREE,
		},
};

/* What a wrapper gets as its context. */
struct layer {
	struct pymem_allocator below;
	const struct numbers *numbers;
	int typed; /* its blocks are told by type: see types.h */
};

static struct {
	struct layer layers[PYMEM_DOMAINS][GENERATIONS];
	int generations[PYMEM_DOMAINS];
	int probed; /* a wrapper was called since this was 0 */
} pymem;

/* Somebody waits for an allocation of an object; before it nothing of it is there. */
__attribute__((noinline, cold)) static void look_if_due(const struct layer *layer)
{
	if (layer->typed && tracing_now() >= atomic_load(&types_shared.look_ns))
		types_shared.look();
}

static void *wrap_malloc(void *ctx, size_t size)
{
	struct layer *layer = ctx;
	struct thread *t;
	void *p;

	if (__builtin_expect(atomic_load_explicit(&types_shared.look_ns, memory_order_relaxed) !=
				     UINT64_MAX,
			     0))
		look_if_due(layer);
	t = thread_inside();
	p = layer->below.malloc(layer->below.ctx, size);
	pymem.probed = 1;
	if (p != NULL && layer->typed)
		types_born(p);
	if (p != NULL)
		trace_inside_alloc(t, p, size, layer->numbers->malloc);
	else
		thread_outside(t);
	return p;
}

static void *wrap_calloc(void *ctx, size_t count, size_t size)
{
	struct layer *layer = ctx;
	struct thread *t = thread_inside();
	void *p = layer->below.calloc(layer->below.ctx, count, size);

	if (p != NULL && layer->typed)
		types_born(p);
	if (p != NULL)
		trace_inside_alloc(t, p, count * size, layer->numbers->calloc);
	else
		thread_outside(t);
	return p;
}

static void *wrap_realloc(void *ctx, void *block, size_t size)
{
	struct layer *layer = ctx;
	struct thread *t;
	void *p;

	if (block != NULL)
		trace_leaving(order_entry((uintptr_t)block));
	t = thread_inside();
	if (block != NULL && layer->typed)
		types_died(block);
	p = layer->below.realloc(layer->below.ctx, block, size);
	if (layer->typed && (p != NULL || block != NULL))
		types_born(p != NULL ? p : block);
	/* Unlike the C library's, these never give a block back for size 0. */
	if (p == NULL)
		thread_outside(t);
	else if (block == NULL)
		trace_inside_alloc(t, p, size, layer->numbers->realloc);
	else
		trace_inside_realloc(t, block, p, size, layer->numbers->reallocator);
	return p;
}

static void wrap_free(void *ctx, void *block)
{
	struct layer *layer = ctx;
	struct thread *t = block != NULL ? trace_inside_free(block, layer->numbers->free) : NULL;

	if (block != NULL && layer->typed)
		types_died(block);
	layer->below.free(layer->below.ctx, block);
	thread_outside(t);
}

static void wrap_domain(unsigned domain)
{
	struct layer *layer;
	struct pymem_allocator ours = {NULL, wrap_malloc, wrap_calloc, wrap_realloc, wrap_free};

	if (pymem.generations[domain] == GENERATIONS)
		return;
	layer = &pymem.layers[domain][pymem.generations[domain]++];
	layer->numbers = &numbers[domain];
	layer->typed = domain == PYMEM_OBJ && tracing_wants_types();
	python.get_allocator(domain, &layer->below);
	ours.ctx = layer;
	python.set_allocator(domain, &ours);
	say_decision("Python's allocator ", names[domain],
		     pymem.generations[domain] == 1
			     ? " is wrapped"
			     : " is wrapped again, another one had taken its place");
}

void pymem_look_below(struct pymem_allocator *allocator)
{
	while (allocator->malloc == wrap_malloc)
		*allocator = ((const struct layer *)allocator->ctx)->below;
}

int pymem_start(void)
{
	if (python.get_allocator == NULL)
		return -1;
	for (unsigned domain = 0; domain < PYMEM_DOMAINS; domain++)
		wrap_domain(domain);
	return 0;
}

/* Does a call of the domain's allocator come by one of our wrappers, perhaps below another's? */
static int is_wrapped(const struct pymem_allocator *top)
{
	void *p;

	if (top->malloc == wrap_malloc)
		return 1;
	pymem.probed = 0;
	p = top->malloc(top->ctx, 1);
	top->free(top->ctx, p);
	return pymem.probed;
}

void pymem_check(void)
{
	struct pymem_allocator top;

	if (python.get_allocator == NULL)
		return;
	for (unsigned domain = 0; domain < PYMEM_DOMAINS; domain++) {
		python.get_allocator(domain, &top);
		if (!is_wrapped(&top))
			wrap_domain(domain);
	}
}
