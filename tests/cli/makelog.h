/* SPDX-License-Identifier: MIT */
/* What the files of makelog share: the log that is being made, and the reading of words. */
#ifndef PMT_TESTS_MAKELOG_H
#define PMT_TESTS_MAKELOG_H

#include <stddef.h>
#include <stdint.h>

#include "logwriter.h"

enum { NUMBERS = 7, LINE_BYTES = 4096 };

extern struct logwriter *log_writer;
extern uint32_t slot; /* that events go to */

/* End the program: LINE makes no sense. */
_Noreturn void fail(const char *line);
/* Replace \xHH by the byte, in place; returns the size. */
size_t unescape(char *text);
/* Read COUNT numbers; returns what follows them. */
char *read_numbers(char *text, size_t count, uint64_t numbers[NUMBERS]);
/* A stack of frames, innermost first, as file:line:function. */
uint64_t make_stack(char *text);

/* The lines about events of the interpreter. Returns 1, or 0 when KEY is none of them. */
int python_line(const char *key, char *rest);

/* The lines about calls. Returns as above. */
int calls_line(const char *key, char *rest);

#endif
