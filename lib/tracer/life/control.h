/* SPDX-License-Identifier: MIT */
/* What begins and ends a log while the program runs: the program itself, or a signal. */
#ifndef PMT_TRACER_CONTROL_H
#define PMT_TRACER_CONTROL_H

/*
 * At start-up: from now on SIGNAL begins and ends a log, when the interpreter next looks for work
 * in its main thread. 0: no signal does.
 */
void control_start(int signal);

#endif
