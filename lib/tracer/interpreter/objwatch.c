/* SPDX-License-Identifier: MIT */
/* Watching the object allocator. */
#include "objwatch.h"

#include "objects.h"
#include "python.h"
#include "reftracer.h"

static struct pymem_allocator below;

static void *watch_malloc(void *ctx, size_t size)
{
	void *p = below.malloc(below.ctx, size);

	(void)ctx;
	reftracer_glance();
	objects_block(p, size);
	return p;
}

static void *watch_calloc(void *ctx, size_t count, size_t size)
{
	void *p = below.calloc(below.ctx, count, size);

	(void)ctx;
	reftracer_glance();
	objects_block(p, count * size);
	return p;
}

static void *watch_realloc(void *ctx, void *block, size_t size)
{
	void *p = below.realloc(below.ctx, block, size);

	(void)ctx;
	/* If the call fails, the old block and its object are still there. */
	if (p != NULL && block != NULL)
		objects_freed(block);
	objects_block(p, size);
	return p;
}

static void watch_free(void *ctx, void *block)
{
	(void)ctx;
	reftracer_glance();
	objects_freed(block);
	below.free(below.ctx, block);
}

void objwatch_start(void)
{
	/* The context is what is below, for whoever looks for Python's own allocator. */
	struct pymem_allocator ours = {&below, watch_malloc, watch_calloc, watch_realloc,
				       watch_free};

	if (python.get_allocator == NULL || below.malloc != NULL)
		return;
	python.get_allocator(PYMEM_OBJ, &below);
	python.set_allocator(PYMEM_OBJ, &ours);
}
