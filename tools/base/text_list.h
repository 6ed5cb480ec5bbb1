/* SPDX-License-Identifier: MIT */
/* A list of texts that an option gave: names, or globs. The texts belong to the command line. */
#ifndef PMT_TOOLS_TEXT_LIST_H
#define PMT_TOOLS_TEXT_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty list. */
struct text_list {
	const char **items;
	size_t count;
};

/* TEXT must outlive the list. Ends the program when there is no memory. */
void text_list_add(struct text_list *list, const char *text);
/* Whether TEXT is in the list. */
bool text_list_has(const struct text_list *list, const char *text);
/* Whether TEXT matches one of the globs of the list, as a shell matches names in `case`. */
bool text_list_matches(const struct text_list *globs, const char *text);

#endif
