/* SPDX-License-Identifier: MIT */
/* Ways to end, and bad surroundings to live in. Ten blocks of 60001 bytes come first. */
#include "report.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void returns(void)
{
}

static void exits(void)
{
	exit(3);
}

static void underscore_exits(void)
{
	_exit(4);
}

static void quick_exits(void)
{
	quick_exit(5);
}

static void aborts(void)
{
	abort();
}

static void is_killed(void)
{
	kill(getpid(), SIGKILL);
}

static void is_terminated(void)
{
	kill(getpid(), SIGTERM);
}

static void crashes(void)
{
	*(volatile int *)8 = 1;
}

static void at_exit_body(void)
{
	free(malloc(60002));
}

__attribute__((destructor)) static void destructor(void)
{
	free(malloc(60003));
}

static void allocates_at_exit(void)
{
	CHECK(!atexit(at_exit_body));
}

/* Many blocks, kept, so that the log has to grow; then something visible. */
static void grows(void)
{
	unsigned long sum = 0;
	for (int i = 0; i < 300000; i++)
		sum += (unsigned long)i + (malloc((size_t)(i * 7919L % 500)) != NULL);
	printf("%lu\n", sum);
}

static void closed_streams(void)
{
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	for (int i = 0; i < 100000; i++)
		free(malloc(60004));
	/* The program's own files get the numbers it expects. */
	int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_WRONLY);
	exit(a == 0 && b == 1 ? 6 : 97);
}

/* A daemon closes everything it can. */
static void closes_all(void)
{
	for (int fd = 0; fd < 1024; fd++)
		if (fd != 1 && fd != report_fd)
			close(fd);
	grows();
}

/* All descriptors in use, then a file of our own must still be the last one to fit. */
static void no_descriptors(void)
{
	struct rlimit limit = {64, 64};
	int count = 0;
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
	while (dup(1) >= 0)
		count++;
	CHECK(errno == EMFILE);
	printf("%d\n", count);
	grows();
}

static void little_memory(void)
{
	struct rlimit limit = {1 << 26, 1 << 26};
	CHECK(!setrlimit(RLIMIT_AS, &limit));
	size_t count = 0;
	while (count < 10000 && malloc(100000))
		count++;
	CHECK(errno == ENOMEM);
	printf("%s\n", count > 400 ? "about 64 MB" : "too few");
}

static void limited_files(void)
{
	struct rlimit limit = {1 << 18, 1 << 18};
	CHECK(!setrlimit(RLIMIT_FSIZE, &limit));
	grows();
}

static void removed_folder(void)
{
	char *path = getcwd(NULL, 0);
	CHECK(!rmdir(path));
	free(path);
	grows();
}

/* The tracer's descriptors must not be in the way of a program that expects the lowest free one. */
static void lowest_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY);
	printf("%d\n", fd);
}

static void handler(int signal_number)
{
	(void)signal_number;
	free(malloc(60005)); /* not allowed, but done in the wild */
}

static void signals(void)
{
	struct sigaction action = {.sa_handler = handler};
	CHECK(!sigaction(SIGUSR1, &action, NULL));
	for (int i = 0; i < 1000; i++)
		raise(SIGUSR1);
	puts("signals");
}

static const struct target_case cases[] = {
	{"returns", returns},
	{"exits", exits},
	{"underscore_exits", underscore_exits},
	{"quick_exits", quick_exits},
	{"aborts", aborts},
	{"is_killed", is_killed},
	{"is_terminated", is_terminated},
	{"crashes", crashes},
	{"allocates_at_exit", allocates_at_exit},
	{"grows", grows},
	{"closed_streams", closed_streams},
	{"closes_all", closes_all},
	{"no_descriptors", no_descriptors},
	{"little_memory", little_memory},
	{"limited_files", limited_files},
	{"removed_folder", removed_folder},
	{"lowest_descriptor", lowest_descriptor},
	{"signals", signals},
};

int main(int argc, char **argv)
{
	for (int i = 0; i < 10; i++)
		free(malloc(60001));
	return RUN_CASE(cases);
}
