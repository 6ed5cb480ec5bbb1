/* SPDX-License-Identifier: MIT */
/* The interpreter's symbols and layouts. */
#include "python.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include "names.h"

struct python python = {.known = &python_version_none};

/* Two words before the offsets: cookie, version, then whether the build is free-threaded. */
#define OFFSETS_COOKIE "xdebugpy"
#define OFFSETS_VERSION 8
#define OFFSETS_FREE_THREADED 16

static uint32_t word_at(const char *offsets, uint32_t at)
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

static void read_frame_offsets(const char *offsets, const struct python_offsets *o)
{
	struct python_layout *l = &python.layout;

	l->position_kind = PYTHON_CURRENT;
	l->tstate_frame = word_at(offsets, o->tstate_frame);
	l->previous = word_at(offsets, o->previous);
	l->executable = word_at(offsets, o->executable);
	l->position = word_at(offsets, o->position);
	l->owner = word_at(offsets, o->owner);
	l->has_owner = 1;
	l->locals = word_at(offsets, o->locals);
	l->mark_kind = o->stackpointer == 0 ? PYTHON_MARK_INDEX : PYTHON_MARK_POINTER;
	l->mark = o->stackpointer == 0 ? l->position + 8 : word_at(offsets, o->stackpointer);
	/* Their garbage collection looks at the whole value stack, free places included. */
	if (python.free_threaded)
		l->mark_kind = PYTHON_MARK_NONE;
	if (python.free_threaded && o->tlbc != 0) {
		l->tlbc_index = word_at(offsets, o->tlbc_index);
		l->tlbc = word_at(offsets, o->tlbc);
	}
}

static int read_offsets(const char *offsets, const struct python_offsets *o)
{
	struct python_layout *l = &python.layout;
	uint64_t version;

	memcpy(&version, offsets + OFFSETS_VERSION, sizeof(version));
	if (memcmp(offsets, OFFSETS_COOKIE, 8) != 0 || version >> 16 != python.version >> 16)
		return 0;
	python.free_threaded = word_at(offsets, OFFSETS_FREE_THREADED) == 1;
	read_frame_offsets(offsets, o);
	l->linetable_kind = PMT_LINETABLE_LOCATIONS;
	l->filename = word_at(offsets, o->filename);
	l->name = word_at(offsets, o->name);
	l->qualname = word_at(offsets, o->qualname);
	l->linetable = word_at(offsets, o->linetable);
	l->first_line = word_at(offsets, o->first_line);
	l->bytecode = word_at(offsets, o->bytecode);
	l->ob_type = word_at(offsets, o->ob_type);
	l->bytes_size = word_at(offsets, o->bytes_size);
	l->bytes_data = word_at(offsets, o->bytes_data);
	l->text_state = word_at(offsets, o->text_state);
	l->text_length = word_at(offsets, o->text_length);
	l->text_ascii = word_at(offsets, o->text_ascii);
	l->text_compact = l->text_ascii + 16;
	/* Free-threaded builds from 3.14 on widen the field before `kind` to a byte. */
	if (python.free_threaded)
		l->text_kind_shift = python.known->kind_shift_threaded;
	/* PyTypeObject: object head, ob_size, tp_name, tp_basicsize, tp_itemsize, tp_dealloc. */
	l->tp_dealloc = l->ob_type + 8 + 8 + 3 * 8;
	return is_plausible(l);
}

static int find_layout(void)
{
	const char *offsets;

	python.layout = python.known->layout;
	python.layout.current_is_own = python.known->current_is_own;
	if (python.known->number != python.version >> 16)
		return 0;
	if (python.known->offsets.previous == 0)
		return 1;
	python_symbol(&offsets, "_PyRuntime");
	return offsets != NULL && read_offsets(offsets, &python.known->offsets);
}

/* POSIX promises that a function's address survives this conversion. */
void python_symbol(void *place, const char *name)
{
	void *symbol = dlsym(python.scope, name);

	memcpy(place, &symbol, sizeof(symbol));
}

const char *python_bug(enum python_bug_kind kind)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct python_bug *bug = &python.known->bugs[i];

		if (bug->kind == kind && (python.version >> 8 & 255) < bug->fixed_in)
			return bug->notice;
	}
	return NULL;
}

/* Builds that link all objects (--with-trace-refs) have a longer head: the type's own shows it. */
static int has_usual_heads(void)
{
	const void *type, *seen;

	python_symbol(&type, "PyType_Type");
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
	python_symbol(&version, "Py_Version");
	python_symbol(&get_version, "Py_GetVersion");
	python_symbol(&python.is_initialized, "Py_IsInitialized");
	if (get_version == NULL || python.is_initialized == NULL)
		return 0;
	python.text = get_version();
	python.version = version != NULL ? *version : parse_version(python.text);
	python.known = python_version_of(python.version);
	python_symbol(&python.code_type, "PyCode_Type");
	python_symbol(&python.is_finalizing, "Py_IsFinalizing");
	if (python.is_finalizing == NULL)
		python_symbol(&python.is_finalizing, "_Py_IsFinalizing");
	python_symbol(&python.add_audit_hook, "PySys_AddAuditHook");
	python_symbol(&python.get_allocator, "PyMem_GetAllocator");
	python_symbol(&python.set_allocator, "PyMem_SetAllocator");
	if (python.set_allocator == NULL)
		python.get_allocator = NULL;
	python_symbol(&python.current, "PyThreadState_GetUnchecked");
	if (python.current == NULL)
		python_symbol(&python.current, "_PyThreadState_UncheckedGet");
	python_symbol(&python.of_this_thread, "PyGILState_GetThisThreadState");
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
	 * Where the attached thread state is not this thread's own or none, it is a global of the
	 * process and may be another thread's; the one bound to this thread is right whether it
	 * holds the lock or not.
	 */
	*attached = 1;
	if (current != NULL && python.layout.current_is_own)
		return current;
	own = python.of_this_thread();
	if (own == current)
		return own;
	*attached = 0;
	/* The end of the interpreter frees the states of threads that are still in C, under them:
	 * gh-124878. */
	return python.is_finalizing != NULL && python.is_finalizing() ? NULL : own;
}

void python_check_compiler(void)
{
	void *(*get)(const char *name) = NULL;
	void *(*call)(void *object, const char *name, const char *format, ...) = NULL;
	int (*is_true)(void *object) = NULL;
	void (*release)(void *object) = NULL;
	void *jit, *enabled;

	if (!python.known->has_compiler_switch)
		return;
	python_symbol(&get, "PySys_GetObject");
	python_symbol(&call, "PyObject_CallMethod");
	python_symbol(&is_true, "PyObject_IsTrue");
	python_symbol(&release, "Py_DecRef");
	if (get == NULL || call == NULL || is_true == NULL || release == NULL)
		return;
	jit = get("_jit");
	enabled = jit == NULL ? NULL : call(jit, "is_enabled", NULL);
	if (enabled == NULL || is_true(enabled) != 0)
		python.layout.mark_kind = PYTHON_MARK_NONE;
	if (enabled != NULL)
		release(enabled);
}
