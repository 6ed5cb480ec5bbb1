/* SPDX-License-Identifier: MIT */
/*
 * What is known of each version of CPython: one entry of python_versions.def a version. Nothing
 * else compares versions; code asks for one of these fields. docs/howto-python.md adds a version.
 */
#ifndef PMT_TRACER_PYTHON_VERSIONS_H
#define PMT_TRACER_PYTHON_VERSIONS_H

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

/*
 * Offsets in bytes. Up to 3.12 the entry has them; from 3.13 on they are read from the interpreter,
 * and the entry has no more than the bit at which the kind of a str object begins.
 */
struct python_layout {
	enum python_position position_kind;
	unsigned linetable_kind; /* PMT_LINETABLE_* */
	uint32_t qualname;	 /* of a code object; 0: there is none */
	/* thread state -> [C frame ->] frame */
	uint32_t tstate_frame;
	uint32_t cframe_frame; /* valid if has_cframe */
	uint32_t has_cframe;
	uint32_t thread_id;	 /* of a thread state: pthread_self() of the thread */
	uint32_t current_is_own; /* the capability of the entry, where each event finds it */
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
	uint32_t locals;    /* the local variables; INDEX: the value stack begins there, too */
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

/* Where _Py_DebugOffsets keeps the offset of that name; 0: nowhere. Up to 3.12: all 0. */
struct python_offsets {
	uint32_t tstate_frame;
	uint32_t previous, executable, position, locals, owner;
	uint32_t stackpointer; /* 0: a height, behind `position` in the frame itself */
	uint32_t tlbc_index;
	uint32_t filename, name, qualname, linetable, first_line, bytecode;
	uint32_t tlbc;
	uint32_t ob_type;
	uint32_t bytes_size, bytes_data;
	uint32_t text_state, text_length, text_ascii;
};

/* Profile and trace functions, where there is no sys.monitoring. */
struct python_slots {
	uint32_t profile; /* of a thread state: the function; its object is two pointers behind */
	uint32_t trace;
	uint32_t interpreter; /* of a thread state: pointer to the interpreter */
	uint32_t cframe;      /* 0: use_tracing is in the thread state itself */
	uint32_t use_tracing; /* of the C frame, or of the thread state */
	uint32_t use_tracing_bytes;
	/* Up to 3.9 an int counts trace functions; lines are only told of where it is not 0. */
	uint32_t runtime_count;	    /* of _PyRuntime; 0: not there */
	uint32_t interpreter_count; /* of an interpreter; 0: not there */
	uint32_t frame;	 /* of a frame object: pointer to the frame; 0: the object is the frame */
	uint32_t lineno; /* of a frame object */
	uint32_t opcodes;
	uint32_t flags;	   /* of a code object */
	uint32_t bytecode; /* a bytes object; 0: layout.bytecode is right */
	/* Instructions at which a generator stops. */
	uint8_t yield_value;
	uint8_t yield_from; /* 0: there is none */
	/* Where it goes on, with an argument that is not 0; 0: where it stopped. */
	uint8_t resume;
	uint8_t resume_quick;
};

struct python_types {
	uint32_t qualname;	  /* of a class: its qualified name, behind the head of an object */
	uint64_t managed_dict;	  /* tp_flags: the words of a dict stand before the object; */
	uint64_t managed_weakref; /* that of weak references */
	uint32_t keys_have_log;	  /* keys of a dict say the logarithms of their sizes */
	uint32_t head_has_flags;  /* in the upper half of the count of references */
};

/* What a bug of CPython leaves out. */
enum python_bug_kind {
	PYTHON_BUG_NONE,
	PYTHON_BUG_ENDS, /* not every end of an object is told to a tracer of references */
};

struct python_bug {
	enum python_bug_kind kind;
	unsigned fixed_in;  /* third part of the first version without it */
	const char *issue;  /* number of CPython */
	const char *notice; /* what the log says of it */
};

struct python_version {
	uint32_t number; /* major << 8 | minor */
	struct python_layout layout;
	struct python_offsets offsets;
	struct python_slots slots;
	struct python_types types;
	uint32_t kind_shift_threaded; /* layout.text_kind_shift of free-threaded builds */
	/* Capabilities. */
	uint8_t has_monitoring;		/* sys.monitoring */
	uint8_t current_is_own;		/* the attached thread state is this thread's, or none */
	uint8_t keeps_exit_functions;	/* in the interpreter, not in the module atexit */
	uint8_t tells_objects;		/* PyRefTracer_SetTracer() */
	uint8_t counts_threads_at_fork; /* and warns of several */
	uint8_t has_compiler_switch;	/* sys._jit says whether code is compiled */
	uint8_t chains_floats; /* dead ones, by the word of their type (not if free-threaded) */
	struct python_bug bugs[2];
};

/*
 * The entry of the version HEX, as PY_VERSION_HEX has it; of a version that has none, the one
 * before it, which then tells what it can do but not where things are. Never NULL.
 */
const struct python_version *python_version_of(uint32_t hex);
/* Of no version: it can do nothing. */
extern const struct python_version python_version_none;

#endif
