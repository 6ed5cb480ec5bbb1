/* SPDX-License-Identifier: MIT */
/*
 * Memory of known shape, and what the kernel and malloc say of it at that moment. usage: account
 * CASE [kill]
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

enum { BLOCKS = 65536, BLOCK = 1000, THREADS = 8, STACK = 2 << 20 };

static void *blocks[BLOCKS];
static pthread_barrier_t all_ready, all_done;

/* A value of /proc/self/smaps_rollup in bytes. */
static long rollup(const char *name)
{
	char line[200];
	long kb = -1;
	FILE *file = fopen("/proc/self/smaps_rollup", "r");

	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			kb = atol(line + strlen(name));
	fclose(file);
	return kb * 1024;
}

static void say(void)
{
	struct mallinfo2 m = mallinfo2();

	report("{\"rss\":%ld,\"swap\":%ld,\"arena\":%zu,\"mapped\":%zu,\"used\":%zu,\"free\":%zu}\n",
	       rollup("Rss:"), rollup("Swap:"), m.arena, m.hblkhd, m.uordblks, m.fordblks);
}

/* 64 MiB in small blocks, of which every hundredth stays. */
static void fragments(void)
{
	for (int i = 0; i < BLOCKS; i++)
		memset(blocks[i] = malloc(BLOCK), 1, BLOCK);
	for (int i = 0; i < BLOCKS; i++)
		if (i % 100 != 0)
			free(blocks[i]);
}

/* 256 MiB of which 16 MiB are touched, in the middle; and a file of 8 MiB, half of it written. */
static void mappings(void)
{
	char *p = mmap(NULL, 256 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *file = tmpfile();
	char *f;

	memset(p + (100 << 20), 1, 16 << 20);
	ftruncate(fileno(file), 8 << 20);
	f = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file), 0);
	for (int i = 0; i < 8 << 20; i += 4096)
		blocks[0] = (void *)(intptr_t)((volatile char *)f)[i];
	memset(f, 1, 4 << 20);
}

static void shared(void)
{
	char *p = mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	memset(p, 1, 24 << 20);
}

/* Blocks in mappings of their own: 48 MiB touched of 80. */
static void large(void)
{
	for (int i = 0; i < 10; i++) {
		blocks[i] = malloc(8 << 20);
		if (i < 6)
			memset(blocks[i], 1, 8 << 20);
	}
}

/* Two mappings that the kernel makes one, and only one of them is seen: 1 of 64, and 32 MiB. */
static void mixed(void)
{
	char *p = (char *)syscall(SYS_mmap, NULL, 96L << 20, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mmap(p, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	memset(p + (64 << 20), 1, 32 << 20);
	memset(p + (40 << 20), 1, 1 << 20);
}

static void *with_stack(void *p)
{
	volatile char deep[1 << 20];

	memset((char *)deep, 1, sizeof(deep));
	/* An arena of malloc of its own. */
	for (int i = 0; i < 1000; i++)
		memset(malloc(BLOCK), 1, BLOCK);
	pthread_barrier_wait(&all_ready);
	pthread_barrier_wait(&all_done);
	return p;
}

/* Eight stacks of which 1 MiB is touched, and eight arenas of malloc of 1 MB. */
static void stacks(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_barrier_init(&all_ready, NULL, THREADS + 1);
	pthread_barrier_init(&all_done, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread, &attr, with_stack, NULL);
	pthread_barrier_wait(&all_ready);
}

/* Quickly to 300 MiB. */
static void grow(void)
{
	for (int i = 0; i < 300; i++) {
		char *p = malloc(1 << 20);

		memset(p, 1, 1 << 20);
		usleep(2000);
	}
}

/* Pages of two kinds by turns, so that no two of them become one mapping. */
static void many(void)
{
	for (int i = 0; i < 10000; i++) {
		char *p = mmap((char *)0x100000000000 + i * 4096L, 4096,
			       i % 2 ? PROT_READ | PROT_WRITE : PROT_READ | PROT_WRITE | PROT_EXEC,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		if (i % 2)
			*p = 1;
	}
}

static void raw_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	free(malloc(100));
	if (pid == 0)
		exit(0);
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {{"fragments", fragments}, {"mappings", mappings}, {"shared", shared},
		     {"large", large},	       {"mixed", mixed},       {"stacks", stacks},
		     {"grow", grow},	       {"many", many},	       {"raw_fork", raw_fork}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(argv[1], cases[i].name) == 0)
			cases[i].run();
	say();
	if (argc > 2 && strcmp(argv[2], "kill") == 0)
		raise(SIGKILL);
	if (argc > 2 && strcmp(argv[2], "_exit") == 0)
		_exit(0);
	return 0;
}
