/* SPDX-License-Identifier: MIT */
/* Enumerations and printable names of names.def. */
#ifndef PMT_FORMAT_NAMES_H
#define PMT_FORMAT_NAMES_H

#include <stddef.h>

/* PMT_ALLOCATOR_MALLOC and so on; the names cannot be grepped: they are made from names.def. */
enum pmt_names {
#define PMT_NAME(set, id, number, name, doc) PMT_##set##_##id = number,
#include "names.def"
#undef PMT_NAME
};

struct pmt_name {
	const char *set; /* "ALLOCATOR" */
	unsigned number;
	const char *name; /* "malloc" */
	const char *doc;
};

/* All of names.def, in its order; ends with set NULL. */
extern const struct pmt_name pmt_name_table[];

/* The name of NUMBER in SET, or NULL. Never allocates. */
const char *pmt_name(const char *set, unsigned long number);

#endif
