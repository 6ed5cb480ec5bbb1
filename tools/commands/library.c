/* SPDX-License-Identifier: MIT */
/* Where libpymemtrace.so is. */
#include "library.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"

#define VARIABLE "PYMEMTRACE_LIBRARY"

/* The folder of this program, without a slash behind it. */
static char *own_folder(void)
{
	char *path = realpath("/proc/self/exe", NULL);
	char *slash = path == NULL ? NULL : strrchr(path, '/');

	if (slash != NULL)
		*slash = '\0';
	return path;
}

/* realpath of the library in PLACE, which is seen from FOLDER, if it can be read, or NULL. */
static char *try_place(const char *folder, const char *place)
{
	const bool absolute = *place == '/';
	char *path = NULL;
	char *found = NULL;

	if (asprintf(&path, "%s%s%s/libpymemtrace.so", absolute ? "" : folder, absolute ? "" : "/",
		     place) < 0)
		return NULL;
	if (access(path, R_OK) == 0)
		found = realpath(path, NULL);
	free(path);
	return found;
}

static char *from_variable(const char *value)
{
	char *found = access(value, R_OK) == 0 ? realpath(value, NULL) : NULL;

	if (found == NULL)
		error(VARIABLE "=%s: no such library", value);
	return found;
}

/* LD_PRELOAD takes names apart at spaces and colons, and there is no way to quote them. */
static char *check_name(char *path)
{
	if (path == NULL || path[strcspn(path, " :\t\n")] == '\0')
		return path;
	error("%s: LD_PRELOAD cannot hold a path with spaces or colons; copy the library elsewhere and set " VARIABLE,
	      path);
	free(path);
	return NULL;
}

char *library_find(void)
{
	/* In the build tree; below the same prefix, for moved installations; see meson.build. */
	static const char *const places[] = {PMT_LIBRARY_PLACES};
	const char *value = getenv(VARIABLE);
	char *folder;
	char *found = NULL;

	if (value != NULL && *value != '\0')
		return check_name(from_variable(value));
	folder = own_folder();
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && found == NULL; i++)
		found = folder == NULL ? NULL : try_place(folder, places[i]);
	free(folder);
	if (found == NULL)
		error("libpymemtrace.so not found beside this program; set " VARIABLE
		      " to its path");
	return check_name(found);
}
