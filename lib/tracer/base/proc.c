/* SPDX-License-Identifier: MIT */
/* Small texts of /proc. */
#include "proc.h"

#include <string.h>

#include "sys.h"

size_t proc_read(int kept, const char *path, char *text, size_t size)
{
	long fd = kept > 0 ? kept : sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	long got;

	text[0] = '\0';
	if (fd < 0)
		return 0;
	got = sys_pread((int)fd, text, size - 1, 0);
	if (kept <= 0)
		(void)sys_close((int)fd);
	text[got < 0 ? 0 : got] = '\0';
	return got < 0 ? 0 : (size_t)got;
}

uint64_t proc_number(const char **text)
{
	uint64_t n = 0;

	while (**text == ' ' || **text == '\t')
		++*text;
	for (; **text >= '0' && **text <= '9'; ++*text)
		n = n * 10 + (uint64_t)(**text - '0');
	return n;
}

uint64_t proc_kilobytes(const char *status, const char *name)
{
	const char *p = strstr(status, name);

	if (p == NULL)
		return 0;
	p += strlen(name);
	return proc_number(&p) * 1024;
}
