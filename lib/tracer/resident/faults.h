/* SPDX-License-Identifier: MIT */
/*
 * The kernel's counter of a thread's page faults, as a mapped page that is read without a call.
 *
 * The event "page fault" of perf_event_open(2) writes 8 bytes into a ring for each fault, and the
 * ring's first page says how many bytes that were so far. The ring is mapped read-only, so the
 * kernel writes over what is old and never waits. The descriptor is closed at once. A forked child
 * does not have the mapping.
 */
#ifndef PMT_TRACER_FAULTS_H
#define PMT_TRACER_FAULTS_H

#include <stdint.h>

/*
 * Can page faults be counted here? Opens a counter of the calling thread and closes it again.
 * Returns 0 or -errno. Under a filter of system calls a child process tries it first.
 */
long faults_try(void);
/* A counter of the calling thread's faults; NULL when the system refuses. */
void *faults_open(void);
/* RING from faults_open(). Any thread. */
void faults_close(void *ring);
/* The number that moves with each fault. */
const volatile uint64_t *faults_head(const void *ring);

#endif
