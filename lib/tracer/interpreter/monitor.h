/* SPDX-License-Identifier: MIT */
/*
 * Events by sys.monitoring, from CPython 3.12 on: cheaper than profile functions, in all threads of
 * an interpreter at once, and beside any profiler, debugger or coverage tool of the program.
 */
#ifndef PMT_TRACER_MONITOR_H
#define PMT_TRACER_MONITOR_H

/* At each audit event. READY: the interpreter is about to run the program. */
void monitor_at_audit(int ready);
/* Other events are wanted now, in the interpreter of this thread. */
void monitor_change(void);
/* The interpreter has ended with all others: ids begin anew. */
void monitor_forget(void);

#endif
