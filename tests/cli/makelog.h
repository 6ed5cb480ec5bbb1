/* SPDX-License-Identifier: MIT */
/* What the parts of makelog share: the log that is being made, and the words of a line. */
#ifndef PMT_TESTS_MAKELOG_H
#define PMT_TESTS_MAKELOG_H

#include <stddef.h>
#include <stdint.h>

#include "logwriter.h"

enum { MAKELOG_NUMBERS = 7, MAKELOG_LINE_BYTES = 65536 };

/* Ends the program: LINE is not understood. */
_Noreturn void makelog_fail(const char *line);
/* Replace \xHH by the byte, in place; returns the size. */
size_t makelog_unescape(char *text);
/* Read COUNT numbers; returns what follows them. */
char *makelog_numbers(char *text, size_t count, uint64_t numbers[MAKELOG_NUMBERS]);
/* A stack of frames as file:line:function, innermost first. */
uint64_t makelog_stack(struct logwriter *w, char *text);

/* Lines about the interpreter's events. Returns 1, or 0 when KEY is none of them. */
int makelog_python(struct logwriter *w, uint32_t slot, const char *key, char *rest);

#endif
