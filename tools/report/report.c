/* SPDX-License-Identifier: MIT */
/* What the reports have in common. */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "escape.h"
#include "log_end.h"
#include "reader.h"
#include "replay.h"
#include "writer_alive.h"

bool report_exact;

static const char *round_size(uint64_t bytes, report_buffer buffer)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(buffer, sizeof(report_buffer), "%" PRIu64 " B", bytes);
		return buffer;
	}
	/* 1023.95 would print as 1024.0 of the unit. */
	while (value >= 1023.95 && unit < 5) {
		value /= 1024;
		unit++;
	}
	snprintf(buffer, sizeof(report_buffer), "%.1f %s", value, units[unit]);
	return buffer;
}

const char *report_size(uint64_t bytes, report_buffer buffer)
{
	report_buffer count;

	if (!report_exact)
		return round_size(bytes, buffer);
	snprintf(buffer, sizeof(report_buffer), "%.36s byte%s", report_count(bytes, count),
		 bytes == 1 ? "" : "s");
	return buffer;
}

const char *report_cell(uint64_t bytes, report_buffer buffer)
{
	if (!report_exact)
		return round_size(bytes, buffer);
	snprintf(buffer, sizeof(report_buffer), "%" PRIu64, bytes);
	return buffer;
}

/* Put the sign of BYTES before the size that WRITE makes of it. */
static const char *put_sign(int64_t bytes, const char *(*write)(uint64_t, report_buffer),
			    report_buffer buffer)
{
	const uint64_t magnitude = bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes;
	const char *sign = bytes < 0 ? "-" : bytes > 0 ? "+" : "";
	report_buffer size;

	snprintf(buffer, sizeof(report_buffer), "%s%.40s", sign, write(magnitude, size));
	return buffer;
}

const char *report_change(int64_t bytes, report_buffer buffer)
{
	return put_sign(bytes, report_size, buffer);
}

const char *report_change_cell(int64_t bytes, report_buffer buffer)
{
	return put_sign(bytes, report_cell, buffer);
}

void report_put_bytes(uint64_t bytes)
{
	report_buffer size, exact;

	fputs(report_size(bytes, size), stdout);
	if (bytes >= 1024 && !report_exact)
		printf(" (%s bytes)", report_count(bytes, exact));
}

const char *report_count(uint64_t number, report_buffer buffer)
{
	char digits[24];
	const size_t count = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, number);
	char *to = buffer;

	for (size_t i = 0; i < count; i++) {
		if (i != 0 && (count - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return buffer;
}

bool report_hides_blocks(const struct reader *reader)
{
	const struct pmt_header *header = reader_header(reader);

	return header->python_version != 0 && !(header->traced & 1U << PMT_TRACED_PYMEM);
}

double report_seconds(uint64_t time_ns)
{
	return (double)time_ns / 1e9;
}

double report_dropped_seconds(const struct reader *reader)
{
	return report_seconds(reader_dropped_ns(reader));
}

bool report_far_apart(uint64_t peak_bytes, uint64_t then_bytes)
{
	return then_bytes != 0 && peak_bytes > then_bytes &&
	       peak_bytes - then_bytes > peak_bytes / 8;
}

void report_put_dropped(FILE *out, double seconds, bool known, uint64_t missing)
{
	report_buffer count;

	fputs("the log reached its size limit: ", out);
	if (known)
		fprintf(out, "what was live is known from %.3f s on", seconds);
	else
		fprintf(out, "live blocks and mappings are those of after %.3f s", seconds);
	if (missing != 0)
		fprintf(out, "; up to %s older blocks or mappings are missing",
			report_count(missing, count));
}

const char *report_python(uint32_t hex, report_buffer buffer)
{
	static const char *const levels[16] = {[0xA] = "a", [0xB] = "b", [0xC] = "rc"};
	const char *level = levels[hex >> 4 & 15];
	int size;

	if (hex == 0)
		return NULL;
	size = snprintf(buffer, sizeof(report_buffer), "%u.%u.%u", hex >> 24, hex >> 16 & 255,
			hex >> 8 & 255);
	if (level != NULL)
		snprintf(buffer + size, sizeof(report_buffer) - (size_t)size, "%s%u", level,
			 hex & 15);
	return buffer;
}

json_t *report_json_number(uint64_t number)
{
	return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

void report_put_number(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, report_json_number(number));
}

json_t *report_json_text(const void *text, size_t size)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const uint8_t *from = text;
	char *valid = need_memory(size * 3 + 1);
	size_t used = 0;
	json_t *json;

	while (size != 0) {
		int32_t point;
		const size_t length = escape_decode(from, size, &point);
		const char *bytes = point < 0 ? replacement : (const char *)from;
		const size_t kept = point < 0 ? 3 : length;

		memcpy(valid + used, bytes, kept);
		used += kept;
		from += length;
		size -= length;
	}
	json = json_stringn(valid, used);
	free(valid);
	return json;
}

void report_json_print(json_t *json)
{
	if (json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) == 0)
		putchar('\n');
	json_decref(json);
}

static bool is_damaged(const struct reader_damage *damage)
{
	return damage->chunks_damaged != 0 || damage->records_damaged != 0 ||
	       damage->definitions_refused != 0;
}

bool report_complete(const struct reader *reader)
{
	const struct reader_damage *damage = reader_damage(reader);
	const uint32_t state = reader_header(reader)->live.state;

	return (state == PMT_STATE_CLOSED || state == PMT_STATE_EXECED) && !damage->truncated &&
	       !is_damaged(damage);
}

/* How a process ended that did not close its log. */
static const char *open_state(const struct reader *reader, bool python_ended,
			      char buffer[REPORT_STATE])
{
	switch (writer_alive(reader)) {
	case WRITER_ALIVE:
		return "the log is not complete: the process is still running";
	case WRITER_UNKNOWN:
		return "the log is not complete: the process was killed, or is still running";
	case WRITER_ELSEWHERE:
		return "the log is not complete: the process was killed, or is still running in another container, boot or machine";
	default:
		break;
	}
	if (python_ended)
		return "the log is not complete: the interpreter had ended, then a signal ended the process (as after Ctrl-C)";
	snprintf(buffer, REPORT_STATE,
		 "the log is not complete: the process was killed (no process %" PRIu32
		 " writes it any more)",
		 reader_header(reader)->pid);
	return buffer;
}

_Static_assert(REPORT_STATE >= LOG_END_TEXT, "room for how a log ended");

const char *report_state(const struct reader *reader, bool python_ended, char buffer[REPORT_STATE])
{
	const struct reader_damage *damage = reader_damage(reader);
	char stopped[REPORT_STATE];

	if (is_damaged(damage))
		return "the log is damaged: some of it could not be read";
	if (damage->truncated)
		return "the log is not complete: the file was cut off";
	switch (reader_header(reader)->live.state) {
	case PMT_STATE_CLOSED:
		return "the log is complete";
	case PMT_STATE_EXECED:
		return "the log is complete: the process went on as another program";
	case PMT_STATE_STOPPED:
		snprintf(buffer, REPORT_STATE, "the log is not complete: %.200s",
			 log_end_stopped(reader, stopped));
		return buffer;
	default:
		return open_state(reader, python_ended, buffer);
	}
}

uint64_t report_lost(const struct reader *reader, const struct replay *replay)
{
	return reader_header(reader)->live.lost + replay->lost;
}

uint64_t report_duration_ns(const struct reader *reader, const struct replay *replay)
{
	const struct pmt_header *header = reader_header(reader);
	const uint64_t end_ns = header->live.end_ns;
	const uint64_t whole_ns = end_ns > header->start_ns ? end_ns - header->start_ns : 0;

	return whole_ns > replay->last_ns ? whole_ns : replay->last_ns;
}

void report_command(const struct reader *reader,
		    void (*visit)(void *context, const char *word, size_t size), void *context)
{
	const char *text;
	long left = reader_text(reader, PMT_TEXT_COMMAND, &text);

	while (left > 0) {
		const size_t size = strnlen(text, (size_t)left);

		visit(context, text, size);
		text += size + 1;
		left -= (long)size + 1;
	}
}
