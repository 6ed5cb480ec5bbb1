/* SPDX-License-Identifier: MIT */
/*
 * The interpreter in this process: its symbols, looked up at run time, and where its structures
 * keep what a stack walk needs. One row of the table in python.c for each version.
 */
#ifndef PMT_TRACER_PYTHON_H
#define PMT_TRACER_PYTHON_H

#include <stddef.h>
#include <stdint.h>

/* How a frame says where it is. */
enum python_position {
	PYTHON_INDEX_BYTES, /* int: byte offset of the last instruction, -1 before the first */
	PYTHON_INDEX_UNITS, /* int: the same in 2-byte units */
	PYTHON_PREVIOUS,    /* pointer to the last instruction; one before the first at the start */
	PYTHON_CURRENT,	    /* pointer to the instruction being executed */
};

/* Where a frame can have a mark: see mark.h. */
enum python_mark {
	PYTHON_MARK_NONE,
	PYTHON_MARK_BYTE,    /* a byte of the frame */
	PYTHON_MARK_INDEX,   /* on the value stack, whose height is an int */
	PYTHON_MARK_POINTER, /* on the value stack, to whose top a pointer leads */
};

/* Offsets in bytes. */
struct python_layout {
	uint32_t version; /* first version it is for, major << 8 | minor */
	enum python_position position_kind;
	unsigned linetable_kind; /* PMT_LINETABLE_* */
	uint32_t qualname;	 /* of a code object; 0: there is none */
	/* thread state -> [C frame ->] frame */
	uint32_t tstate_frame;
	uint32_t cframe_frame; /* valid if has_cframe */
	uint32_t has_cframe;
	uint32_t thread_id; /* of a thread state: pthread_self() of the thread; needed up to 3.11 */
	/* frame */
	uint32_t previous;
	uint32_t executable;
	uint32_t position;
	uint32_t owner; /* a byte; valid if has_owner */
	uint32_t has_owner;
	uint32_t tlbc_index; /* free-threaded 3.14+: which copy of the bytecode; 0: none */
	enum python_mark mark_kind;
	uint32_t mark;	    /* of the byte, the height or the pointer */
	uint32_t generator; /* BYTE: pointer to the generator that the frame is of */
	uint32_t locals;    /* INDEX: the value stack */
	uint32_t entry;	    /* a byte: the frame was called from C; 0: such have a frame between */
	/* code object */
	uint32_t filename;
	uint32_t name;
	uint32_t first_line;
	uint32_t linetable;
	uint32_t bytecode;
	uint32_t tlbc; /* free-threaded 3.14+: the copies; 0: none */
	/* objects */
	uint32_t ob_type;
	uint32_t bytes_size;
	uint32_t bytes_data;
	uint32_t text_state;
	uint32_t text_length;
	uint32_t text_ascii;   /* data of an ASCII string */
	uint32_t text_compact; /* data of another compact string */
	uint32_t text_kind_shift;
	uint32_t tp_dealloc;
};

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
	struct python_layout layout;
};

extern struct python python;

/* Look for an interpreter in SCOPE, as for dlsym(). 1 when one is there (python is filled), or 0.
 */
int python_find(void *scope);
/* The thread state whose frames are this thread's own, or NULL. ATTACHED: may it run Python now? */
void *python_thread_state(int *attached);
/*
 * The same where the interpreter's lock is held by all rules, NULL where a program breaks them.
 * THREAD: pthread_self().
 */
static inline void *python_attached_state(uintptr_t thread)
{
	const char *current = python.current();

	if (current == NULL || python.version >= 0x030c0000)
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
