/* SPDX-License-Identifier: MIT */
/* A log that ended before its process did. */
#include "log_end.h"

#include <stdio.h>

#include "error.h"
#include "lacking.h"
#include "names.h"

const char *log_end_stopped(const struct reader *reader, char buffer[LOG_END_TEXT])
{
	static const char *const reasons[] = {
		[PMT_STOP_SIZE] = "the log reached its size limit",
		[PMT_STOP_DISK] = "the log could not grow (disk full, quota or file size limit)",
		[PMT_STOP_MEMORY] = "the tracer could not get memory",
		[PMT_STOP_SANDBOX] = "the program limited its own system calls (seccomp)",
	};
	const struct pmt_header *header = reader_header(reader);
	const uint32_t reason = header->live.stop_reason;
	const uint64_t end_ns = header->live.end_ns;
	const bool known = reason < sizeof(reasons) / sizeof(*reasons) && reasons[reason] != NULL;

	if (header->live.state != PMT_STATE_STOPPED)
		return NULL;
	snprintf(buffer, LOG_END_TEXT, "tracing stopped after %.3f s: %s",
		 (double)(end_ns > header->start_ns ? end_ns - header->start_ns : 0) / 1e9,
		 known ? reasons[reason] : "for an unknown reason");
	return buffer;
}

void log_end_warn(const struct reader *reader)
{
	char buffer[LOG_END_TEXT];

	if (log_end_stopped(reader, buffer) != NULL)
		error("warning: %s: %s; what happened later is not in the log", reader_path(reader),
		      buffer);
}

bool log_end_lacks(const struct reader *reader, uint32_t traced, const char *what,
		   const char *words)
{
	if (reader_header(reader)->traced & traced)
		return false;
	lacking_note(reader_path(reader), what, words);
	return true;
}
