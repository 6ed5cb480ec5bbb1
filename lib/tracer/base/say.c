/* SPDX-License-Identifier: MIT */
/* Diagnostic lines and small texts, without stdio and heap. */
#include "say.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#include "kept.h"
#include "sys.h"

static uint64_t verbosity = 1;

/* stderr as it was at the start. */
static struct stat err;

static struct kept spare; /* stderr under another number */

/* Room for a kernel signal set. */
typedef uint64_t signals;

void text_add_bytes(struct text *t, const char *s, size_t size)
{
	while (size-- > 0 && t->used + 1 < sizeof(t->data))
		t->data[t->used++] = *s++;
	t->data[t->used] = '\0';
}

void text_add(struct text *t, const char *s)
{
	size_t size = 0;

	while (s[size] != '\0')
		size++;
	text_add_bytes(t, s, size);
}

void text_add_clean(struct text *t, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		char shown = c < 0x20 || c == 0x7f ? '?' : (char)c;

		text_add_bytes(t, &shown, 1);
	}
}

void text_add_number(struct text *t, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n != 0);
	text_add_bytes(t, digits + i, sizeof(digits) - i);
}

void say_set_verbosity(uint64_t level)
{
	verbosity = level;
}

void say_init(void)
{
	if (SYS2(SYS_fstat, 2, &err) != 0)
		err.st_ino = 0;
}

static int is_err(int fd)
{
	struct stat st;

	return SYS2(SYS_fstat, fd, &st) == 0 && st.st_ino != 0 && st.st_ino == err.st_ino &&
	       st.st_dev == err.st_dev;
}

void say_keep(void)
{
	const long fd = is_err(2) ? SYS3(SYS_fcntl, 2, F_DUPFD_CLOEXEC, 3) : -1;

	if (fd >= 0)
		(void)kept_open(&spare, (int)fd);
}

void say_let_go(void)
{
	kept_close(&spare);
}

/* A write that raises no signal in the program: a pipe without reader, a limit on files. */
static void write_line(const struct text *t)
{
	const signals ours = 1ULL << (SIGPIPE - 1) | 1ULL << (SIGXFSZ - 1);
	const struct timespec now = {0, 0};
	signals before = 0, pending = 0;
	const int fd = is_err(2) ? 2 : kept_number(&spare);

	if (!is_err(fd))
		return;
	(void)SYS4(SYS_rt_sigprocmask, SIG_BLOCK, &ours, &before, sizeof(ours));
	(void)SYS2(SYS_rt_sigpending, &pending, sizeof(pending));
	(void)sys_write(fd, t->data, t->used);
	if ((pending & ours) == 0)
		while (SYS4(SYS_rt_sigtimedwait, &ours, 0, &now, sizeof(ours)) > 0)
			;
	(void)SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof(before));
}

static void write_message(const char *a, const char *b, const char *c)
{
	struct text t = {.used = 0};

	text_add(&t, "pymemtrace: ");
	text_add_clean(&t, a);
	text_add_clean(&t, b == NULL ? "" : b);
	text_add_clean(&t, c == NULL ? "" : c);
	text_add(&t, "\n");
	write_line(&t);
}

void say_problem(const char *a, const char *b, const char *c)
{
	if (verbosity >= 1)
		write_message(a, b, c);
}

void say_note(const char *a, const char *b, const char *c)
{
	if (verbosity >= 2)
		write_message(a, b, c);
}

void say_decision(const char *a, const char *b, const char *c)
{
	if (verbosity >= 3)
		write_message(a, b, c);
}

const char *say_reason(long error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		return "permission denied";
	case -ENOENT:
		return "no such folder";
	case -ENOSPC:
		return "no space left on the disk";
	case -EDQUOT:
		return "disk quota exceeded";
	case -EFBIG:
		return "file size limit reached";
	case -EROFS:
		return "read-only file system";
	case -EMFILE:
	case -ENFILE:
		return "too many open files";
	case -ENOTDIR:
		return "not a folder";
	case -ENAMETOOLONG:
		return "name too long";
	case -ENOMEM:
		return "no memory";
	case -ELOOP:
		return "too many symbolic links";
	default:
		return "the system refused";
	}
}
