/* SPDX-License-Identifier: MIT */
/* What a log is read from: a plain file, or a compressed one. */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "zlog.h"

struct source {
	int fd;
	const char *path;
	struct zlog *zlog; /* NULL: plain */
};

/* O_NONBLOCK: a named pipe must not make the program wait. */
static int open_file(struct source *s)
{
	struct stat st;
	uint8_t start[ZLOG_MAGIC_BYTES];
	int64_t got;

	s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (s->fd < 0 || fstat(s->fd, &st) != 0)
		return error("%s: %s", s->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error("%s: not a regular file", s->path);
	got = zlog_pread(s->fd, s->path, start, sizeof(start), 0);
	if (got < 0)
		return -1;
	if (!zlog_is_one(start, (size_t)got))
		return 0;
	return zlog_open(s->fd, s->path, (uint64_t)st.st_size, &s->zlog);
}

int source_open(const char *path, struct source **source)
{
	struct source *s = need_memory(sizeof(*s));

	*s = (struct source){.fd = -1, .path = path};
	if (open_file(s) != 0) {
		source_close(s);
		return -1;
	}
	*source = s;
	return 0;
}

void source_close(struct source *s)
{
	if (s == NULL)
		return;
	zlog_close(s->zlog);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

const char *source_path(const struct source *s)
{
	return s->path;
}

int source_size(const struct source *s, uint64_t *size)
{
	struct stat st;

	if (s->zlog != NULL) {
		*size = zlog_size(s->zlog);
		return 0;
	}
	if (fstat(s->fd, &st) != 0)
		return error("%s: %s", s->path, strerror(errno));
	*size = (uint64_t)st.st_size;
	return 0;
}

int64_t source_read(struct source *s, void *data, size_t size, uint64_t offset)
{
	if (s->zlog != NULL)
		return zlog_read(s->zlog, data, size, offset);
	return zlog_pread(s->fd, s->path, data, size, offset);
}

uint64_t source_next_data(const struct source *s, uint64_t offset, uint64_t size)
{
	off_t data;

	if (offset >= size)
		return size;
	if (s->zlog != NULL)
		return offset;
	data = lseek(s->fd, (off_t)offset, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? size : offset;
	return (uint64_t)data;
}

bool source_compressed(const struct source *s)
{
	return s->zlog != NULL;
}

bool source_cut(const struct source *s)
{
	return s->zlog != NULL && zlog_end(s->zlog) == ZLOG_CUT;
}

bool source_index_damaged(const struct source *s)
{
	return s->zlog != NULL && zlog_end(s->zlog) == ZLOG_INDEX_DAMAGED;
}
