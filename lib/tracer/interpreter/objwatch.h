/* SPDX-License-Identifier: MIT */
/*
 * Python's object allocator, watched for objects: how large a block is, when it is given back, and
 * that the tracer of references is still in its place. Whether or not blocks themselves are traced
 * (pymem.h).
 */
#ifndef PMT_TRACER_OBJWATCH_H
#define PMT_TRACER_OBJWATCH_H

/* Once the interpreter is initialised, with the thread attached. */
void objwatch_start(void);

#endif
