/* SPDX-License-Identifier: MIT */
/* What `pymemtrace run` runs: a command, or a script or module for which Python is put in front. */
#include "target.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "nearest.h"
#include "program.h"

static bool ends_in(const char *name, const char *ending)
{
	const size_t size = strlen(name), length = strlen(ending);

	return size > length && strcmp(name + size - length, ending) == 0;
}

static bool is_python_name(const char *name)
{
	return ends_in(name, ".py") || ends_in(name, ".pyw") || ends_in(name, ".pyz");
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* A script that a shell would run as it is: given with a folder, executable, with a #! line. */
static bool runs_itself(const char *name)
{
	char start[2] = "";

	if (strchr(name, '/') == NULL || access(name, X_OK) != 0)
		return false;
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return false;
	bool result = read(fd, start, 2) == 2 && memcmp(start, "#!", 2) == 0;

	close(fd);
	return result;
}

static bool wants_python(const char *word, const char *python)
{
	if (python != NULL || word[0] == '-')
		return true;
	return is_python_name(word) && is_file(word) && !runs_itself(word);
}

/* Offer the names in FOLDER that WANTED accepts; *FOUND (free() it) is the nearest so far. */
static void look_in(const char *folder, struct nearest *best, bool (*wanted)(const char *name),
		    char **found)
{
	DIR *entries = opendir(folder);
	const struct dirent *entry;

	if (entries == NULL)
		return;
	while ((entry = readdir(entries)) != NULL)
		if ((wanted == NULL || wanted(entry->d_name)) && nearest_try(best, entry->d_name)) {
			free(*found);
			*found = strcpy(need_memory(strlen(entry->d_name) + 1), entry->d_name);
		}
	closedir(entries);
}

/* After the message that NAME was not found: which one may be meant. */
static void suggest_script(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *last = slash != NULL ? slash + 1 : name;
	struct nearest best = nearest_begin(last);
	const size_t size = slash != NULL ? (size_t)(slash - name) + 1 : 0;
	char *folder = need_memory(size + 1);
	char *found = NULL;

	memcpy(folder, name, size);
	folder[size] = '\0';
	look_in(*folder != '\0' ? folder : ".", &best, is_python_name, &found);
	if (found != NULL)
		error("did you mean %s%s?", folder, found);
	free(found);
	free(folder);
}

static void suggest_command(const char *name)
{
	struct nearest best = nearest_begin(name);
	const char *folders = getenv("PATH");
	char *found = NULL;

	if (strchr(name, '/') != NULL || folders == NULL)
		return;
	for (;;) {
		size_t size = strcspn(folders, ":");
		char *folder = strndup(folders, size);

		if (folder == NULL)
			die(EXIT_DATA, "out of memory");
		if (size != 0)
			look_in(folder, &best, NULL, &found);
		free(folder);
		if (folders[size] == '\0')
			break;
		folders += size + 1;
	}
	if (found != NULL)
		error("did you mean %s?", found);
	free(found);
}

char **target_find(int count, char **operands, const char *python, char **path, int *status)
{
	char **arguments = need_memory(((size_t)count + 2) * sizeof(char *));
	int used = 0;

	if (wants_python(operands[0], python))
		arguments[used++] = (char *)(python != NULL ? python : "python3");
	memcpy(arguments + used, operands, (size_t)count * sizeof(char *));
	arguments[used + count] = NULL;
	*status = program_find(arguments[0], path);
	if (*status == 0)
		return arguments;
	if (*status == PROGRAM_NOT_FOUND && is_python_name(arguments[0]))
		suggest_script(arguments[0]);
	else if (*status == PROGRAM_NOT_FOUND)
		suggest_command(arguments[0]);
	free(arguments);
	return NULL;
}
