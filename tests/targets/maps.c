/* SPDX-License-Identifier: MIT */
/*
 * Mappings made, cut, moved and replaced. Each call is reported as it should stand in the log, and
 * at the end what is left of the target's own mappings, as /proc/self/maps has it.
 */
#include "report.h"

#include <pthread.h>

enum { PAGE = 4096 };

/* Where mappings are put side by side: far from where the kernel puts those of others. */
static char *const arena = (char *)0x100000000000;

static char *map_at(void *at, size_t pages, int prot, int flags)
{
	char *p = mmap(at, pages * PAGE, prot, flags, -1, 0);
	CHECK(p != MAP_FAILED);
	did_mmap("mmap", p, pages * PAGE);
	return p;
}

static char *map(size_t pages)
{
	return map_at(NULL, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
}

static void unmap(char *p, size_t pages)
{
	did_mmap("munmap", p, pages * PAGE);
	CHECK(!munmap(p, pages * PAGE));
}

static char *map_in(size_t page, size_t pages)
{
	return map_at(arena + page * PAGE, pages, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
}

static void move(char *old, size_t old_pages, size_t pages, int flags, char *to)
{
	char *p = mremap(old, old_pages * PAGE, pages * PAGE, flags, to);
	CHECK(p != MAP_FAILED);
	REPORT("{\"event\": \"mremap\", \"old_address\": \"0x%lx\", \"old_size\": %zu, \"address\": "
	       "\"0x%lx\", \"size\": %zu}\n",
	       (unsigned long)old, old_pages * PAGE, (unsigned long)p, pages * PAGE);
}

static void anonymous(void)
{
	unmap(map(3), 3);
	map(5);
}

static void *thread_body(void *unused)
{
	begin();
	unmap(map(3), 3);
	end();
	return unused;
}

static void in_thread(void)
{
	pthread_t thread;
	CHECK(!pthread_create(&thread, NULL, thread_body, NULL));
	CHECK(!pthread_join(thread, NULL));
}

static void head(void)
{
	unmap(map(10), 4);
}

static void tail(void)
{
	unmap(map(10) + 6 * PAGE, 4);
}

static void middle(void)
{
	unmap(map(10) + 3 * PAGE, 4);
}

static void holes(void)
{
	char *p = map(20);
	unmap(p + 2 * PAGE, 1);
	unmap(p + 7 * PAGE, 3);
	unmap(p + 15 * PAGE, 2);
}

static void spanning(void)
{
	map_in(0, 4);
	map_in(4, 4);
	map_in(8, 4);
	unmap(arena + 2 * PAGE, 8); /* tail of the first, all of the second, head of the third */
}

static void several(void)
{
	map_in(0, 4);
	map_in(4, 4);
	map_in(10, 4);
	unmap(arena, 2);
	unmap(arena + 2 * PAGE, 4);
	unmap(arena + 7 * PAGE, 5); /* also over the gap */
}

static void shrink_then_free(void)
{
	char *p = map(10);
	unmap(p + 5 * PAGE, 5);
	unmap(p, 5);
}

static void split_then_free(void)
{
	char *p = map(10);
	unmap(p + 3 * PAGE, 3);
	unmap(p, 3);
	unmap(p + 6 * PAGE, 4);
}

static void split_then_leak(void)
{
	char *p = map(10);
	unmap(p + 3 * PAGE, 3);
	unmap(p + 6 * PAGE, 4);
}

static void unmap_nothing(void)
{
	unmap(arena, 3); /* legal: nothing is there */
	map_in(0, 2);
}

static void remap_grow(void)
{
	map_in(0, 4);
	move(arena, 4, 9, 0, NULL);
}

static void remap_shrink(void)
{
	char *p = map(9);
	move(p, 9, 4, 0, NULL);
}

static void remap_move(void)
{
	map_in(0, 4);
	move(arena, 4, 8, MREMAP_MAYMOVE | MREMAP_FIXED, arena + 100 * PAGE);
}

static void remap_over(void)
{
	map_in(0, 4);
	map_in(100, 10);
	move(arena, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, arena + 102 * PAGE);
}

static void remap_part(void)
{
	map_in(0, 10);
	move(arena + 3 * PAGE, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, arena + 100 * PAGE);
}

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
static void remap_keep(void)
{
	map_in(0, 4);
	move(arena, 4, 4, MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, arena + 100 * PAGE);
}

static void remap_fails(void)
{
	map_in(0, 4);
	map_in(4, 1);
	errno = 0;
	CHECK(mremap(arena, 4 * PAGE, 8 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
}

static void fixed_replace(void)
{
	map_in(0, 10);
	map_in(3, 4);
	map_in(8, 6);
}

static void reserved(void)
{
	map_at(NULL, 700, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	map(5);
}

static void file_backed(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	CHECK(fd >= 0);
	char *p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
	CHECK(p != MAP_FAILED);
	did_mmap("mmap", p, 2 * PAGE);
	close(fd);
	map(3);
}

static void fails(void)
{
	CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 12345, 0) == MAP_FAILED);
	CHECK(munmap((void *)1, PAGE) == -1);
	map(1);
}

static const struct target_case cases[] = {
	{"anonymous", anonymous},
	{"head", head},
	{"tail", tail},
	{"middle", middle},
	{"holes", holes},
	{"spanning", spanning},
	{"several", several},
	{"shrink_then_free", shrink_then_free},
	{"split_then_free", split_then_free},
	{"split_then_leak", split_then_leak},
	{"unmap_nothing", unmap_nothing},
	{"remap_grow", remap_grow},
	{"remap_shrink", remap_shrink},
	{"remap_move", remap_move},
	{"remap_over", remap_over},
	{"remap_part", remap_part},
	{"remap_keep", remap_keep},
	{"remap_fails", remap_fails},
	{"fixed_replace", fixed_replace},
	{"reserved", reserved},
	{"file_backed", file_backed},
	{"fails", fails},
};

/* Copy /proc/self/maps into the report, for the test to compare. */
static void report_maps(void)
{
	static char text[1 << 20];
	size_t size = 0;
	int fd = open("/proc/self/maps", O_RDONLY);
	for (ssize_t n; (n = read(fd, text + size, sizeof(text) - 1 - size)) > 0;)
		size += (size_t)n;
	close(fd);
	text[size] = 0;
	for (char *line = text, *next; *line; line = next + 1) {
		unsigned long from, to, offset;
		char perms[5];
		next = strchr(line, '\n');
		*next = 0;
		if (sscanf(line, "%lx-%lx %4s %lx", &from, &to, perms, &offset) == 4)
			REPORT("{\"maps\": [%lu, %lu, \"%s\"]}\n", from, to, perms);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "in_thread")) {
		in_thread();
		return 0;
	}
	begin();
	int status = RUN_CASE(cases);
	end();
	report_maps();
	return status;
}
