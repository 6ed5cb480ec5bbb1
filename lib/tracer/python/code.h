/* SPDX-License-Identifier: MIT */
/*
 * Code objects: from an object in the interpreter's memory to a number in the log.
 *
 * Names and line tables are copied into the log when a code object is first seen, because it may
 * die long before the log is read. Addresses are reused, so the death of a code object that has a
 * number must be noticed: the destructor in PyCode_Type is wrapped.
 */
#ifndef PMT_TRACER_CODE_H
#define PMT_TRACER_CODE_H

#include <stdatomic.h>
#include <stdint.h>

#include "table.h"
#include "writer.h"

/* Stands for a number where the code object is the interpreter's own glue, which no stack shows. */
#define CODE_LEFT_OUT UINT32_MAX

struct code_shared {
	struct table numbers;	  /* address of the code object -> number */
	_Atomic uint64_t deaths;  /* numbered code objects that died since the start */
	const void *_Atomic glue; /* the code object that was left out last: there is but one */
};

extern struct code_shared code_shared;

/* Wrap the destructor. Returns 0, or -1 when code objects cannot be told apart safely. */
int code_init(void);
void code_reset(void);
/* Is this code object the interpreter's own glue? */
int code_is_glue(const void *code);
/*
 * Number of a code object that is alive, CODE_LEFT_OUT, or 0 if it cannot be had. The caller holds
 * the definitions' lock and passes their writer.
 */
uint32_t code_define(struct writer *w, const void *code);
/* Number of a text, written to the log when it is new; 0 when it cannot be. As code_define(). */
uint32_t code_define_string(struct writer *w, struct pmt_bytes text);

#endif
