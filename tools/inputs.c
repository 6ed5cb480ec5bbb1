/* SPDX-License-Identifier: MIT */
/* The logs named on a command line. */
#include "inputs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"

static void add(struct inputs *inputs, char *path)
{
	inputs->paths = need_resize(inputs->paths, (inputs->count + 1) * sizeof(*inputs->paths));
	inputs->paths[inputs->count++] = path;
}

static char *join(const char *folder, const char *name)
{
	size_t size = strlen(folder);
	char *path = need_memory(size + strlen(name) + 2);

	sprintf(path, size != 0 && folder[size - 1] == '/' ? "%s%s" : "%s/%s", folder, name);
	return path;
}

static char *copy(const char *path)
{
	return strcpy(need_memory(strlen(path) + 1), path);
}

static int is_log(const struct dirent *entry)
{
	size_t size = strlen(entry->d_name);

	return size > 4 && strcmp(entry->d_name + size - 4, ".pmt") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_folder(struct inputs *inputs, const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_log, by_name);

	if (count < 0)
		return error("%s: %s", folder, strerror(errno));
	for (int i = 0; i < count; i++) {
		add(inputs, join(folder, entries[i]->d_name));
		free(entries[i]);
	}
	free(entries);
	return count == 0 ? error("%s: no *.pmt files in this folder", folder) : 0;
}

int inputs_init(struct inputs *inputs, int count, char **operands)
{
	*inputs = (struct inputs){NULL, 0};
	if (count == 0) {
		error("no log given");
		return EXIT_USAGE;
	}
	for (int i = 0; i < count; i++) {
		struct stat st;

		if (stat(operands[i], &st) != 0 || !S_ISDIR(st.st_mode)) {
			add(inputs, copy(operands[i]));
			continue;
		}
		if (add_folder(inputs, operands[i]) != 0) {
			inputs_fini(inputs);
			return EXIT_DATA;
		}
	}
	return EXIT_OK;
}

void inputs_fini(struct inputs *inputs)
{
	for (size_t i = 0; i < inputs->count; i++)
		free(inputs->paths[i]);
	free(inputs->paths);
	*inputs = (struct inputs){NULL, 0};
}
