/* SPDX-License-Identifier: MIT */
/*
 * The sampler: reads the resident set at a fixed interval and moves the clock of the event path on.
 *
 * It is a thread that the C library does not know: made by clone(2) with all signals blocked, a
 * descriptor table and a stack of its own, and no use of anything that needs thread-local storage.
 * So the program loses no descriptor, its malloc stays in single-thread mode, and the thread ends
 * with the process. Where it cannot be made, and while it pauses, samples are taken at events
 * instead: the sampler asks for that by `at_due` of clock.h.
 *
 * While events of the interpreter are recorded it wakes every millisecond, for their clock and for
 * the age of their values (rss.h); once there are none, after a few more, it goes back to its
 * interval.
 */
#ifndef PMT_TRACER_SAMPLER_H
#define PMT_TRACER_SAMPLER_H

#include <stdint.h>

/* The process must not have one more thread: valgrind ends those made like ours in its own way. */
#define SAMPLER_NO_THREAD 1U
/* Move the clock every millisecond while there are events of the interpreter: rss_tick(). */
#define SAMPLER_TICKS 2U
/* Take the first sample and begin. INTERVAL_NS 0: never sample. HOW: a bit set of the above. */
void sampler_start(uint64_t interval_ns, unsigned how);
/*
 * End the thread and wait until the kernel counts it no more: CPython warns of fork() in a process
 * with several threads. It comes back with an event, PAUSE_NS later at the earliest; until then
 * samples are taken at events.
 */
void sampler_pause(uint64_t pause_ns);
/* After a pause: the thread may come back AFTER_NS from now. */
void sampler_resume(uint64_t after_ns);
/* How long to pause for what usually lasts no longer than a call. */
#define SAMPLER_SHORTLY 100000000ULL
/* Pause for good, take the last sample and the last account, seal. ASK: see account_finish(). */
void sampler_finish(int ask);
/* In a forked child: there is no thread. */
void sampler_reset(void);

#endif
