/* SPDX-License-Identifier: MIT */
/* Frees of Python's allocators that may give memory back to the system. */
#include "pyfrees.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pymem.h"
#include "python.h"
#include "rss.h"
#include "say.h"

/* PyObjectArenaAllocator, as in Include/cpython/objimpl.h since 3.4. */
struct arena_allocator {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *arena, size_t size);
};

/* Where our functions are in a domain. */
enum place {
	AWAY,	/* nowhere: the domain is as we found it */
	ON_TOP, /* the interpreter calls them */
	BURIED, /* another wrapper, which came later, may call them */
};

/* Of which frees we tell. */
enum telling { TELL_NONE, TELL_ALL, TELL_LARGE };

struct domain {
	struct pymem_allocator below;
	enum place place;
	_Atomic int telling;
};

static struct {
	struct domain domains[PYMEM_DOMAINS];
	void (*raw_free)(void *ctx, void *block); /* the interpreter's, where it is malloc's */
	struct arena_allocator arenas;		  /* below ours */
	enum place arenas_place;
	void (*get_arenas)(struct arena_allocator *allocator);
	void (*set_arenas)(struct arena_allocator *allocator);
} pyfrees;

/* Set in the thread that looks whether a block of a domain comes by, and taken off when one does. */
static __thread int looking __attribute__((tls_model("initial-exec")));

/*
 * The C library's malloc has the size of a block in front of it, and in its lowest bits whether the
 * block is a mapping of its own, and whether it lies in an arena of another thread's than the first.
 */
#define CHUNK_HEAD 16
#define CHUNK_MAPPED 2U
#define CHUNK_IN_OTHER_ARENA 4U
#define CHUNK_BITS 7U
#define CHUNK_PAGE 4096 /* no system has smaller ones */

static inline size_t chunk_head(const void *block)
{
	size_t head;

	memcpy(&head, (const char *)block - sizeof(head), sizeof(head));
	return head;
}

/*
 * May the C library give memory back when it frees BLOCK? Of other blocks than these it is the end
 * of its heap that moves, and events look at that.
 */
static inline int is_given_back(const void *block)
{
	const size_t head = chunk_head(block);

	return (head & (CHUNK_MAPPED | CHUNK_IN_OTHER_ARENA)) != 0 && head >= RSS_LARGE_BLOCK;
}

/* --- our functions --- */

/* Before BLOCK is freed or resized: must tell() follow? */
static inline int is_told(const struct domain *d, void *block)
{
	return block != NULL &&
	       (atomic_load_explicit(&d->telling, memory_order_relaxed) != TELL_LARGE ||
		is_given_back(block));
}

static void tell(void)
{
	looking = 0;
	rss_gave_back();
}

static inline void free_in(const struct domain *d, void *ctx, void *block)
{
	if (__builtin_expect(!is_told(d, block), 1)) {
		d->below.free(ctx, block);
		return;
	}
	d->below.free(ctx, block);
	tell();
}

static inline void *resize_in(const struct domain *d, void *ctx, void *block, size_t size)
{
	const int telling = is_told(d, block);
	void *p = d->below.realloc(ctx, block, size);

	if (telling)
		tell();
	return p;
}

static void free_raw(void *ctx, void *block)
{
	free_in(&pyfrees.domains[PYMEM_RAW], ctx, block);
}

static void free_mem(void *ctx, void *block)
{
	free_in(&pyfrees.domains[PYMEM_MEM], ctx, block);
}

static void free_object(void *ctx, void *block)
{
	free_in(&pyfrees.domains[PYMEM_OBJ], ctx, block);
}

static void *resize_raw(void *ctx, void *block, size_t size)
{
	return resize_in(&pyfrees.domains[PYMEM_RAW], ctx, block, size);
}

static void *resize_mem(void *ctx, void *block, size_t size)
{
	return resize_in(&pyfrees.domains[PYMEM_MEM], ctx, block, size);
}

static void *resize_object(void *ctx, void *block, size_t size)
{
	return resize_in(&pyfrees.domains[PYMEM_OBJ], ctx, block, size);
}

static void free_arena(void *ctx, void *arena, size_t size)
{
	pyfrees.arenas.free(ctx, arena, size);
	rss_gave_back();
}

static const struct functions {
	const char *name;
	void (*free)(void *ctx, void *block);
	void *(*realloc)(void *ctx, void *block, size_t size);
} ours[PYMEM_DOMAINS] = {
	[PYMEM_RAW] = {"raw", free_raw, resize_raw},
	[PYMEM_MEM] = {"mem", free_mem, resize_mem},
	[PYMEM_OBJ] = {"object", free_object, resize_object},
};

/* --- whose blocks a domain has --- */

/* Is FUNCTION the interpreter's own? */
static int is_python(void (*function)(void *ctx, void *block))
{
	void *address, *raw_free;
	Dl_info its, python_info;

	memcpy(&address, &function, sizeof(address));
	python_symbol(&raw_free, "PyMem_RawFree");
	return raw_free != NULL && dladdr(address, &its) != 0 &&
	       dladdr(raw_free, &python_info) != 0 && its.dli_fbase == python_info.dli_fbase;
}

/* Of two blocks that are there at once, one that does not begin a page. */
static const char *choose_readable(const char *p, const char *q)
{
	if (p == NULL || q == NULL)
		return NULL;
	return (uintptr_t)p % CHUNK_PAGE != 0 ? p : (uintptr_t)q % CHUNK_PAGE != 0 ? q : NULL;
}

/*
 * Does the allocator A of the interpreter call the C library's malloc? It may be another malloc, or
 * mimalloc. What is in front of a block can be read, if it is in the same page.
 */
static int has_chunks(const struct pymem_allocator *a)
{
	const size_t size = 1000;
	char *p = a->malloc(a->ctx, size), *q = a->malloc(a->ctx, size);
	const char *block = choose_readable(p, q);
	size_t head = 0;

	if (block != NULL)
		head = chunk_head(block);
	a->free(a->ctx, p);
	a->free(a->ctx, q);
	head &= ~(size_t)CHUNK_BITS;
	return head >= size + sizeof(head) && head <= size + 3UL * CHUNK_HEAD;
}

/*
 * How to tell of the frees of A, the allocator of DOMAIN: TELL_LARGE where its blocks are those of
 * the C library's malloc. The interpreter's own functions have no context; those of its wrappers
 * (PYTHONMALLOC=debug, tracemalloc) have one, and put something in front of a block, or call what
 * we do not know. Frees in MEM and OBJ are too many to read the resident set after each.
 */
static enum telling choose_telling(unsigned domain, struct pymem_allocator a)
{
	pymem_look_below(&a);
	if (domain != PYMEM_RAW) /* with PYTHONMALLOC=malloc all domains have the same functions */
		return a.ctx == NULL && a.free == pyfrees.raw_free ? TELL_LARGE : TELL_NONE;
	pyfrees.raw_free = NULL;
	if (a.ctx != NULL || !is_python(a.free))
		return TELL_ALL;
	if (!has_chunks(&a))
		return TELL_NONE;
	pyfrees.raw_free = a.free;
	return TELL_LARGE;
}

/* --- putting them there, and taking them away --- */

/* Does a block of TOP, SIZE bytes, come by one of our functions when it is freed? */
static int comes_by(const struct pymem_allocator *top, size_t size)
{
	void *p = top->malloc(top->ctx, size);
	int came;

	looking = p != NULL;
	top->free(top->ctx, p);
	came = p != NULL && looking == 0;
	looking = 0;
	return came;
}

enum { SMALL_COMES = 1, LARGE_COMES = 2 };

/* Blocks of any size are told meanwhile. */
static int look_for_ours(const struct pymem_allocator *top)
{
	int telling[PYMEM_DOMAINS], found;

	for (unsigned i = 0; i < PYMEM_DOMAINS; i++)
		telling[i] = atomic_exchange(&pyfrees.domains[i].telling, TELL_ALL);
	found = (comes_by(top, 1) ? SMALL_COMES : 0) |
		(comes_by(top, 2UL * RSS_LARGE_BLOCK) ? LARGE_COMES : 0);
	for (unsigned i = 0; i < PYMEM_DOMAINS; i++)
		atomic_store(&pyfrees.domains[i].telling, telling[i]);
	return found;
}

static void wrap_domain(unsigned domain)
{
	struct domain *d = &pyfrees.domains[domain];
	struct pymem_allocator top;
	enum telling telling;
	int found;

	python.get_allocator(domain, &top);
	found = look_for_ours(&top);
	/* In MEM and OBJ large blocks come by RAW, mostly. */
	if (found & LARGE_COMES)
		return;
	/* Whoever calls ours for small blocks would be called by them. */
	if (found != 0 && d->place == BURIED)
		return;
	telling = choose_telling(domain, top);
	if (telling == TELL_NONE)
		return;
	d->below = top;
	atomic_store(&d->telling, telling);
	top.free = ours[domain].free;
	top.realloc = ours[domain].realloc;
	python.set_allocator(domain, &top);
	d->place = ON_TOP;
	say_decision("frees that may give memory back are looked for in Python's allocator ",
		     ours[domain].name, NULL);
}

static void unwrap_domain(unsigned domain)
{
	struct domain *d = &pyfrees.domains[domain];
	struct pymem_allocator top;

	if (d->place == AWAY)
		return;
	python.get_allocator(domain, &top);
	d->place = BURIED;
	if (top.free != ours[domain].free || top.realloc != ours[domain].realloc)
		return;
	top.free = d->below.free;
	top.realloc = d->below.realloc;
	python.set_allocator(domain, &top);
	d->place = AWAY;
}

static void wrap_arenas(void)
{
	struct arena_allocator top;

	python_symbol(&pyfrees.get_arenas, "PyObject_GetArenaAllocator");
	python_symbol(&pyfrees.set_arenas, "PyObject_SetArenaAllocator");
	if (pyfrees.get_arenas == NULL || pyfrees.set_arenas == NULL)
		return;
	pyfrees.get_arenas(&top);
	if (top.free == free_arena || pyfrees.arenas_place == BURIED)
		return;
	pyfrees.arenas = top;
	top.free = free_arena;
	pyfrees.set_arenas(&top);
	pyfrees.arenas_place = ON_TOP;
}

static void unwrap_arenas(void)
{
	struct arena_allocator top;

	if (pyfrees.arenas_place == AWAY)
		return;
	pyfrees.get_arenas(&top);
	pyfrees.arenas_place = BURIED;
	if (top.free != free_arena)
		return;
	top.free = pyfrees.arenas.free;
	pyfrees.set_arenas(&top);
	pyfrees.arenas_place = AWAY;
}

void pyfrees_start(void)
{
	if (python.get_allocator == NULL || !rss_shared.hears_frees)
		return;
	for (unsigned domain = 0; domain < PYMEM_DOMAINS; domain++)
		wrap_domain(domain);
	wrap_arenas();
}

void pyfrees_stop(void)
{
	if (python.get_allocator == NULL)
		return;
	for (unsigned domain = 0; domain < PYMEM_DOMAINS; domain++)
		unwrap_domain(domain);
	if (pyfrees.get_arenas != NULL)
		unwrap_arenas();
}
