/* SPDX-License-Identifier: MIT */
/* The interpreter's symbols and layouts. */
#include "python.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include "names.h"

struct python python;

/*
 * Frozen layouts: 64-bit builds with the usual object header. Taken from the headers of each
 * version with offsetof; 3.13 and later describe themselves (see read_offsets).
 */
static const struct python_layout layouts[] = {
	{
		.version = 0x308,
		.position_kind = PYTHON_INDEX_BYTES,
		.linetable_kind = PMT_LINETABLE_LNOTAB,
		.thread_id = 176,
		.tstate_frame = 24,
		.previous = 24,
		.executable = 32,
		.position = 104,
		.mark_kind = PYTHON_MARK_BYTE,
		.mark = 88,
		.generator = 96,
		.filename = 104,
		.name = 112,
		.first_line = 40,
		.linetable = 120,
		.text_ascii = 48,
		.text_compact = 72,
	},
	{
		.version = 0x30a,
		.position_kind = PYTHON_INDEX_UNITS,
		.linetable_kind = PMT_LINETABLE_LINETABLE310,
		.thread_id = 176,
		.tstate_frame = 24,
		.previous = 24,
		.executable = 32,
		.position = 96,
		.mark_kind = PYTHON_MARK_BYTE,
		.mark = 84,
		.generator = 88,
		.filename = 104,
		.name = 112,
		.first_line = 40,
		.linetable = 120,
		.text_ascii = 48,
		.text_compact = 72,
	},
	{
		.version = 0x30b,
		.position_kind = PYTHON_PREVIOUS,
		.linetable_kind = PMT_LINETABLE_LOCATIONS,
		.thread_id = 152,
		.tstate_frame = 56,
		.cframe_frame = 8,
		.has_cframe = 1,
		.previous = 48,
		.executable = 32,
		.position = 56,
		.owner = 69,
		.has_owner = 1,
		.mark_kind = PYTHON_MARK_INDEX,
		.mark = 64,
		.locals = 72,
		.entry = 68,
		.filename = 112,
		.name = 120,
		.qualname = 128,
		.first_line = 72,
		.linetable = 136,
		.bytecode = 184,
		.text_ascii = 48,
		.text_compact = 72,
	},
	{
		.version = 0x30c,
		.position_kind = PYTHON_PREVIOUS,
		.linetable_kind = PMT_LINETABLE_LOCATIONS,
		.tstate_frame = 56,
		.cframe_frame = 0,
		.has_cframe = 1,
		.previous = 8,
		.executable = 0,
		.position = 56,
		.owner = 70,
		.has_owner = 1,
		.mark_kind = PYTHON_MARK_INDEX,
		.mark = 64,
		.locals = 72,
		.filename = 112,
		.name = 120,
		.qualname = 128,
		.first_line = 68,
		.linetable = 136,
		.bytecode = 192,
		.text_ascii = 40,
		.text_compact = 56,
	},
};

/* Where _Py_DebugOffsets keeps each offset: bytes into the structure, which grows by versions. */
struct offsets_layout {
	uint32_t version;
	uint32_t tstate_frame;
	uint32_t frame_previous;     /* executable, instr_ptr, localsplus, owner follow */
	uint32_t frame_stackpointer; /* 0: a height, behind instr_ptr in the frame itself */
	uint32_t frame_tlbc_index;
	uint32_t code_filename; /* name, qualname, linetable, firstlineno follow */
	uint32_t code_bytecode;
	uint32_t code_tlbc;
	uint32_t ob_type;
	uint32_t bytes_size; /* data follows */
	uint32_t text_state; /* length, size of the ASCII head follow */
};

static const struct offsets_layout offsets_layouts[] = {
	{0x30d, 184, 232, 0, 0, 280, 344, 0, 360, 520, 544},
	{0x30e, 208, 256, 296, 304, 320, 384, 392, 408, 600, 624},
	{0x30f, 208, 320, 360, 368, 384, 448, 456, 472, 696, 720},
};

/* Two words before the offsets: cookie, version, then whether the build is free-threaded. */
#define OFFSETS_COOKIE "xdebugpy"
#define OFFSETS_VERSION 8
#define OFFSETS_FREE_THREADED 16
#define LOCALS_AFTER_PREVIOUS 24
#define OWNER_AFTER_PREVIOUS 32

static uint32_t word(const char *offsets, uint32_t at)
{
	uint64_t value;

	memcpy(&value, offsets + at, sizeof(value));
	return value > 65536 ? UINT32_MAX : (uint32_t)value;
}

/* All offsets must be small and there; a build that was changed fails here and gets no stacks. */
static int is_plausible(const struct python_layout *l)
{
	const uint32_t offsets[] = {l->tstate_frame, l->previous,   l->executable,  l->position,
				    l->owner,	     l->filename,   l->name,	    l->first_line,
				    l->linetable,    l->bytecode,   l->ob_type,	    l->bytes_size,
				    l->bytes_data,   l->text_state, l->text_length, l->text_ascii,
				    l->locals,	     l->mark};

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		if (offsets[i] > 4096)
			return 0;
	return l->filename != l->name && l->bytes_data != 0 && l->text_ascii != 0 &&
	       l->tstate_frame != 0;
}

static int read_offsets(const char *offsets, const struct offsets_layout *o)
{
	struct python_layout *l = &python.layout;
	uint64_t version;

	memcpy(&version, offsets + OFFSETS_VERSION, sizeof(version));
	if (memcmp(offsets, OFFSETS_COOKIE, 8) != 0 || version >> 16 != python.version >> 16)
		return 0;
	python.free_threaded = word(offsets, OFFSETS_FREE_THREADED) == 1;
	l->position_kind = PYTHON_CURRENT;
	l->linetable_kind = PMT_LINETABLE_LOCATIONS;
	l->tstate_frame = word(offsets, o->tstate_frame);
	l->previous = word(offsets, o->frame_previous);
	l->executable = word(offsets, o->frame_previous + 8);
	l->position = word(offsets, o->frame_previous + 16);
	l->owner = word(offsets, o->frame_previous + OWNER_AFTER_PREVIOUS);
	l->has_owner = 1;
	l->locals = word(offsets, o->frame_previous + LOCALS_AFTER_PREVIOUS);
	l->mark_kind = o->frame_stackpointer == 0 ? PYTHON_MARK_INDEX : PYTHON_MARK_POINTER;
	l->mark =
		o->frame_stackpointer == 0 ? l->position + 8 : word(offsets, o->frame_stackpointer);
	/* Their garbage collection looks at the whole value stack, free places included. */
	if (python.free_threaded)
		l->mark_kind = PYTHON_MARK_NONE;
	l->filename = word(offsets, o->code_filename);
	l->name = word(offsets, o->code_filename + 8);
	l->qualname = word(offsets, o->code_filename + 16);
	l->linetable = word(offsets, o->code_filename + 24);
	l->first_line = word(offsets, o->code_filename + 32);
	l->bytecode = word(offsets, o->code_bytecode);
	if (python.free_threaded && o->code_tlbc != 0) {
		l->tlbc_index = word(offsets, o->frame_tlbc_index);
		l->tlbc = word(offsets, o->code_tlbc);
	}
	l->ob_type = word(offsets, o->ob_type);
	l->bytes_size = word(offsets, o->bytes_size);
	l->bytes_data = word(offsets, o->bytes_size + 8);
	l->text_state = word(offsets, o->text_state);
	l->text_length = word(offsets, o->text_state + 8);
	l->text_ascii = word(offsets, o->text_state + 16);
	l->text_compact = l->text_ascii + 16;
	/* Free-threaded builds from 3.14 widen the field before `kind` to a byte. */
	l->text_kind_shift = python.free_threaded && version >> 16 >= 0x30e ? 8 : 2;
	/* PyTypeObject: object head, ob_size, tp_name, tp_basicsize, tp_itemsize, tp_dealloc. */
	l->tp_dealloc = l->ob_type + 8 + 8 + 3 * 8;
	return is_plausible(l);
}

static int find_layout(void)
{
	const uint32_t version = python.version >> 16;
	const char *offsets = dlsym(python.scope, "_PyRuntime");

	for (size_t i = 0; i < sizeof(offsets_layouts) / sizeof(offsets_layouts[0]); i++)
		if (offsets_layouts[i].version == version)
			return offsets != NULL && read_offsets(offsets, &offsets_layouts[i]);
	for (size_t i = sizeof(layouts) / sizeof(layouts[0]); i-- > 0;) {
		if (layouts[i].version > version || version > 0x30c)
			continue;
		python.layout = layouts[i];
		python.layout.ob_type = 8;
		python.layout.bytes_size = 16;
		python.layout.bytes_data = 32;
		python.layout.text_state = 32;
		python.layout.text_length = 16;
		python.layout.text_kind_shift = 2;
		python.layout.tp_dealloc = 48;
		return 1;
	}
	return 0;
}

/* A function's address; POSIX promises that this conversion works. */
static void set_function(void *place, const char *name)
{
	void *symbol = dlsym(python.scope, name);

	memcpy(place, &symbol, sizeof(symbol));
}

/* Builds that link all objects (--with-trace-refs) have a longer head: the type's own shows it. */
static int has_usual_heads(void)
{
	const void *type = dlsym(python.scope, "PyType_Type");
	const void *seen;

	memcpy(&seen, (const char *)python.code_type + python.layout.ob_type, sizeof(seen));
	return type == NULL || seen == type;
}

/* "3.11.7 (main, ...)": for versions without the symbol Py_Version (before 3.11). */
static uint32_t parse_version(const char *text)
{
	uint32_t parts[3] = {0, 0, 0};
	int i = 0;

	for (; *text != '\0' && i < 3; text++) {
		if (*text >= '0' && *text <= '9')
			parts[i] = parts[i] * 10 + (uint32_t)(*text - '0');
		else if (*text == '.')
			i++;
		else
			break;
	}
	return parts[0] << 24 | (parts[1] & 255) << 16 | (parts[2] & 255) << 8;
}

int python_find(void *scope)
{
	const char *(*get_version)(void) = NULL;
	const uint32_t *version;

	python.scope = scope;
	version = dlsym(scope, "Py_Version");
	set_function(&get_version, "Py_GetVersion");
	set_function(&python.is_initialized, "Py_IsInitialized");
	if (get_version == NULL || python.is_initialized == NULL)
		return 0;
	python.text = get_version();
	python.version = version != NULL ? *version : parse_version(python.text);
	python.code_type = dlsym(python.scope, "PyCode_Type");
	set_function(&python.is_finalizing, "Py_IsFinalizing");
	if (python.is_finalizing == NULL)
		set_function(&python.is_finalizing, "_Py_IsFinalizing");
	set_function(&python.add_audit_hook, "PySys_AddAuditHook");
	set_function(&python.get_allocator, "PyMem_GetAllocator");
	set_function(&python.set_allocator, "PyMem_SetAllocator");
	if (python.set_allocator == NULL)
		python.get_allocator = NULL;
	set_function(&python.current, "PyThreadState_GetUnchecked");
	if (python.current == NULL)
		set_function(&python.current, "_PyThreadState_UncheckedGet");
	set_function(&python.of_this_thread, "PyGILState_GetThisThreadState");
	python.walkable = python.current != NULL && python.of_this_thread != NULL &&
			  python.code_type != NULL && find_layout() && has_usual_heads();
	python.found = 1;
	return 1;
}

void *python_thread_state(int *attached)
{
	void *current = python.current();
	void *own;

	/*
	 * From 3.12 on the attached thread state is this thread's own or none. Before, it is a
	 * global of the process and may be another thread's; the one bound to this thread is right
	 * whether it holds the lock or not.
	 */
	*attached = 1;
	if (current != NULL && python.version >= 0x030c0000)
		return current;
	own = python.of_this_thread();
	if (own == current)
		return own;
	*attached = 0;
	/* The end of the interpreter frees the states of threads that are still in C, under them.
	 */
	return python.is_finalizing != NULL && python.is_finalizing() ? NULL : own;
}

void python_check_compiler(void)
{
	void *(*get)(const char *name) = NULL;
	void *(*call)(void *object, const char *name, const char *format, ...) = NULL;
	int (*is_true)(void *object) = NULL;
	void (*release)(void *object) = NULL;
	void *jit, *enabled;

	if (python.version < 0x030e0000)
		return;
	set_function(&get, "PySys_GetObject");
	set_function(&call, "PyObject_CallMethod");
	set_function(&is_true, "PyObject_IsTrue");
	set_function(&release, "Py_DecRef");
	if (get == NULL || call == NULL || is_true == NULL || release == NULL)
		return;
	jit = get("_jit");
	enabled = jit == NULL ? NULL : call(jit, "is_enabled", NULL);
	if (enabled == NULL || is_true(enabled) != 0)
		python.layout.mark_kind = PYTHON_MARK_NONE;
	if (enabled != NULL)
		release(enabled);
}
