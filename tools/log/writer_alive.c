/* SPDX-License-Identifier: MIT */
/*
 * Whether the process that writes a log still runs. Its number says that only where it is valid, and
 * may belong to another process by now: that one began after the log. In another name space of
 * processes the number says nothing; there a process that maps the log is the one.
 */
#include "writer_alive.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "names.h"

/* Clocks are coarse, and the kernel tells starts of processes in ticks. */
#define SLACK_NS 1000000000ULL

/* --- who maps the log --- */

/* A line of /proc/PID/maps: START-END PERMISSIONS OFFSET MAJOR:MINOR INODE PATH */
static bool maps_file(const char *line, const struct stat *file)
{
	unsigned major_number, minor_number;
	unsigned long inode;

	return sscanf(line, "%*x-%*x %*s %*x %x:%x %lu", &major_number, &minor_number, &inode) ==
		       3 &&
	       inode == file->st_ino && major_number == major(file->st_dev) &&
	       minor_number == minor(file->st_dev);
}

static bool process_maps(const char *pid, const struct stat *file)
{
	char name[NAME_MAX + 16];
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	snprintf(name, sizeof(name), "/proc/%s/maps", pid);
	FILE *maps = fopen(name, "re");

	if (maps == NULL)
		return false;
	while (!found && getline(&line, &room, maps) > 0)
		found = maps_file(line, file);
	free(line);
	(void)fclose(maps);
	return found;
}

/* Whether any process that can be looked at maps the log. */
static bool is_mapped(const char *path)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	struct stat file;
	bool found = false;

	if (processes == NULL)
		return false;
	if (stat(path, &file) == 0)
		while (!found && (entry = readdir(processes)) != NULL)
			found = isdigit((unsigned char)entry->d_name[0]) &&
				process_maps(entry->d_name, &file);
	(void)closedir(processes);
	return found;
}

/* --- the process of a number --- */

static uint64_t clock_now(clockid_t clock)
{
	struct timespec now = {0};

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* The state of a process and when it began, in ns since the boot. Returns 0, or -1: not known. */
static int read_process(uint32_t pid, char *state, uint64_t *began_ns)
{
	char name[40], text[1024];
	const char *rest;
	uint64_t ticks;

	snprintf(name, sizeof(name), "/proc/%" PRIu32 "/stat", pid);
	FILE *file = fopen(name, "re");

	if (file == NULL)
		return -1;
	const size_t size = fread(text, 1, sizeof(text) - 1, file);

	(void)fclose(file);
	text[size] = '\0';
	rest = strrchr(text, ')'); /* a name may have any characters */
	if (rest == NULL ||
	    sscanf(rest + 1,
		   " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
		   state, &ticks) != 2)
		return -1;
	*began_ns = ticks * (1000000000U / (uint64_t)sysconf(_SC_CLK_TCK));
	return 0;
}

/* The number is valid here. */
static enum writer_alive look_up(const struct pmt_header *header)
{
	const uint64_t slept_ns = clock_now(CLOCK_BOOTTIME) - clock_now(CLOCK_MONOTONIC);
	uint64_t began_ns;
	char state;

	if (kill((pid_t)header->pid, 0) != 0 && errno == ESRCH)
		return WRITER_GONE;
	if (read_process(header->pid, &state, &began_ns) != 0)
		return WRITER_UNKNOWN;
	if (state == 'Z' || state == 'X' || began_ns > header->start_ns + slept_ns + SLACK_NS)
		return WRITER_GONE;
	return WRITER_ALIVE;
}

/* --- where the number is valid --- */

/* Whether TEXT of SIZE bytes begins with the id of this boot. */
static bool is_this_boot(const char *text, size_t size)
{
	char boot[64] = "";
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (file == NULL)
		return false;
	if (fgets(boot, sizeof(boot), file) == NULL)
		boot[0] = '\0';
	(void)fclose(file);
	boot[strcspn(boot, "\n")] = '\0';
	return boot[0] != '\0' && size >= strlen(boot) && memcmp(text, boot, strlen(boot)) == 0;
}

/* Whether TEXT of SIZE bytes ends with the name of our name space of processes. */
static bool is_our_space(const char *text, size_t size)
{
	char space[64];
	const ssize_t length = readlink("/proc/self/ns/pid", space, sizeof(space));

	return length > 0 && (size_t)length < sizeof(space) && size >= (size_t)length &&
	       memcmp(text + size - (size_t)length, space, (size_t)length) == 0;
}

enum writer_alive writer_alive(const struct reader *reader)
{
	const struct pmt_header *header = reader_header(reader);
	const char *where;
	const long size = reader_text(reader, PMT_TEXT_WHERE, &where);

	if (size > 0 && header->pid != 0 && is_this_boot(where, (size_t)size) &&
	    is_our_space(where, (size_t)size))
		return look_up(header);
	if (is_mapped(reader_path(reader)))
		return WRITER_ALIVE;
	return size > 0 ? WRITER_ELSEWHERE : WRITER_UNKNOWN;
}
