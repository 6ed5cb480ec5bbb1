/* SPDX-License-Identifier: MIT */
/* Which frames a report is about. */
#include "filter.h"

#include <fnmatch.h>
#include <string.h>

enum { NAME_MAX_BYTES = 256 };

static const char *last_part(const char *text, char separator)
{
	const char *last = strrchr(text, separator);

	return last != NULL ? last + 1 : text;
}

static bool matches_file(const char *glob, const char *file)
{
	return fnmatch(glob, file, 0) == 0 ||
	       (strchr(glob, '/') == NULL && fnmatch(glob, last_part(file, '/'), 0) == 0);
}

static bool matches_function(const char *glob, const char *function)
{
	return fnmatch(glob, function, 0) == 0 || fnmatch(glob, last_part(function, '.'), 0) == 0;
}

/* Whether GLOB matches the SIZE bytes of NAME. */
static bool matches_name(const char *glob, const char *name, size_t size)
{
	char text[NAME_MAX_BYTES];

	if (size == 0 || size >= sizeof(text))
		return false;
	memcpy(text, name, size);
	text[size] = '\0';
	return fnmatch(glob, text, 0) == 0;
}

static bool ends_in(const char *text, size_t size, const char *ending)
{
	const size_t length = strlen(ending);

	return size > length && memcmp(text + size - length, ending, length) == 0;
}

/* requests-2.31-py3.11.egg and six-1.16-py2.py3-none-any.whl are of the distributions in front. */
static bool is_distribution(const char *part, size_t size)
{
	return (ends_in(part, size, ".egg") || ends_in(part, size, ".whl")) &&
	       memchr(part, '-', size) != NULL;
}

/* One part of a path below site-packages: a package's folder, or a module of one file. */
static bool matches_package_part(const char *glob, const char *part, size_t size)
{
	if (part[size] == '\0' && ends_in(part, size, ".py"))
		size -= strlen(".py");
	return matches_name(glob, part, size);
}

static bool is_word(const char *part, size_t size, const char *word)
{
	return strlen(word) == size && memcmp(part, word, size) == 0;
}

/* The part behind site-packages, or behind a wheel or an egg, is the package. */
static bool matches_package(const char *glob, const char *file)
{
	bool below = false;

	for (const char *part = file;; part++) {
		const size_t size = strcspn(part, "/");

		if (is_distribution(part, size)) {
			if (matches_name(glob, part, strcspn(part, "-")))
				return true;
			below = true;
		} else if (is_word(part, size, "site-packages") ||
			   is_word(part, size, "dist-packages")) {
			below = true;
		} else if (below) {
			if (matches_package_part(glob, part, size))
				return true;
			below = false;
		}
		part += size;
		if (*part == '\0')
			return false;
	}
}

/* What PATTERN says behind the word KIND and a colon; NULL: another kind. */
static const char *glob_of(const char *pattern, const char *kind)
{
	const size_t size = strlen(kind);

	return strncmp(pattern, kind, size) == 0 && pattern[size] == ':' ? pattern + size + 1
									 : NULL;
}

static bool matches(const char *pattern, const char *file, const char *function)
{
	const char *glob;

	if ((glob = glob_of(pattern, "file")) != NULL)
		return matches_file(glob, file);
	if ((glob = glob_of(pattern, "function")) != NULL)
		return matches_function(glob, function);
	if ((glob = glob_of(pattern, "package")) != NULL)
		return matches_package(glob, file);
	return matches_file(pattern, file) || matches_function(pattern, function) ||
	       matches_package(pattern, file);
}

static bool matches_one(const struct text_list *patterns, const char *file, const char *function)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (matches(patterns->items[i], file, function))
			return true;
	return false;
}

bool filter_has_patterns(const struct filter *filter)
{
	return filter->include.count != 0 || filter->exclude.count != 0;
}

unsigned filter_look(const struct filter *filter, const char *file, const char *function)
{
	unsigned found = 0;

	if (matches_one(&filter->include, file, function))
		found |= FILTER_INCLUDED;
	if (matches_one(&filter->exclude, file, function))
		found |= FILTER_EXCLUDED;
	return found;
}

unsigned filter_look_at_none(const struct filter *filter)
{
	return filter_look(filter, FILTER_NO_FRAME, FILTER_NO_FRAME);
}

bool filter_passes(const struct filter *filter, unsigned found)
{
	return !(found & FILTER_EXCLUDED) &&
	       (filter->include.count == 0 || (found & FILTER_INCLUDED));
}
