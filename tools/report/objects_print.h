/* SPDX-License-Identifier: MIT */
/* The report of `pymemtrace objects`, and its lists of single objects, printed to stdout. */
#ifndef PMT_TOOLS_OBJECTS_PRINT_H
#define PMT_TOOLS_OBJECTS_PRINT_H

#include "objects.h"

void objects_print(const struct objects *objects, uint64_t limit);
void objects_print_json(const struct objects *objects, uint64_t limit);

/* A list of objects, one a line; all zero at first but for the switches. */
struct objects_list {
	bool json;
	bool previous;	/* dead objects, else live ones */
	bool processes; /* say of which process they are */
	uint64_t limit; /* objects at most */
	uint64_t count; /* of all */
	uint64_t shown;
};

void objects_list_begin(struct objects_list *list);
/* An objects_visit; CONTEXT is the list. */
int objects_list_add(void *context, struct objects_log *log, const struct objects_object *object);
void objects_list_end(const struct objects_list *list);

#endif
