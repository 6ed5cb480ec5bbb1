/* SPDX-License-Identifier: MIT */
/* Which process ids were given out since the last look. */
#include "newpids.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	RANGE_MAX = 2000,  /* more new ids than any machine gives out between two looks */
	FULL_SHARE = 1000, /* listing takes one part in so many of the time */
};
/* Between two lists; the longer one where the last id is known. */
#define FULL_LEAST_NS 1000000000ULL
#define FULL_RARE_NS 5000000000ULL

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Ids are below this; 0: unknown. */
static uint64_t id_limit(const struct procfs *procfs)
{
	const int fd = openat(procfs->root, "sys/kernel/pid_max", O_RDONLY | O_CLOEXEC);
	char text[32];
	const ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (size <= 0)
		return 0;
	text[size] = '\0';
	return strtoull(text, NULL, 10);
}

void newpids_init(struct newpids *newpids, const struct procfs *procfs)
{
	*newpids = (struct newpids){.procfs = procfs};
	newpids->loadavg = openat(procfs->root, "loadavg", O_RDONLY | O_CLOEXEC);
	newpids->limit = id_limit(procfs);
}

void newpids_fini(struct newpids *newpids)
{
	if (newpids->loadavg >= 0)
		close(newpids->loadavg);
	newpids->loadavg = -1;
}

/* The last word of "0.10 0.20 0.30 1/234 5678"; 0 when it is not there. */
static uint64_t last_given(const struct newpids *newpids)
{
	char text[128];
	const ssize_t size = pread(newpids->loadavg, text, sizeof(text) - 1, 0);

	if (size <= 0)
		return 0;
	text[size] = '\0';
	const char *word = strrchr(text, ' ');

	return word == NULL ? 0 : strtoull(word, NULL, 10);
}

static void list_all(struct newpids *newpids, newpids_visit *visit, void *context)
{
	const uint64_t begin_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	const int fd = openat(newpids->procfs->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);

	if (folder == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			visit(context, (pid_t)strtol(entry->d_name, NULL, 10));
	closedir(folder);
	const uint64_t pause_ns = (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin_ns) * FULL_SHARE;

	const uint64_t least_ns = newpids->last == 0 ? FULL_LEAST_NS : FULL_RARE_NS;
	const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	newpids->cheap_next_ns = now_ns + pause_ns;
	newpids->full_next_ns = now_ns + (pause_ns > least_ns ? pause_ns : least_ns);
}

static void visit_range(uint64_t first, uint64_t last, newpids_visit *visit, void *context)
{
	for (uint64_t pid = first; pid <= last; pid++)
		visit(context, (pid_t)pid);
}

void newpids_look(struct newpids *newpids, bool full, newpids_visit *visit, void *context)
{
	const uint64_t before = newpids->last;
	const uint64_t now = last_given(newpids);
	const uint64_t rest = newpids->limit > before ? newpids->limit - before : RANGE_MAX;

	newpids->last = now;
	if (now > before && before != 0 && now - before <= RANGE_MAX) {
		visit_range(before + 1, now, visit, context);
	} else if (now != 0 && now < before && rest + now <= RANGE_MAX) {
		/* After the highest id the kernel begins again with low ones. */
		visit_range(before + 1, newpids->limit - 1, visit, context);
		visit_range(1, now, visit, context);
	} else if (now != before) {
		newpids->full_next_ns = newpids->cheap_next_ns;
	}
	if (full && clock_ns(CLOCK_MONOTONIC) >= newpids->full_next_ns)
		list_all(newpids, visit, context);
}
