/* SPDX-License-Identifier: MIT */
/* The logs named on a command line. */
#include "inputs.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "family.h"
#include "lacking.h"
#include "newest.h"

static void add_path(struct inputs *inputs, char *path)
{
	inputs->paths = need_resize(inputs->paths, (inputs->count + 1) * sizeof(*inputs->paths));
	inputs->paths[inputs->count++] = path;
}

static char *join_path(const char *folder, const char *name)
{
	size_t size = strlen(folder);
	char *path = need_memory(size + strlen(name) + 2);

	sprintf(path, size != 0 && folder[size - 1] == '/' ? "%s%s" : "%s/%s", folder, name);
	return path;
}

static char *copy_path(const char *path)
{
	return strcpy(need_memory(strlen(path) + 1), path);
}

static bool ends_in(const char *name, const char *ending)
{
	const size_t size = strlen(name), length = strlen(ending);

	return size > length && strcmp(name + size - length, ending) == 0;
}

static int is_plain(const struct dirent *entry)
{
	return ends_in(entry->d_name, ".pmt");
}

static int is_compressed(const struct dirent *entry)
{
	return ends_in(entry->d_name, ".pmt.zst");
}

static int is_any(const struct dirent *entry)
{
	return is_plain(entry) || is_compressed(entry);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Whether the log of entry NUMBER is there in plain form, too: that stands before it. */
static bool is_double(struct dirent *const *entries, int number)
{
	const char *name = entries[number]->d_name;
	const size_t size = strlen(name) - strlen(".zst");

	if (!is_compressed(entries[number]))
		return false;
	for (int i = number - 1; i >= 0; i--)
		if (strlen(entries[i]->d_name) == size &&
		    memcmp(entries[i]->d_name, name, size) == 0)
			return true;
	return false;
}

/* Add the logs in FOLDER (NULL: the working folder). Returns how many there are, or -1 after a message. */
static int find_in_folder(struct inputs *inputs, enum inputs_kind kind, const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder == NULL ? "." : folder, &entries,
			    kind == INPUTS_PLAIN	? is_plain
			    : kind == INPUTS_COMPRESSED ? is_compressed
							: is_any,
			    by_name);

	if (count < 0)
		return error("%s: %s", folder == NULL ? "." : folder, strerror(errno));
	for (int i = 0; i < count; i++)
		if (!is_double(entries, i))
			add_path(inputs, folder == NULL ? copy_path(entries[i]->d_name)
							: join_path(folder, entries[i]->d_name));
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return count;
}

static int add_folder(struct inputs *inputs, enum inputs_kind kind, const char *folder)
{
	const int count = find_in_folder(inputs, kind, folder);

	if (count < 0)
		return -1;
	return count != 0 ? 0
			  : error("%s: no *.pmt%s files in this folder", folder,
				  kind == INPUTS_COMPRESSED ? ".zst" : "");
}

int inputs_init_only(struct inputs *inputs, enum inputs_kind kind, int count, char **operands)
{
	*inputs = (struct inputs){NULL, 0};
	if (count == 0) {
		error("no log given");
		return EXIT_USAGE;
	}
	for (int i = 0; i < count; i++) {
		struct stat st;

		if (stat(operands[i], &st) != 0 || !S_ISDIR(st.st_mode)) {
			add_path(inputs, copy_path(operands[i]));
			continue;
		}
		if (add_folder(inputs, kind, operands[i]) != 0) {
			inputs_fini(inputs);
			return EXIT_DATA;
		}
	}
	return EXIT_OK;
}

/* Without a log named, that of the newest run in the working folder. */
static int init_newest(struct inputs *inputs)
{
	struct inputs all = {NULL, 0};

	if (find_in_folder(&all, INPUTS_ANY, NULL) < 0)
		return EXIT_DATA;
	const char *newest = newest_log(all.paths, all.count);
	char *path = newest != NULL ? copy_path(newest) : NULL;

	inputs_fini(&all);
	if (path == NULL) {
		error("no log given, and none in this folder; `pymemtrace run PROGRAM` makes one");
		return EXIT_USAGE;
	}
	error("reading %s, the newest log in this folder", path);
	const int status = inputs_init_only(inputs, INPUTS_ANY, 1, &path);

	free(path);
	return status;
}

int inputs_init(struct inputs *inputs, int count, char **operands)
{
	if (count == 0)
		return init_newest(inputs);
	return inputs_init_only(inputs, INPUTS_ANY, count, operands);
}

static void say_family(const struct inputs *inputs)
{
	const char *last = strrchr(inputs->paths[inputs->count - 1], '/');

	last = last != NULL ? last + 1 : inputs->paths[inputs->count - 1];
	error("%zu logs of one run: %s to %s; --only takes the first alone", inputs->count,
	      inputs->paths[0], last);
}

int inputs_init_run(struct inputs *inputs, bool only, int count, char **operands)
{
	const int status = inputs_init(inputs, count, operands);
	struct stat st;
	char **paths;

	if (status != EXIT_OK || only || inputs->count != 1 ||
	    (count == 1 && stat(operands[0], &st) == 0 && S_ISDIR(st.st_mode)))
		return status;
	const size_t found = family_find(inputs->paths[0], &paths);

	inputs_fini(inputs);
	*inputs = (struct inputs){paths, found};
	if (found > 1)
		say_family(inputs);
	return EXIT_OK;
}

void inputs_fini(struct inputs *inputs)
{
	lacking_say(inputs->count);
	for (size_t i = 0; i < inputs->count; i++)
		free(inputs->paths[i]);
	free(inputs->paths);
	*inputs = (struct inputs){NULL, 0};
}

int inputs_each(int count, char **operands, int (*visit)(const char *path))
{
	struct inputs inputs;
	int status = inputs_init(&inputs, count, operands);

	if (status != EXIT_OK)
		return status;
	status = EXIT_DATA;
	for (size_t i = 0; i < inputs.count; i++)
		if (visit(inputs.paths[i]) == EXIT_OK)
			status = EXIT_OK;
	inputs_fini(&inputs);
	return status;
}
