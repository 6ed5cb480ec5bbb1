/* SPDX-License-Identifier: MIT */
/*
 * The interpreter in this process: its symbols, looked up at run time, and where its structures
 * keep what a stack walk needs. What differs by version stands in python_versions.def.
 */
#ifndef PMT_TRACER_PYTHON_H
#define PMT_TRACER_PYTHON_H

#include <stddef.h>
#include <stdint.h>

#include "python_versions.h"

/* PyMemAllocatorEx, as in Include/cpython/pymem.h since 3.5. */
struct pymem_allocator {
	void *ctx;
	void *(*malloc)(void *ctx, size_t size);
	void *(*calloc)(void *ctx, size_t count, size_t size);
	void *(*realloc)(void *ctx, void *block, size_t size);
	void (*free)(void *ctx, void *block);
};

/* PyMemAllocatorDomain. */
enum pymem_domain { PYMEM_RAW, PYMEM_MEM, PYMEM_OBJ, PYMEM_DOMAINS };

/* Frames with this owner or a higher one belong to the interpreter itself. */
#define PYTHON_OWNER_INTERPRETER 3

struct python {
	void *scope;	  /* where its symbols are, for dlsym() */
	int found;	  /* this process has an interpreter */
	int walkable;	  /* `layout` is good */
	uint32_t version; /* PY_VERSION_HEX */
	int free_threaded;
	const char *text;	       /* Py_GetVersion() */
	void *code_type;	       /* &PyCode_Type */
	void *(*current)(void);	       /* thread state that is attached now, or NULL */
	void *(*of_this_thread)(void); /* thread state of this thread even if detached, or NULL */
	int (*is_initialized)(void);
	int (*is_finalizing)(void); /* may be NULL */
	int (*add_audit_hook)(int (*)(const char *, void *, void *), void *);
	/* NULL both, or neither. */
	void (*get_allocator)(enum pymem_domain domain, struct pymem_allocator *allocator);
	void (*set_allocator)(enum pymem_domain domain, struct pymem_allocator *allocator);
	const struct python_version *known; /* never NULL */
	struct python_layout layout;
};

extern struct python python;

/* Look for an interpreter in SCOPE, as for dlsym(). 1 when one is there (python is filled), or 0.
 */
int python_find(void *scope);
/* Put the address of NAME, a function or data of the interpreter, at PLACE; NULL: it has none. */
void python_symbol(void *place, const char *name);
/* What the log is to say of a bug that this version has, NULL: it has none of that kind. */
const char *python_bug(enum python_bug_kind kind);
/* The thread state whose frames are this thread's own, or NULL. ATTACHED: may it run Python now? */
void *python_thread_state(int *attached);
/*
 * The same where the interpreter's lock is held by all rules, NULL where a program breaks them.
 * THREAD: pthread_self().
 */
static inline void *python_attached_state(uintptr_t thread)
{
	const char *current = python.current();

	if (current == NULL || python.layout.current_is_own)
		return (void *)current;
	return *(const uintptr_t *)(current + python.layout.thread_id) == thread ? (void *)current
										 : NULL;
}
/*
 * Call it once the interpreter is ready, in a thread that may use it: where the just-in-time
 * compiler is on, the tracer does without marks.
 */
void python_check_compiler(void);

#endif
