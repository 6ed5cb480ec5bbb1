/* SPDX-License-Identifier: MIT */
/* The accounts of a log, for people and as JSON. */
#ifndef PMT_TOOLS_ACCOUNT_REPORT_H
#define PMT_TOOLS_ACCOUNT_REPORT_H

#include <jansson.h>

#include "account.h"

/* Tables of the largest account and of the last one; nothing when there is none. */
void account_print(const struct account *account);
/*
 * One sentence for each number of the last account that is remarkable: calls BEGIN, with CONTEXT,
 * before each. PEAK_BYTES: the largest resident set.
 */
void account_print_notes(const struct account *account, uint64_t peak_bytes,
			 void (*begin)(bool *context), bool *context);
/* A new reference; null when there is none. */
json_t *account_json(const struct account *account);

#endif
