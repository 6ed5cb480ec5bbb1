/* SPDX-License-Identifier: MIT */
/* What the reports have in common: numbers and texts as people and as JSON want them, and notes. */
#ifndef PMT_TOOLS_REPORT_H
#define PMT_TOOLS_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct reader;
struct replay;

/* What is hidden when `--trace` left the word pymem out. */
#define REPORT_PYTHON_NOTE                                                                         \
	"Python keeps blocks of up to 512 bytes in arenas that it gets from mmap; none of these\n" \
	"      blocks is in this log, because --trace had no word pymem"

/* How far the true peak may lie above the shown one; with reader_held_bytes(). */
#define REPORT_HELD "up to %s more were in short-lived blocks"

/* Room for a number as text. */
typedef char report_buffer[48];

/* Whether sizes are printed in bytes, not rounded. */
extern bool report_exact;
/* "1.4 MiB", below 1024 "17 B"; exact "1,468,006 bytes". */
const char *report_size(uint64_t bytes, report_buffer buffer);
/* The same of a change: "+1.4 MiB", "-17 B", "0 B"; "+1,468,006 bytes". */
const char *report_change(int64_t bytes, report_buffer buffer);
/* The same in the column of a table, where exact is "1468006" and "-1468006". */
const char *report_cell(uint64_t bytes, report_buffer buffer);
const char *report_change_cell(int64_t bytes, report_buffer buffer);
/* "1.4 MiB (1,468,006 bytes)", with what is exact only where that is more. */
void report_put_bytes(uint64_t bytes);
/* "12,345". */
const char *report_count(uint64_t number, report_buffer buffer);
/* Whether REPORT_PYTHON_NOTE is to be said. */
bool report_hides_blocks(const struct reader *reader);
double report_seconds(uint64_t time_ns);
/* Up to when events were dropped, seconds since the start. */
double report_dropped_seconds(const struct reader *reader);
/* Whether the resident set at its PEAK is so much larger than THEN that both moments are worth a
 * look. THEN 0: not known. */
bool report_far_apart(uint64_t peak_bytes, uint64_t then_bytes);
/* What was live at that time: the sentence about it, one line, without a line end. */
void report_put_dropped(FILE *out, double seconds, bool known, uint64_t missing);
/* "3.14.0rc1" from PY_VERSION_HEX; NULL for 0. */
const char *report_python(uint32_t hex, report_buffer buffer);

/* Numbers beyond 2^63 - 1, which no real log has, become that. */
json_t *report_json_number(uint64_t number);
/* The same as a member of OBJECT. */
void report_put_number(json_t *object, const char *key, uint64_t number);
/* Valid UTF-8 of any bytes; what is not UTF-8 becomes U+FFFD. */
json_t *report_json_text(const void *text, size_t size);
/* Print JSON to stdout, with a line end, and give it back. */
void report_json_print(json_t *json);

/* Whether the log holds everything to the process's end, undamaged. Right after reader_run(). */
bool report_complete(const struct reader *reader);
/* Room for how a log ended. */
#define REPORT_STATE 240
/*
 * How the log ended, one sentence without full stop: "the log is complete". PYTHON_ENDED: it has
 * the end of the interpreter (replay.h). Whether the process still runs is looked up.
 */
const char *report_state(const struct reader *reader, bool python_ended, char buffer[REPORT_STATE]);
/* Events that were not recorded. */
uint64_t report_lost(const struct reader *reader, const struct replay *replay);
/* From the start to the end of the process, or to the last event. */
uint64_t report_duration_ns(const struct reader *reader, const struct replay *replay);

/* Call the visitor for each word of the command line, in order. Words are not terminated. */
void report_command(const struct reader *reader,
		    void (*visit)(void *context, const char *word, size_t size), void *context);

#endif
