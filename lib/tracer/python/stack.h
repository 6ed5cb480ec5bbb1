/* SPDX-License-Identifier: MIT */
/*
 * Python stacks: walk this thread's frames, find the stack's number.
 *
 * A thread's own frames cannot move while it is inside an allocator, with the interpreter's lock or
 * without it, so nothing is locked and no function of the interpreter that could allocate is
 * called. Only what changed since the thread's last walk is looked up; new stacks are written to
 * the log's definitions before their number is used.
 */
#ifndef PMT_TRACER_STACK_H
#define PMT_TRACER_STACK_H

#include <stdint.h>

#include "thread.h"

/* Prepare for stacks of at most DEPTH frames (0: no stacks). Returns 0, or -1 without memory. */
int stack_init(uint64_t depth);
/* In a forked child: numbers begin anew, for the new log. */
void stack_reset(void);
/* Write what there is of the definitions' chunk and seal it. */
void stack_finish(void);
/*
 * Number of this thread's Python stack now, 0: no Python frames. Between enter and leave. HELD: by
 * all rules this thread holds the interpreter's lock.
 */
uint32_t stack_current(struct thread *t, int held);

/*
 * The same of those frames alone whose code is chosen, with the innermost one or without. Not
 * quick.
 */
uint32_t stack_chosen(struct thread *t, int innermost_too,
		      int (*is_chosen)(struct thread *t, const void *code));

/*
 * The definitions' chunk, under its lock; to be given back at once. Between enter and leave. For
 * code_define() and other definitions, which must be committed before their number is used.
 */
struct writer *stack_definitions(void);
void stack_definitions_done(void);
/*
 * Number of the code object CODE, that this thread is executing: 0 when it cannot be had, or
 * CODE_LEFT_OUT. Between enter and leave.
 */
uint32_t stack_code(const void *code);

/* Index of an instruction in 2-byte units plus 1, 0 before the first; RAW as a frame has it. */
uint32_t stack_position(const void *code, uintptr_t raw);

/* The same of this thread's innermost frame, if that is of CODE; else OTHERWISE. Attached. */
uint32_t stack_innermost(const void *code, uint32_t otherwise);

/* Has this thread more than so many Python frames? Attached. */
int stack_is_deeper(uint32_t frames);

/* A numbered code object dies: its address may come back as another one's. */
void stack_code_died(const void *code);

#endif
