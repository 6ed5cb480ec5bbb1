/* SPDX-License-Identifier: MIT */
/*
 * Events by the profile and trace functions of each thread, up to CPython 3.11. The functions stand
 * in the thread state. A program that sets its own keeps it: ours is put in front and calls it.
 */
#ifndef PMT_TRACER_SLOTS_H
#define PMT_TRACER_SLOTS_H

/* At each audit event. READY: the interpreter is about to run the program. */
void slots_at_audit(const char *event, int ready);
/* Other events are wanted now. Attached. */
void slots_change(void);
/* This thread has set a value of its own: it may be a new thread state. Any thread, any time. */
void slots_thread_state(void);

#endif
