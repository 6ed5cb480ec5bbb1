/* SPDX-License-Identifier: MIT */
/* The name of the log that `pymemtrace run` is about to make: checked and made absolute. */
#include "logname.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "log.h"
#include "options.h"

#define VARIABLE "PYMEMTRACE_OUTPUT"
#define ENDING ".pmt"

/* The longest template that the tracer takes. */
#define TEMPLATE_MAX 1000

static const char *standard_name(void)
{
	for (const struct pmt_option_info *info = pmt_option_infos; info->env != NULL; info++)
		if (strcmp(info->env, VARIABLE) == 0)
			return info->standard;
	return NULL;
}

/* Whether a file begins as a log does. An empty file is one that was killed at once. */
static bool is_log(const char *path)
{
	uint8_t magic[sizeof(PMT_MAGIC) - 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	bool result = false;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		result = st.st_size == 0 ||
			 (pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
			  memcmp(magic, PMT_MAGIC, sizeof(magic)) == 0);
	close(fd);
	return result;
}

/* The size of NAME without its folder; the folder's size with its slash in *FOLDER. */
static const char *split_path(const char *path, size_t *folder)
{
	const char *slash = strrchr(path, '/');

	*folder = slash != NULL ? (size_t)(slash - path) + 1 : 0;
	return path + *folder;
}

/* Whether NAME is that of a child of the log FIRST: app.1.pmt of app.pmt. */
static bool is_child_name(const char *name, const char *first)
{
	size_t stem = strlen(first);

	if (stem > strlen(ENDING) && strcmp(first + stem - strlen(ENDING), ENDING) == 0)
		stem -= strlen(ENDING);
	if (strncmp(name, first, stem) != 0 || name[stem] != '.')
		return false;
	size_t digits = strspn(name + stem + 1, "0123456789");

	return digits != 0 && strcmp(name + stem + 1 + digits, first + stem) == 0;
}

static int remove_log(const char *path)
{
	if (!is_log(path))
		return error("%s: not a log, so --force does not remove it", path);
	if (unlink(path) != 0)
		return error("%s: %s", path, strerror(errno));
	return 0;
}

/* Remove the log PATH and those of the children of its run. */
static int remove_family(const char *path)
{
	size_t size;
	const char *name = split_path(path, &size);
	char folder[PATH_MAX], child[PATH_MAX + NAME_MAX + 2];
	const struct dirent *entry;

	if (remove_log(path) != 0)
		return -1;
	snprintf(folder, sizeof(folder), "%.*s", (int)size, path);
	DIR *entries = opendir(size != 0 ? folder : ".");

	if (entries == NULL)
		return error("%s: %s", folder, strerror(errno));
	while ((entry = readdir(entries)) != NULL) {
		snprintf(child, sizeof(child), "%s%s", folder, entry->d_name);
		if (is_child_name(entry->d_name, name) && is_log(child) && unlink(child) != 0)
			error("%s: %s", child, strerror(errno));
	}
	closedir(entries);
	return 0;
}

/* A name that has nothing of the process in it must be free. */
static int check_free(const char *name, bool force)
{
	struct stat st;

	if (strchr(name, '%') != NULL || lstat(name, &st) != 0)
		return 0;
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return error(
			"--output %s: not a regular file; a log is a file of its own, for example %s",
			name, "/tmp/app.pmt");
	if (force)
		return remove_family(name);
	return error(
		"--output %s: there is such a file already; --force replaces it, and %%p in the name (app.%%p.pmt) gives each run a file of its own",
		name);
}

/* The folder that NAME is in must exist. One with % in its name is known only later. */
static int check_folder(const char *name)
{
	size_t size;
	struct stat st;
	char folder[PATH_MAX];

	split_path(name, &size);
	if (size == 0 || memchr(name, '%', size) != NULL)
		return 0;
	snprintf(folder, sizeof(folder), "%.*s", (int)size, name);
	if (stat(folder, &st) != 0)
		return error("--output %s: the folder %s: %s; `mkdir -p %s` makes it", name, folder,
			     strerror(errno), folder);
	if (access(folder, W_OK | X_OK) != 0)
		return error("--output %s: the folder %s: %s", name, folder, strerror(errno));
	return 0;
}

/* NAME below the working folder, whose own name is doubled where it has a %. */
static int make_absolute(const char *name)
{
	char folder[PATH_MAX], path[2 * PATH_MAX + TEMPLATE_MAX];
	size_t used = 0;

	if (name[0] != '/') {
		if (getcwd(folder, sizeof(folder)) == NULL)
			return error("the working folder: %s", strerror(errno));
		for (const char *p = folder; *p != '\0'; p++) {
			if (*p == '%')
				path[used++] = '%';
			path[used++] = *p;
		}
		if (used == 0 || path[used - 1] != '/')
			path[used++] = '/';
	}
	snprintf(path + used, sizeof(path) - used, "%s", name);
	if (strlen(path) > TEMPLATE_MAX)
		return error("--output %s: longer than %d bytes", path, TEMPLATE_MAX);
	if (setenv(VARIABLE, path, 1) != 0)
		die(EXIT_DATA, "%s: %s", VARIABLE, strerror(errno));
	return 0;
}

int logname_prepare(bool force)
{
	const char *given = getenv(VARIABLE);
	char name[TEMPLATE_MAX + PATH_MAX];
	struct stat st;

	if (given == NULL || *given == '\0')
		given = standard_name();
	if (strcmp(given, "-") == 0) {
		error("--output -: a log is written into a mapped file, not to a pipe; write it to a file and print that with `pymemtrace text`");
		return EXIT_USAGE;
	}
	if (strchr(given, '%') == NULL && stat(given, &st) == 0 && S_ISDIR(st.st_mode))
		snprintf(name, sizeof(name), "%s%s%s", given,
			 given[strlen(given) - 1] == '/' ? "" : "/", standard_name());
	else
		snprintf(name, sizeof(name), "%s", given);
	if (check_folder(name) != 0 || check_free(name, force) != 0 || make_absolute(name) != 0)
		return EXIT_USAGE;
	return 0;
}
