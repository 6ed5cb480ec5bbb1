/* SPDX-License-Identifier: MIT */
/*
 * The audit hook: how the tracer hears from the interpreter that it is ready, forks, execs, ends.
 */
#ifndef PMT_TRACER_AUDIT_H
#define PMT_TRACER_AUDIT_H

/*
 * Register the hook, once; before Py_Initialize(), or attached; the interpreter is found. Returns
 * 0, or -1 when it could not be: then the points of the interpreter's life are missing in the log,
 * and nothing else.
 */
int audit_start(void);

/*
 * Call it when this thread may have entered a new interpreter after the first one ended: registers
 * the hook there. Any time.
 */
void audit_again(void);

#endif
