/* SPDX-License-Identifier: MIT */
/*
 * Whether the process that writes a log still runs. A number alone says little: it may belong to
 * another process by now, or the log may come from another machine. What a process maps does.
 */
#include "writer_alive.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* A line of /proc/PID/maps: START-END PERMISSIONS OFFSET MAJOR:MINOR INODE PATH */
static int maps_file(const char *line, const struct stat *file)
{
	unsigned major_number, minor_number;
	unsigned long inode;

	return sscanf(line, "%*x-%*x %*s %*x %x:%x %lu", &major_number, &minor_number, &inode) ==
		       3 &&
	       inode == file->st_ino && major_number == major(file->st_dev) &&
	       minor_number == minor(file->st_dev);
}

/* A compressed log is nobody's to map. */
static int is_plain(const char *path)
{
	FILE *file = fopen(path, "re");
	char magic[sizeof(PMT_MAGIC) - 1];
	const int plain = file != NULL && fread(magic, sizeof(magic), 1, file) == 1 &&
			  memcmp(magic, PMT_MAGIC, sizeof(magic)) == 0;

	if (file != NULL)
		(void)fclose(file);
	return plain;
}

enum writer_alive writer_alive(const struct pmt_header *header, const char *path)
{
	enum writer_alive alive = WRITER_GONE;
	char name[40];
	char *line = NULL;
	size_t room = 0;
	struct stat file;

	if (header->pid == 0 || stat(path, &file) != 0)
		return WRITER_UNKNOWN;
	snprintf(name, sizeof(name), "/proc/%" PRIu32 "/maps", header->pid);
	FILE *maps = fopen(name, "re");

	if (maps == NULL)
		return errno == ENOENT ? WRITER_GONE : WRITER_UNKNOWN;
	if (!is_plain(path)) {
		(void)fclose(maps);
		return WRITER_UNKNOWN;
	}
	errno = 0;
	while (alive == WRITER_GONE && getline(&line, &room, maps) > 0)
		if (maps_file(line, &file))
			alive = WRITER_ALIVE;
	if (alive == WRITER_GONE && errno != 0 && errno != ESRCH)
		alive = WRITER_UNKNOWN;
	free(line);
	(void)fclose(maps);
	return alive;
}
