/* SPDX-License-Identifier: MIT */
/* The program's environment, as far as its children get something from the tracer in it. */
#ifndef PMT_TRACER_ENVIRONMENT_H
#define PMT_TRACER_ENVIRONMENT_H

/*
 * At the start, before other threads: the log's name OUTPUT, which is absolute, stands in the
 * environment where it had another form or none, so that children that run in other folders write
 * beside this process.
 */
void environment_hand_on_output(const char *output);

/*
 * Which `pymemtrace run` this process belongs to: reads it, at the start. It is "PID.TIME" of the
 * process that became the program, "" without `run`.
 */
void environment_read_run(void);
const char *environment_run(void);
/* Whether this is the process that `run` became. */
int environment_is_run_itself(void);

#endif
