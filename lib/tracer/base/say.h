/* SPDX-License-Identifier: MIT */
/* Diagnostics: one line on stderr a problem, by write(2), prefixed "pymemtrace: ". */
#ifndef PMT_TRACER_SAY_H
#define PMT_TRACER_SAY_H

#include <stddef.h>
#include <stdint.h>

/* A text being put together in a buffer of its own; what does not fit is cut. */
struct text {
	char data[1400];
	size_t used;
};

void text_add(struct text *t, const char *s);
void text_add_bytes(struct text *t, const char *s, size_t size);
void text_add_number(struct text *t, uint64_t n);
/* As text_add, with control bytes shown as "?": for what comes from the environment. */
void text_add_clean(struct text *t, const char *s);

/* Remember what stderr is: another file under its number gets no line. */
void say_init(void);
/*
 * Keep stderr under a number of the tracer's, for a message at the end: many programs close theirs
 * before. say_let_go() closes it, in children too.
 */
void say_keep(void);
void say_let_go(void);
/* 0: nothing, 1: problems, 2: also notes, 3: also decisions. */
void say_set_verbosity(uint64_t level);
/* Print a line of up to three parts (NULL: none). Any thread; errno is left alone. */
void say_problem(const char *a, const char *b, const char *c);
void say_note(const char *a, const char *b, const char *c);
/* What the tracer has decided, for whoever looks for the reason of what it does. */
void say_decision(const char *a, const char *b, const char *c);

/* Why a call for a file failed, ERROR as the kernel has it, negative. */
const char *say_reason(long error);

#endif
