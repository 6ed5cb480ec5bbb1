/* SPDX-License-Identifier: MIT */
/* A descriptor that the tracer keeps open in the program's table. */
#include "kept.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "sys.h"

/* Below 1024, so that the kernel's table of descriptors stays small. */
#define FIRST_NUMBER 1016

int kept_first_number(void)
{
	struct rlimit limit = {0, 0};
	int first = FIRST_NUMBER;

	if (SYS4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) == 0 && limit.rlim_cur < 1024)
		first = limit.rlim_cur > 16 ? (int)limit.rlim_cur - 8 : 3;
	return first;
}

/* The kernel's struct stat is the C library's on 64-bit machines. */
static long read_status(int fd, struct stat *st)
{
	return SYS2(SYS_fstat, fd, st);
}

long kept_open(struct kept *kept, int fd)
{
	struct stat st;
	long rc, high = SYS3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, kept_first_number());

	if (high < 0)
		high = SYS3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
	(void)sys_close(fd);
	if (high < 0)
		return high;
	rc = read_status((int)high, &st);
	if (rc != 0) {
		(void)sys_close((int)high);
		return rc;
	}
	kept->device = st.st_dev;
	kept->inode = st.st_ino;
	/* Last: another thread that sees the number sees what file it is. */
	atomic_store_explicit(&kept->fd, (int)high, memory_order_release);
	return 0;
}

int kept_number(const struct kept *kept)
{
	return atomic_load_explicit(&kept->fd, memory_order_acquire);
}

int kept_is_file(const struct kept *kept, int fd)
{
	struct stat st;

	return read_status(fd, &st) == 0 && st.st_dev == kept->device && st.st_ino == kept->inode;
}

int kept_is_there(const struct kept *kept)
{
	const int fd = kept_number(kept);

	return fd != 0 && kept_is_file(kept, fd);
}

void kept_forget(struct kept *kept)
{
	atomic_store(&kept->fd, 0);
}

void kept_close(struct kept *kept)
{
	if (kept_is_there(kept))
		(void)sys_close(kept_number(kept));
	kept_forget(kept);
}
