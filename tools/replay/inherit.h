/* SPDX-License-Identifier: MIT */
/* What a forked child has of its parent, by the parent's log. */
#ifndef PMT_TOOLS_INHERIT_H
#define PMT_TOOLS_INHERIT_H

#include "account.h"
#include "reader.h"

/*
 * ACCOUNT, before its first record, is of the log READER at PATH. If that is of a forked child, and
 * the parent's log lies beside it, ACCOUNT begins with what the parent had at the fork.
 */
void inherit(struct account *account, const struct reader *reader, const char *path);

#endif
