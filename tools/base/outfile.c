/* SPDX-License-Identifier: MIT */
/* A file that a command makes of another. */
#include "outfile.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

/* For the signal handler: what to remove. */
static const char *volatile temporary_now;

static void on_signal(int number)
{
	const char *name = temporary_now;

	if (name != NULL)
		unlink(name);
	signal(number, SIG_DFL);
	raise(number);
}

/* A signal that is ignored stays ignored. */
static void catch_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (signal(numbers[i], on_signal) == SIG_IGN)
			signal(numbers[i], SIG_IGN);
}

static int check_place(const char *path, const char *from, bool force)
{
	struct stat there, source;

	if (lstat(path, &there) != 0)
		return errno == ENOENT ? 0 : error("%s: %s", path, strerror(errno));
	if (stat(from, &source) == 0 && stat(path, &there) == 0 && there.st_dev == source.st_dev &&
	    there.st_ino == source.st_ino)
		return error("%s: is the log itself", path);
	if (!force)
		return error("%s: exists already; --force replaces it", path);
	if (S_ISDIR(there.st_mode))
		return error("%s: is a folder", path);
	return 0;
}

int outfile_init(struct outfile *out, const char *path, const char *from, bool force)
{
	int fd;

	*out = (struct outfile){.path = path, .force = force};
	if (check_place(path, from, force) != 0)
		return -1;
	out->temporary = need_memory(strlen(path) + 8);
	sprintf(out->temporary, "%s.XXXXXX", path);
	fd = mkstemp(out->temporary);
	out->file = fd < 0 ? NULL : fdopen(fd, "wb");
	if (out->file == NULL) {
		error("%s: %s", path, strerror(errno));
		free(out->temporary);
		out->temporary = NULL;
		return -1;
	}
	temporary_now = out->temporary;
	catch_signals();
	return 0;
}

int outfile_close(struct outfile *out)
{
	FILE *file = out->file;
	bool failed = fflush(file) != 0 || ferror(file) || fsync(fileno(file)) != 0;

	out->file = NULL;
	failed |= fclose(file) != 0;
	return failed ? error("%s: cannot write: %s", out->path, strerror(errno)) : 0;
}

/* Not over a file that came up meanwhile: link() does not replace. Some file systems cannot. */
static int put_in_place(const struct outfile *out)
{
	struct stat st;

	if (out->force)
		return rename(out->temporary, out->path);
	if (link(out->temporary, out->path) == 0)
		return unlink(out->temporary);
	if (errno == EEXIST || lstat(out->path, &st) == 0) {
		errno = EEXIST;
		return -1;
	}
	return rename(out->temporary, out->path);
}

int outfile_commit(struct outfile *out)
{
	if (put_in_place(out) != 0)
		return error("%s: %s", out->path, strerror(errno));
	temporary_now = NULL;
	free(out->temporary);
	out->temporary = NULL;
	return 0;
}

void outfile_fini(struct outfile *out)
{
	if (out->file != NULL)
		fclose(out->file);
	if (out->temporary != NULL) {
		unlink(out->temporary);
		temporary_now = NULL;
		free(out->temporary);
	}
	*out = (struct outfile){0};
}
