/* SPDX-License-Identifier: MIT */
/*
 * The filter of a report on the stacks, functions and events of one log. Each stack and function is
 * looked at once.
 */
#ifndef PMT_TOOLS_STACK_FILTER_H
#define PMT_TOOLS_STACK_FILTER_H

#include "filter.h"
#include "idmap.h"
#include "reader.h"

struct stack_filter {
	const struct filter *filter;
	struct reader *reader;
	struct idmap stacks; /* what was found in them */
	struct idmap codes;
};

/* FILTER and READER outlive it. */
void stack_filter_init(struct stack_filter *s, const struct filter *filter, struct reader *reader);
void stack_filter_fini(struct stack_filter *s);

/* What a function has, and what a stack has: its innermost frame, or all of them. */
unsigned stack_filter_code(struct stack_filter *s, uint64_t code);
unsigned stack_filter_stack(struct stack_filter *s, uint64_t stack);
/* Whether the report is about this stack. */
bool stack_filter_passes(struct stack_filter *s, uint64_t stack);
/*
 * Whether it is about an event of THREAD. What is looked at is the stack of an event; of calls and
 * lines, which have none, their function. Other events have no frame.
 */
bool stack_filter_passes_event(struct stack_filter *s, const struct pmt_record *record,
			       uint32_t thread);

#endif
