/* SPDX-License-Identifier: MIT */
/* The logs of one run: app.pmt, and app.1.pmt, app.2.pmt ... of the other processes. */
#ifndef PMT_TOOLS_FAMILY_H
#define PMT_TOOLS_FAMILY_H

#include <stddef.h>

/*
 * The logs of the run whose first log is PATH: those of other processes that have PATH's name with a
 * number in it, in the order of these numbers. Nothing but headers is read, and a name alone does not
 * count: neighbours of other runs, and what is not a log, are passed over. PATH is the first of the
 * paths; the list and what is in it are to be freed. Returns their number, 1 where there is no family.
 */
size_t family_find(const char *path, char ***paths);

#endif
