/* SPDX-License-Identifier: MIT */
/* Lists of texts from the command line. */
#include "text_list.h"

#include <fnmatch.h>
#include <string.h>

#include "error.h"

void text_list_add(struct text_list *list, const char *text)
{
	list->items = need_resize(list->items, (list->count + 1) * sizeof(*list->items));
	list->items[list->count++] = text;
}

bool text_list_has(const struct text_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

bool text_list_matches(const struct text_list *globs, const char *text)
{
	for (size_t i = 0; i < globs->count; i++)
		if (fnmatch(globs->items[i], text, 0) == 0)
			return true;
	return false;
}
