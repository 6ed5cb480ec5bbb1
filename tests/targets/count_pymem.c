/* SPDX-License-Identifier: MIT */
/*
 * An independent count of what Python's allocators do: preloaded instead of the tracer, it wraps
 * the three domains before the interpreter starts and counts between a valloc(1234) and a
 * valloc(1235) of the program. Prints on descriptor 9: domain, calls of malloc, calloc, realloc
 * that handed out a new block, their bytes, reallocs of a block, their bytes, frees.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct allocator {
	void *ctx;
	void *(*malloc)(void *ctx, size_t size);
	void *(*calloc)(void *ctx, size_t count, size_t size);
	void *(*realloc)(void *ctx, void *block, size_t size);
	void (*free)(void *ctx, void *block);
};

static struct domain {
	struct allocator below;
	unsigned long new_blocks, new_bytes, resized, resized_bytes, frees;
} domains[3];

static int counting;
static int depth; /* the section has one thread */

static void count_new(struct domain *d, void *p, size_t size)
{
	if (counting && depth == 0 && p != NULL) {
		d->new_blocks++;
		d->new_bytes += size;
	}
}

static void *count_malloc(void *ctx, size_t size)
{
	struct domain *d = ctx;
	void *p;

	depth++;
	p = d->below.malloc(d->below.ctx, size);
	depth--;
	count_new(d, p, size);
	return p;
}

static void *count_calloc(void *ctx, size_t count, size_t size)
{
	struct domain *d = ctx;
	void *p;

	depth++;
	p = d->below.calloc(d->below.ctx, count, size);
	depth--;
	count_new(d, p, count * size);
	return p;
}

static void *count_realloc(void *ctx, void *block, size_t size)
{
	struct domain *d = ctx;
	void *p;

	depth++;
	p = d->below.realloc(d->below.ctx, block, size);
	depth--;
	if (block == NULL) {
		count_new(d, p, size);
	} else if (counting && depth == 0 && p != NULL) {
		d->resized++;
		d->resized_bytes += size;
	}
	return p;
}

static void count_free(void *ctx, void *block)
{
	struct domain *d = ctx;

	if (counting && depth == 0 && block != NULL)
		d->frees++;
	depth++;
	d->below.free(d->below.ctx, block);
	depth--;
}

static void report(void)
{
	char line[200];

	for (int i = 0; i < 3; i++) {
		struct domain *d = &domains[i];
		int size =
			snprintf(line, sizeof(line), "%d %lu %lu %lu %lu %lu\n", i, d->new_blocks,
				 d->new_bytes, d->resized, d->resized_bytes, d->frees);

		if (write(9, line, (size_t)size) != size)
			_exit(99);
	}
}

void *valloc(size_t size)
{
	void *(*real)(size_t) = (void *(*)(size_t))dlsym(RTLD_NEXT, "valloc");
	void *p = real(size);

	if (size == 1234)
		counting = 1;
	if (size == 1235) {
		counting = 0;
		report();
	}
	return p;
}

static int no_hook(const char *event, void *args, void *data)
{
	(void)event;
	(void)args;
	(void)data;
	return 0;
}

__attribute__((constructor)) static void start(void)
{
	void (*get)(int, struct allocator *) =
		(void (*)(int, struct allocator *))dlsym(RTLD_DEFAULT, "PyMem_GetAllocator");
	void (*set)(int, struct allocator *) =
		(void (*)(int, struct allocator *))dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");

	int (*add_hook)(int (*)(const char *, void *, void *), void *) =
		(int (*)(int (*)(const char *, void *, void *), void *))dlsym(RTLD_DEFAULT,
									      "PySys_AddAuditHook");

	if (get == NULL || set == NULL || add_hook == NULL || add_hook(no_hook, NULL) != 0)
		return;
	for (int i = 0; i < 3; i++) {
		struct allocator ours = {&domains[i], count_malloc, count_calloc, count_realloc,
					 count_free};

		get(i, &domains[i].below);
		set(i, &ours);
	}
}
