/* SPDX-License-Identifier: MIT */
/* Reads a log that is in memory: through a memory file, as the reader wants a path. */
#ifndef PMT_TESTS_READLOG_H
#define PMT_TESTS_READLOG_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "reader.h"

struct readlog {
	int fd;
	char path[40];
};

static inline struct readlog readlog_create(const void *data, size_t size)
{
	struct readlog file = {memfd_create("log", MFD_CLOEXEC), ""};

	if (file.fd < 0 || write(file.fd, data, size) != (ssize_t)size)
		abort();
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
	return file;
}

static inline void readlog_destroy(struct readlog *file)
{
	close(file->fd);
}

#endif
