/* SPDX-License-Identifier: MIT */
/*
 * One moment in several logs: which events of each log came before it.
 *
 * Processes of one boot share CLOCK_MONOTONIC, the clock of all records, so logs have one time.
 * Logs whose clocks differ (other boots, other machines, a machine that slept between them) are
 * laid beside one another by the clock of the day. A process counts from its first record to its
 * end; a log that was not closed ends at its last record. A program that runs another one in its
 * place (exec) is one process in several logs. Events of the same time count as having happened in
 * the order of the logs.
 *
 * At the end and at exit each process is looked at in its own end, but parts that were replaced by
 * exec are left out: their memory is gone.
 */
#ifndef PMT_TOOLS_MOMENTS_H
#define PMT_TOOLS_MOMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "curve.h"
#include "moment.h"

/* A moment in one log. */
struct moments_log {
	const char *path; /* of the caller */
	bool readable;
	bool alive;  /* the process lives at the moment; else nothing of the log counts */
	bool no_end; /* MOMENT_END is not in the log, though the interpreter ended: the last record
			is taken */
	bool replaced;	   /* a later log has what the process went on as */
	uint64_t until_ns; /* later events do not count; CLOCK_MONOTONIC */
	uint64_t until_number;
	uint64_t
		late_order; /* blocks made under a smaller order number count, though their record comes
				behind the moment; 0: it is not known which */
	uint64_t start_ns; /* of the header, CLOCK_MONOTONIC */
	uint64_t shift_ns; /* to be added for the common time, modulo 2^64 */
	uint64_t end_ns;   /* CLOCK_MONOTONIC */
	uint64_t realtime_ns;
	uint64_t first_ns; /* what was before is only in the totals: flight recorder; else start_ns
			    */
	uint32_t pid;
	uint32_t state;
};

struct moments {
	struct moments_log *logs;
	size_t count;
	size_t processes; /* parts of one count once */
	struct moment moment;
	uint64_t at_ns; /* of the moment, since the start of the first process; not for end, exit */
	uint64_t most;	/* at the peaks of several logs: the value there */
	bool single_pass; /* a single log's replay finds its peak by itself */
};

/*
 * Find MOMENT in the logs at PATHS. A log that cannot be read is left out: a message said why.
 * Returns 0, or -1 after a message when there is no such moment.
 */
int moments_init(struct moments *moments, const struct moment *moment, char **paths, size_t count);
void moments_fini(struct moments *moments);

#endif
