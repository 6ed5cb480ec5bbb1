/* SPDX-License-Identifier: MIT */
/*
 * To be called when the interpreter ends: after the functions that the program registered with the
 * module atexit, while all objects are still there.
 *
 * What is registered is a function like the program's own, before any of these, so that it runs
 * last. The program sees one more in atexit._ncallbacks(), and nothing else: the module is not
 * imported for it. If the program drops all functions by atexit._clear(), ours goes with them.
 */
#ifndef PMT_TRACER_ENDING_H
#define PMT_TRACER_ENDING_H

/*
 * Have FUNCTION called, once an interpreter is there to do it: to be called again and again, at
 * each audit event. The interpreter's lock is held; the interpreter allocates for it, and runs no
 * Python code.
 */
void ending_arm(void (*function)(void));

#endif
