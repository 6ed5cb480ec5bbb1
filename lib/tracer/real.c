/* SPDX-License-Identifier: MIT */
/* Looking up the real functions, and what serves until they are known. */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "process.h"

/* A stand-in returns what the real function returns, nothing included. */
#pragma GCC diagnostic ignored "-Wpedantic"

_Alignas(16) char real_boot_memory[REAL_BOOT_BYTES];
static _Atomic size_t boot_used;
/* volatile: dlsym() is declared `leaf`, and yet it calls malloc() and so comes back here. */
static __thread volatile int resolving __attribute__((tls_model("initial-exec")));

static void resolve(void);

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
	resolve();
	return real.malloc(size);
}

static void *boot_calloc(size_t count, size_t size)
{
	if (resolving)
		return size != 0 && count > SIZE_MAX / size ? NULL : boot_block(count * size);
	resolve();
	return real.calloc(count, size);
}

static void *boot_realloc(void *block, size_t size)
{
	if (resolving)
		return block == NULL ? boot_block(size) : real_boot_move(block, size);
	resolve();
	return real.realloc(block, size);
}

static void boot_free(void *block)
{
	if (resolving)
		return;
	resolve();
	real.free(block);
}

/* boot_NAME() for the rest. */
#define BOOT_HEAP(result, name, parameters, arguments)
#define BOOT_OTHER(result, name, parameters, arguments)                                            \
	static result boot_##name parameters                                                       \
	{                                                                                          \
		resolve();                                                                         \
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

static void fill_gaps(struct real *r)
{
	if (r->reallocarray == NULL)
		r->reallocarray = lacking_reallocarray;
	if (r->free_sized == NULL)
		r->free_sized = lacking_free_sized;
	if (r->free_aligned_sized == NULL)
		r->free_aligned_sized = lacking_free_aligned_sized;
}

static void resolve(void)
{
	struct real found;
	int saved = errno;
	void *symbol;

	resolving = 1;
#define PMT_HOOK(result, name, parameters, arguments, room)                                        \
	symbol = dlsym(RTLD_NEXT, #name);                                                          \
	memcpy(&found.name, &symbol, sizeof(symbol));
#include "hooks.def"
#undef PMT_HOOK
	/* A look-up that failed left a message for the program's next dlerror(). */
	(void)dlerror();
	(void)dlerror();
	fill_gaps(&found);
	real = found;
	resolving = 0;
	errno = saved;
	process_start();
}
