/* SPDX-License-Identifier: MIT */
/* Filters of the interpreter's events by file, function and thread. */
#include "filter.h"

#include <string.h>

#include "glob.h"
#include "python.h"
#include "pytext.h"

#define TEXT_MAX 2048

static const struct pmt_options *filter;

void filter_start(const struct pmt_options *options)
{
	filter = options;
}

int filter_is_open(void)
{
	return filter->include_files[0] == '\0' && filter->exclude_files[0] == '\0' &&
	       filter->include_functions[0] == '\0' && filter->exclude_functions[0] == '\0';
}

/*
 * A text that is excluded never passes; where there is no list of what to include, every other
 * text passes.
 */
static int passes_lists(const char *include, const char *exclude, const char *text)
{
	if (exclude[0] != '\0' && glob_list_match(exclude, text))
		return 0;
	return include[0] == '\0' || glob_list_match(include, text);
}

/* The text at OFFSET of a code object, terminated; cut at TEXT_MAX. */
static void read_text(const void *code, uint32_t offset, char *out)
{
	const void *text;
	uint32_t size;

	memcpy(&text, (const char *)code + offset, sizeof(text));
	size = pytext_utf8(text, TEXT_MAX, (uint8_t *)out, TEXT_MAX);
	out[size] = '\0';
}

/* A function has two names, and either may be meant. */
static int names_pass(const char *name, const char *qualname)
{
	if (filter->exclude_functions[0] != '\0' &&
	    (glob_list_match(filter->exclude_functions, name) ||
	     glob_list_match(filter->exclude_functions, qualname)))
		return 0;
	return filter->include_functions[0] == '\0' ||
	       glob_list_match(filter->include_functions, name) ||
	       glob_list_match(filter->include_functions, qualname);
}

int filter_code(const void *code)
{
	const struct python_layout *l = &python.layout;
	char name[TEXT_MAX + 8], other[TEXT_MAX + 8];

	read_text(code, l->filename, other);
	if (!passes_lists(filter->include_files, filter->exclude_files, other))
		return 0;
	read_text(code, l->name, name);
	read_text(code, l->qualname != 0 ? l->qualname : l->name, other);
	return names_pass(name, other);
}

int filter_thread(const char *name)
{
	return filter->threads[0] == '\0' || glob_list_match(filter->threads, name);
}
