/* SPDX-License-Identifier: MIT */
/* Which types of the interpreter itself the classic log of objects leaves out by default. */
#ifndef PMT_TOOLS_CLASSIC_TYPES_H
#define PMT_TOOLS_CLASSIC_TYPES_H

#include <stdbool.h>

/*
 * Is NAME, that of a type of the interpreter itself, one of its values, functions and exceptions?
 * Others, such as `type`, `property` and most iterators, are logged as the program's own are.
 */
bool classic_is_common_type(const char *name);

#endif
