/* SPDX-License-Identifier: MIT */
/* The log of the process that this one comes from. */
#ifndef PMT_TRACER_PARENT_LOG_H
#define PMT_TRACER_PARENT_LOG_H

#include <stdint.h>

/*
 * Path of the log that the nearest ancestor of this process is writing, into DATA; "" when none of
 * them writes one. Between the two there may be shells and other programs that are not traced.
 */
void parent_log_find(char *data, uint64_t size);
/* Whether the file PATH is a log of a process PID. */
int parent_log_is_of(const char *path, int pid);

#endif
