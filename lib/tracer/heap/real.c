/* SPDX-License-Identifier: MIT */
/* Looking up the real functions, and what serves until they are known. */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* A stand-in returns what the real function returns, also where that is void. */
#pragma GCC diagnostic ignored "-Wpedantic"

_Alignas(16) char real_boot_memory[REAL_BOOT_BYTES];
static _Atomic size_t boot_used;
/* volatile: dlsym() is declared `leaf`, and yet it calls malloc() and so comes back here. */
static __thread volatile int resolving __attribute__((tls_model("initial-exec")));

/* The program's first use of the heap starts the tracer, if no constructor has done so yet. */
static void start_tracer(void)
{
	int saved = errno;

	real_start_tracer();
	errno = saved;
}

/*
 * Find one real function. Each is looked up when it is first called, and never more than that: a
 * look-up that fails allocates its message, and an allocator that is preloaded before us may be the
 * one that calls, say, mmap() with its own locks held.
 */
static void look_up(void *place, const char *name, void *lacking)
{
	int saved = errno;
	void *symbol;

	resolving++;
	symbol = dlsym(RTLD_NEXT, name);
	if (symbol == NULL) {
		/* The message is not for the program's next dlerror(). */
		(void)dlerror();
		(void)dlerror();
		symbol = lacking;
	}
	resolving--;
	__atomic_store((void **)place, &symbol, __ATOMIC_RELEASE);
	errno = saved;
}

/*
 * The heap's functions all at once, and they are always there: a look-up of realloc() from within
 * dlerror(), which calls it, would free the very message that dlerror() is about to return.
 */
static void look_up_heap(void)
{
	look_up(&real.malloc, "malloc", NULL);
	look_up(&real.calloc, "calloc", NULL);
	look_up(&real.realloc, "realloc", NULL);
	look_up(&real.free, "free", NULL);
}

/* Each block is preceded by its size. */
static void *boot_block(size_t size)
{
	size_t whole = ((size + 15) & ~(size_t)15) + 16;
	size_t at;

	if (size > REAL_BOOT_BYTES) {
		errno = ENOMEM;
		return NULL;
	}
	at = atomic_fetch_add(&boot_used, whole);
	if (at + whole > REAL_BOOT_BYTES) {
		errno = ENOMEM;
		return NULL;
	}
	memcpy(real_boot_memory + at, &size, sizeof(size));
	return real_boot_memory + at + 16;
}

void *real_boot_move(void *block, size_t size)
{
	size_t old_size;
	void *p = resolving ? boot_block(size) : real.malloc(size);

	memcpy(&old_size, (char *)block - 16, sizeof(old_size));
	if (p != NULL)
		memcpy(p, block, old_size < size ? old_size : size);
	return p;
}

static void *boot_malloc(size_t size)
{
	if (resolving)
		return boot_block(size);
	look_up_heap();
	start_tracer();
	return real.malloc(size);
}

static void *boot_calloc(size_t count, size_t size)
{
	if (resolving)
		return size != 0 && count > SIZE_MAX / size ? NULL : boot_block(count * size);
	look_up_heap();
	start_tracer();
	return real.calloc(count, size);
}

static void *boot_realloc(void *block, size_t size)
{
	if (resolving)
		return block == NULL ? boot_block(size) : real_boot_move(block, size);
	look_up_heap();
	start_tracer();
	return real.realloc(block, size);
}

static void boot_free(void *block)
{
	if (resolving)
		return;
	look_up_heap();
	real.free(block);
}

/* What C libraries may lack. */
static void *lacking_reallocarray(void *block, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	return real.realloc(block, count * size);
}

static void lacking_free_sized(void *block, size_t size)
{
	(void)size;
	real.free(block);
}

static void lacking_free_aligned_sized(void *block, size_t alignment, size_t size)
{
	(void)alignment;
	(void)size;
	real.free(block);
}

/* The stand-in for a function that the C library may lack, NULL for one that it always has. */
#define LACKING(function) {#function, (void *)lacking_##function},
static void *find_substitute(const char *name)
{
	static const struct {
		const char *name;
		void *function;
	} functions[] = {LACKING(reallocarray) LACKING(free_sized) LACKING(free_aligned_sized)};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (strcmp(functions[i].name, name) == 0)
			return functions[i].function;
	return NULL;
}

/* boot_NAME() for the rest. */
#define BOOT_HEAP(result, name, parameters, arguments)
#define BOOT_OTHER(result, name, parameters, arguments)                                            \
	static result boot_##name parameters                                                       \
	{                                                                                          \
		look_up(&real.name, #name, find_substitute(#name));                                \
		return real.name arguments;                                                        \
	}
#define PMT_HOOK(result, name, parameters, arguments, room)                                        \
	BOOT_##room(result, name, parameters, arguments)
#include "hooks.def"
#undef PMT_HOOK

struct real real = {
#define PMT_HOOK(result, name, parameters, arguments, room) .name = boot_##name,
#include "hooks.def"
#undef PMT_HOOK
};

void real_look_up_all(void)
{
#define LOOK_UP_HEAP(name)
#define LOOK_UP_OTHER(name)                                                                        \
	if (real.name == boot_##name)                                                              \
		look_up(&real.name, #name, find_substitute(#name));
#define PMT_HOOK(result, name, parameters, arguments, room) LOOK_UP_##room(name)
	if (real.malloc == boot_malloc)
		look_up_heap();
#include "hooks.def"
#undef PMT_HOOK
}
