/* SPDX-License-Identifier: MIT */
/* The log of the process that this one comes from: found by the descriptor that a log is kept at. */
#include "parent_log.h"

#include <string.h>
#include <sys/stat.h>

#include "kept.h"
#include "log.h"
#include "proc.h"
#include "say.h"
#include "sys.h"

/* So many generations are looked at. */
#define GENERATIONS_MAX 32

int parent_log_is_of(const char *path, int pid)
{
	struct pmt_header header;
	struct stat st;
	long fd, got;

	/* To open a device could do things. */
	if (SYS4(SYS_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	fd = sys_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	got = sys_pread((int)fd, &header, sizeof(header), 0);
	(void)sys_close((int)fd);
	return got == (long)sizeof(header) && header.pid == (uint32_t)pid &&
	       memcmp(header.magic, PMT_MAGIC, sizeof(header.magic)) == 0;
}

/* Path of the log that process PID is writing, into DATA; "" when it writes none. */
static void find_log_of(int pid, char *data, uint64_t size)
{
	struct text link = {.used = 0};
	long got;

	text_add(&link, "/proc/");
	text_add_number(&link, (uint64_t)pid);
	text_add(&link, "/fd/");
	text_add_number(&link, (uint64_t)kept_first_number());
	got = sys_readlink(link.data, data, size - 1);
	data[got < 0 ? 0 : got] = '\0';
	if (got <= 0 || data[0] != '/' || !parent_log_is_of(data, pid))
		data[0] = '\0';
}

/* The parent of process PID; 0: not known. */
static int parent_of(int pid)
{
	struct text path = {.used = 0};
	char stat[512];
	const char *p;

	text_add(&path, "/proc/");
	text_add_number(&path, (uint64_t)pid);
	text_add(&path, "/stat");
	if (proc_read(0, path.data, stat, sizeof(stat)) == 0)
		return 0;
	/* Behind the name, which may have parentheses and blanks in it: ") S PARENT". */
	p = strrchr(stat, ')');
	if (p == NULL || strlen(p) < 4)
		return 0;
	p += 3;
	return (int)proc_number(&p);
}

void parent_log_find(char *data, uint64_t size)
{
	int pid = (int)SYS0(SYS_getppid);

	data[0] = '\0';
	for (int i = 0; i < GENERATIONS_MAX && pid > 1 && data[0] == '\0'; i++) {
		find_log_of(pid, data, size);
		pid = parent_of(pid);
	}
}
