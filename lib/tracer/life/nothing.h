/* SPDX-License-Identifier: MIT */
/* A program under `pymemtrace run` that has no Python in it: said when it ends. */
#ifndef PMT_TRACER_NOTHING_H
#define PMT_TRACER_NOTHING_H

/* This program has no interpreter. Does something only in the process that `run` became. */
void nothing_start(void);
/* The process ends: says so if neither this process nor one of its children wrote a log. */
void nothing_end(void);

#endif
