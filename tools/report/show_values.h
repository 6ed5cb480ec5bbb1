/* SPDX-License-Identifier: MIT */
/*
 * How a value of a record is printed. records.def names a `show` kind for each field; a kind is the
 * pair of printers show_kind_KIND. The kinds stand in show_kinds.def.
 */
#ifndef PMT_TOOLS_SHOW_VALUES_H
#define PMT_TOOLS_SHOW_VALUES_H

#include "show.h"

/* A value and what it is called. */
struct value {
	const char *name;
	uint64_t number;
	const struct pmt_bytes *bytes;
	uint64_t before; /* number of the record's previous field */
};

typedef void show_value(const struct show *show, const struct value *value);

/* Text prints the value alone; json prints ,"name":value or several members. */
struct show_kind {
	show_value *text;
	show_value *json;
};

#define SHOW_KIND(kind) extern const struct show_kind show_kind_##kind;
#define SHOW_NAMED(kind, set) SHOW_KIND(kind)
#include "show_kinds.def"
#undef SHOW_NAMED
#undef SHOW_KIND

/* A number in decimal, and a text as it is. */
void show_number(FILE *out, uint64_t number);
void show_word(FILE *out, const char *text);

/* Nanoseconds from the start of the log to TIME_NS; 0 before it. */
uint64_t show_since_start(const struct show *show, uint64_t time_ns);

#endif
