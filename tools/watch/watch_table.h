/* SPDX-License-Identifier: MIT */
/* The lines of `pymemtrace watch`: a row for each process and one for the tree, at each sample. */
#ifndef PMT_TOOLS_WATCH_TABLE_H
#define PMT_TOOLS_WATCH_TABLE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>

#include "proctree.h"
#include "watch_columns.h"

struct watch_table {
	FILE *out;
	const struct watch_choice *choice;
	bool colours; /* what grew is red, what shrank is green */
};

/* Colours as colour_wanted() says. */
void watch_table_init(struct watch_table *table, const struct watch_choice *choice, FILE *out);
/* Column titles. */
void watch_table_header(const struct watch_table *table);
/* The last sample, children indented under their parents. */
void watch_table_sample(const struct watch_table *table, const struct proctree *tree);
/* The peaks, of the processes with the largest RSS and of the tree. */
void watch_table_summary(const struct watch_table *table, const struct proctree *tree);

/* What the kernel counted of a command and of all the children that were waited for. */
void watch_table_usage(const struct watch_table *table, const struct rusage *usage);

/* Visit the processes that live, each right behind its parent or an older sibling's offspring. */
void watch_each(const struct proctree *tree,
		void (*visit)(void *context, const struct proctree_process *process),
		void *context);
/* All processes of which there are samples, largest peak of RSS first. free() it. */
const struct proctree_process **watch_by_peak(const struct proctree *tree, size_t *count);

#endif
