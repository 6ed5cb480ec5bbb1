/* SPDX-License-Identifier: MIT */
/* Single lines of the classic layouts. */
#ifndef PMT_TOOLS_CLASSIC_LINE_H
#define PMT_TOOLS_CLASSIC_LINE_H

#include <stdint.h>
#include <stdio.h>

/* A line about an event of calls and lines. Texts are hostile and escaped here. */
struct classic_line {
	const char *label; /* "FRST" */
	uint64_t number;
	uint64_t since; /* dEvent */
	double clock_s;
	const char *what;
	const char *file;
	uint32_t line;
	const char *function;
	uint64_t rss_bytes;
	int64_t growth_bytes;
};

/* A line about an object. */
struct classic_object {
	const char *label; /* "NEW" */
	double clock_s;
	uint64_t addr;
	int64_t live;
	const char *type;
	const char *file;
	uint32_t line;
	const char *function;
	uint64_t rss_bytes;
	int64_t growth_bytes;
};

void classic_put_header(FILE *out);
void classic_put_line(FILE *out, const struct classic_line *line);
/* LINE has the numbers and the clock; TEXT is SIZE bytes. */
void classic_put_message(FILE *out, const struct classic_line *line, const void *text, size_t size);

/* Lines of a user's own: only line breaks and tabs stay what they are. */
void classic_put_raw(FILE *out, const void *text, size_t size);

void classic_put_object_header(FILE *out);
void classic_put_object(FILE *out, const struct classic_object *object);
void classic_put_object_message(FILE *out, double clock_s, const void *text, size_t size);

#endif
