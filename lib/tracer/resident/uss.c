/* SPDX-License-Identifier: MIT */
/* USS, swap and the kinds of memory. */
#include "uss.h"

#include <string.h>

#include "proc.h"
#include "sys.h"

struct sums {
	uint64_t own; /* kB, as the next */
	uint64_t swap;
};

static int begins_with(const char *line, const char *name)
{
	return strncmp(line, name, strlen(name)) == 0;
}

/* One line of smaps_rollup or smaps. */
static void add_line(struct sums *sums, const char *line)
{
	const char *number = strchr(line, ':');

	if (number == NULL)
		return;
	number++;
	/* Private_Clean, Private_Dirty, Private_Hugetlb */
	if (begins_with(line, "Private_"))
		sums->own += proc_number(&number);
	else if (begins_with(line, "Swap:"))
		sums->swap += proc_number(&number);
}

/* Add the whole lines in TEXT; returns what is left behind them, moved to the front. */
static size_t add_lines(struct sums *sums, char *text, size_t size)
{
	char *line = text, *end;

	while ((end = memchr(line, '\n', size - (size_t)(line - text))) != NULL) {
		*end = '\0';
		add_line(sums, line);
		line = end + 1;
	}
	size -= (size_t)(line - text);
	memmove(text, line, size);
	return size;
}

/* Returns 0, or -1 when there is no such file. */
static int add_file(struct sums *sums, const char *path)
{
	char text[4096];
	size_t used = 0;
	uint64_t at = 0;
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0), got;

	if (fd < 0)
		return -1;
	while ((got = sys_pread((int)fd, text + used, sizeof(text) - used, at)) > 0) {
		at += (uint64_t)got;
		used = add_lines(sums, text, used + (size_t)got);
		/* A mapping's name can be longer, and no line like that counts. */
		if (used == sizeof(text))
			used = 0;
	}
	(void)sys_close((int)fd);
	return at == 0 ? -1 : 0;
}

int uss_read(struct pmt_memory *memory)
{
	struct sums sums = {0, 0};
	char text[4096];

	/* Not of "self": its memory is gone once the first thread has ended. */
	if (add_file(&sums, "/proc/thread-self/smaps_rollup") != 0 &&
	    add_file(&sums, "/proc/thread-self/smaps") != 0)
		return -1;
	if (proc_read(0, "/proc/thread-self/status", text, sizeof(text)) == 0)
		return -1;
	memory->uss = sums.own * 1024;
	memory->swap = sums.swap * 1024;
	memory->peak = proc_kilobytes(text, "\nVmHWM:");
	memory->anon = proc_kilobytes(text, "\nRssAnon:");
	memory->file = proc_kilobytes(text, "\nRssFile:");
	memory->shmem = proc_kilobytes(text, "\nRssShmem:");
	return 0;
}
