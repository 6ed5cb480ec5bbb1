/* SPDX-License-Identifier: MIT */
/* Which log of a folder is of the newest run. */
#ifndef PMT_TOOLS_NEWEST_H
#define PMT_TOOLS_NEWEST_H

#include <stddef.h>

/*
 * The log of the newest run among COUNT logs of one folder: of a process whose parent has no log
 * there, the one that started last, as its header says; children belong to their parent's run. What
 * is not a log is passed over, after a message. NULL when there is none.
 */
const char *newest_log(char *const *paths, size_t count);

#endif
