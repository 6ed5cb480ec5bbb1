/* SPDX-License-Identifier: MIT */
/*
 * The processor time of the traced process at any moment, from the samples in its log. Between two
 * samples it grows evenly; before the first and after the last one it stands still.
 */
#ifndef PMT_TOOLS_CPUCLOCK_H
#define PMT_TOOLS_CPUCLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "reader.h"

/* When there are more samples, every second one is left out. */
#define CPUCLOCK_SAMPLES_MAX 65536

struct cpuclock_sample {
	uint64_t time_ns;
	uint64_t cpu_ns;
};

struct cpuclock {
	struct cpuclock_sample *samples; /* times only grow */
	size_t count;
	uint64_t stride; /* one of so many samples of the log is kept */
	uint64_t seen;
	size_t next; /* the first sample that is not before the last time asked for */
};

/* Read the samples of a log, all events of it. Returns 0, or -1 after an I/O error. */
int cpuclock_init(struct cpuclock *clock, struct reader *reader);
void cpuclock_fini(struct cpuclock *clock);

/* Processor time at TIME_NS (CLOCK_MONOTONIC), 0 without samples. Fast where times grow. */
uint64_t cpuclock_at(struct cpuclock *clock, uint64_t time_ns);

#endif
