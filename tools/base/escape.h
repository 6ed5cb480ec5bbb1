/* SPDX-License-Identifier: MIT */
/*
 * Text from the traced program, made safe for where it goes. All of it is hostile: it may hold
 * control characters, invalid UTF-8, characters that reorder a line, and be very long.
 */
#ifndef PMT_TOOLS_ESCAPE_H
#define PMT_TOOLS_ESCAPE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Longest text that is printed on a line, in bytes of the original. */
#define ESCAPE_LENGTH 400

/*
 * For a terminal or a text file: control and invisible formatting characters (line ends, escapes,
 * bidirectional overrides, byte order marks) as \n, \xHH or \uHHHH, invalid UTF-8 as \xHH, a
 * backslash as itself; after LIMIT bytes cut with an ellipsis.
 */
void escape_terminal(FILE *out, const char *text, size_t limit);
void escape_terminal_sized(FILE *out, const void *text, size_t size, size_t limit);

/* The inside of a JSON string, always valid: invalid UTF-8 as \ufffd. Without the quotes. */
void escape_json(FILE *out, const void *text, size_t size);

/*
 * The inside of a gnuplot string in double quotes, meant for a terminal with enhanced text: as for
 * a terminal, and with what gnuplot would take as markup or as the end of the string defused.
 */
void escape_gnuplot(FILE *out, const char *text, size_t limit);

/*
 * The character at TEXT (SIZE bytes, at least one): its code point and length, or the length 1 and
 * the code point -1 when it is not valid UTF-8 (overlong forms and surrogates are not).
 */
size_t escape_decode(const uint8_t *text, size_t size, int32_t *point);

#endif
