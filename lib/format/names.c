/* SPDX-License-Identifier: MIT */
/* Look up of the names of names.def. */
#include "names.h"

#include <string.h>

const struct pmt_name pmt_name_table[] = {
#define PMT_NAME(set, id, number, name, doc) {#set, number, name, doc},
#include "names.def"
#undef PMT_NAME
	{NULL, 0, NULL, NULL},
};

const char *pmt_name(const char *set, unsigned long number)
{
	for (const struct pmt_name *n = pmt_name_table; n->set != NULL; n++)
		if (n->number == number && strcmp(n->set, set) == 0)
			return n->name;
	return NULL;
}
