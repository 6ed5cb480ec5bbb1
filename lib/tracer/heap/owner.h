/* SPDX-License-Identifier: MIT */
/* Who makes a mapping: the module of the caller of mmap() tells. */
#ifndef PMT_TRACER_OWNER_H
#define PMT_TRACER_OWNER_H

/* `arena` of an mmap record. */
enum owner {
	OWNER_PROGRAM,
	OWNER_PYTHON, /* the interpreter's code: its allocator, when that is at work */
	OWNER_MALLOC, /* the library that malloc is in, where that is not the C library */
};

/* Find the modules. Once, when the real functions and the interpreter are known. */
void owner_start(void);
/* Whose code is CALLER in? Any thread. */
enum owner owner_of(const void *caller);

#endif
