/* SPDX-License-Identifier: MIT */
/* Calls of the malloc family, each reported as it should stand in the log. */
#include "report.h"

#include <dlfcn.h>
#include <stdint.h>

static void *keep; /* so that nothing is optimised away */

/* What every replacement of the C library's heap has: jemalloc has no pvalloc. */
static void common_calls(void)
{
	void *p = NULL;
	release(did_alloc("malloc", malloc(1001), 1001));
	release(did_alloc("calloc", calloc(7, 143), 1001));
	release(did_alloc("realloc", realloc(NULL, 1002), 1002));
	release(did_alloc("reallocarray", reallocarray(NULL, 3, 335), 1005));
	CHECK(!posix_memalign(&p, 128, 1003));
	CHECK((uintptr_t)p % 128 == 0);
	release(did_alloc("posix_memalign", p, 1003));
	p = aligned_alloc(64, 1024);
	CHECK((uintptr_t)p % 64 == 0);
	release(did_alloc("aligned_alloc", p, 1024));
	p = memalign(256, 1007);
	CHECK((uintptr_t)p % 256 == 0);
	release(did_alloc("memalign", p, 1007));
	release(did_alloc("valloc", valloc(1008), 1008));
}

static void common(void)
{
	begin();
	common_calls();
	end();
}

static void families(void)
{
	begin();
	common_calls();
	release(did_alloc("pvalloc", pvalloc(1009), 1009));
	end();
}

static void sized_free(void)
{
	void (*sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
	void (*aligned)(void *, size_t, size_t) =
		(void (*)(void *, size_t, size_t))dlsym(RTLD_DEFAULT, "free_aligned_sized");
	begin();
	void *p = did_alloc("malloc", malloc(1001), 1001);
	if (sized) {
		did_free("free_sized", (unsigned long)p);
		sized(p, 1001);
	} else {
		release(p);
	}
	p = did_alloc("aligned_alloc", aligned_alloc(64, 1024), 1024);
	if (aligned) {
		did_free("free_aligned_sized", (unsigned long)p);
		aligned(p, 64, 1024);
	} else {
		release(p);
	}
	end();
}

static void realloc_moves(void)
{
	begin();
	char *p = did_alloc("malloc", malloc(1001), 1001);
	void *wall = did_alloc("malloc", malloc(1002), 1002);
	memset(p, 'x', 1001);
	unsigned long old = (unsigned long)p;
	p = realloc(p, 300003);
	CHECK((unsigned long)p != old && p[1000] == 'x');
	did_realloc("realloc", old, p, 300003);
	release(p);
	release(wall);
	end();
}

static void realloc_stays(void)
{
	begin();
	char *p = did_alloc("malloc", malloc(1001), 1001);
	unsigned long old = (unsigned long)p;
	p = realloc(p, 1003);
	CHECK((unsigned long)p == old);
	did_realloc("realloc", old, p, 1003);
	p = realloc(p, 501);
	did_realloc("realloc", old, p, 501);
	release(p);
	end();
}

static void realloc_to_zero(void)
{
	begin();
	void *p = did_alloc("malloc", malloc(1001), 1001);
	did_free("realloc", (unsigned long)p);
	CHECK(!realloc(p, 0));
	p = did_alloc("realloc", realloc(NULL, 0), 0);
	release(p);
	end();
}

static void realloc_fails(void)
{
	begin();
	char *p = did_alloc("malloc", malloc(1001), 1001);
	errno = 0;
	CHECK(!realloc(p, PTRDIFF_MAX) && errno == ENOMEM);
	errno = 0;
	CHECK(!reallocarray(p, SIZE_MAX / 2, 3) && errno == ENOMEM);
	p[1000] = 1; /* still ours */
	release(p);
	end();
}

static void array_moves(void)
{
	begin();
	void *p = did_alloc("reallocarray", reallocarray(NULL, 10, 100), 1000);
	void *wall = did_alloc("malloc", malloc(1002), 1002);
	unsigned long old = (unsigned long)p;
	p = reallocarray(p, 1000, 300);
	did_realloc("reallocarray", old, p, 300000);
	release(p);
	release(wall);
	end();
}

static void zero(void)
{
	begin();
	release(did_alloc("malloc", malloc(0), 0));
	release(did_alloc("calloc", calloc(0, 8), 0));
	release(did_alloc("calloc", calloc(8, 0), 0));
	release(did_alloc("memalign", memalign(64, 0), 0));
	end();
}

static void free_null(void)
{
	begin();
	for (int i = 0; i < 3; i++)
		free(NULL);
	release(did_alloc("malloc", malloc(1001), 1001));
	end();
}

static void failing(void)
{
	void *p = (void *)1;
	begin();
	errno = 0;
	CHECK(!malloc(PTRDIFF_MAX) && errno == ENOMEM);
	errno = 0;
	CHECK(!calloc(SIZE_MAX / 2, 3) && errno == ENOMEM);
	CHECK(posix_memalign(&p, 3, 100) == EINVAL && p == (void *)1);
	CHECK(posix_memalign(&p, 64, PTRDIFF_MAX) == ENOMEM && p == (void *)1);
	errno = 0;
	CHECK(!memalign(64, PTRDIFF_MAX) && errno == ENOMEM);
	errno = 0;
	CHECK(!valloc(PTRDIFF_MAX) && errno == ENOMEM);
	errno = 0;
	CHECK(!pvalloc(PTRDIFF_MAX) && errno == ENOMEM);
	end();
}

/* A call that succeeds leaves errno as the C library leaves it: untouched. */
static void keeps_errno(void)
{
	void *p, *q = NULL;
	begin();
	errno = 77;
	p = malloc(1001);
	CHECK(errno == 77);
	p = realloc(p, 100000);
	CHECK(errno == 77);
	free(p);
	CHECK(errno == 77);
	p = calloc(1, 1 << 20); /* through mmap */
	CHECK(errno == 77);
	free(p);
	CHECK(errno == 77);
	CHECK(!posix_memalign(&q, 64, 100) && errno == 77);
	free(q);
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(errno == 77);
	CHECK(!munmap(p, 4096) && errno == 77);
	CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK(errno == EINVAL);
	CHECK(munmap((void *)1, 4096) == -1 && errno == EINVAL);
	for (int i = 0; i < 100000; i++) { /* chunks of the log end in here too */
		errno = 78;
		free(malloc((size_t)i + 5000));
		CHECK(errno == 78);
	}
	end();
}

/* Many sizes, some kept, all counted here. */
static void counted(void)
{
	enum { ROUNDS = 20000 };
	static void *slots[256];
	unsigned long allocs = 0, bytes = 0, frees = 0, live = 0, live_bytes = 0;
	static size_t sizes[256];
	unsigned random = 1;
	begin();
	for (int i = 0; i < ROUNDS; i++) {
		random = random * 1664525 + 1013904223;
		unsigned slot = random >> 24;
		if (slots[slot]) {
			free(slots[slot]);
			frees++;
			live--;
			live_bytes -= sizes[slot];
		}
		sizes[slot] = random >> 12 & 0xfff;
		slots[slot] = malloc(sizes[slot]);
		allocs++;
		bytes += sizes[slot];
		live++;
		live_bytes += sizes[slot];
	}
	end();
	REPORT("{\"allocs\": %lu, \"bytes\": %lu, \"frees\": %lu, \"live\": %lu, \"live_bytes\": "
	       "%lu}\n",
	       allocs + 2, bytes + 1234 + 4321, frees, live + 2, live_bytes + 1234 + 4321);
}

static const struct target_case cases[] = {
	{"common", common},
	{"families", families},
	{"sized_free", sized_free},
	{"realloc_moves", realloc_moves},
	{"realloc_stays", realloc_stays},
	{"realloc_to_zero", realloc_to_zero},
	{"realloc_fails", realloc_fails},
	{"array_moves", array_moves},
	{"zero", zero},
	{"free_null", free_null},
	{"failing", failing},
	{"keeps_errno", keeps_errno},
	{"counted", counted},
};

int main(int argc, char **argv)
{
	keep = &keep;
	return RUN_CASE(cases);
}
