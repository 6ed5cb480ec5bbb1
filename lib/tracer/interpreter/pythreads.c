/* SPDX-License-Identifier: MIT */
/*
 * Names of threads.
 *
 * Thread.start() is the frame in which a thread is made, and its first local variable is the object
 * of the new thread. Thread.name is a property: the function in the type of properties that sets
 * one is wrapped, so that a new name is heard of on all versions, when it has been set.
 *
 * A name belongs to the number of its thread in the log, and a new thread has none before its first
 * event. So a name waits: whoever comes later of the two, the new thread in the interpreter or the
 * one that made it, takes it and records it.
 */
#include "pythreads.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "lock.h"
#include "objects.h"
#include "python.h"
#include "pytext.h"
#include "sys.h"
#include "thread.h"
#include "trace.h"
#include "tracing.h"

/* In a type, behind the head of an object; the same in all versions. */
#define TYPE_DESCR_GET 256
#define TYPE_DESCR_SET 264
#define TYPE_DICT 248

/* Names that wait at a time; the oldest one is dropped. */
#define WAITING 128U
/* So many of them are looked at by one event of the interpreter. */
#define FEW 8U

typedef int set_function(void *property, void *object, void *value);

/* The functions of the interpreter that are needed; looked up once. None runs code in Python here.
 */
#define API(X)                                                                                     \
	X(void *, PyErr_Occurred, (void))                                                          \
	X(void, PyErr_Clear, (void))                                                               \
	X(void *, PyImport_GetModuleDict, (void))                                                  \
	X(void *, PyModule_GetDict, (void *))                                                      \
	X(void *, PyDict_GetItem, (void *, void *))                                                \
	X(void *, PyDict_GetItemString, (void *, const char *))                                    \
	X(int, PyDict_Next, (void *, intptr_t *, void **, void **))                                \
	X(void *, PyFunction_GetCode, (void *))                                                    \
	X(void *, PyUnicode_InternFromString, (const char *))                                      \
	X(void *, PyObject_GenericGetAttr, (void *, void *))                                       \
	X(unsigned long, PyLong_AsUnsignedLong, (void *))                                          \
	X(int, PyType_IsSubtype, (void *, void *))                                                 \
	X(void *, _PyType_Lookup, (void *, void *))                                                \
	X(void, Py_DecRef, (void *))

static struct {
#define X(result, name, parameters) result(*name) parameters;
	API(X)
#undef X
} api;

struct waiting {
	pthread_t handle;
	int taken; /* nothing is here */
	char name[PYTHREADS_NAME_BYTES];
};

static struct {
	int state; /* 0 not looked up, 1 usable, 2 not */
	set_function *set;
	char *property_type;
	const void *function_type;
	void *text_type;
	const void *long_type;
	/* Thread.name when it was last looked for: it may be gone, and is only compared. */
	const void *property;
	int pid; /* whose threads the names are of */
	struct lock lock;
	_Atomic uint32_t count; /* names that wait */
	uint32_t next;
	uint32_t flushed;
	struct waiting waiting[WAITING];
} names;

static void *word_at(const void *object, uint32_t offset)
{
	void *value;

	memcpy(&value, (const char *)object + offset, sizeof(value));
	return value;
}

static void *type_of(const void *object)
{
	return word_at(object, python.layout.ob_type);
}

/* Of a type. */
static void *slot_of(const void *type, uint32_t slot)
{
	return word_at(type, python.layout.ob_type + 8 + slot);
}

/* --- names that wait --- */

/* In a forked child the other threads are gone, and one of them may have held the lock. */
static void check_fork(void)
{
	const int pid = sys_getpid();

	if (names.pid == pid)
		return;
	names.pid = pid;
	lock_reset(&names.lock);
	memset(names.waiting, 0, sizeof(names.waiting));
	atomic_store(&names.count, 0);
}

static void put_waiting(pthread_t handle, const char *name)
{
	struct waiting *w;

	check_fork();
	if (lock_take_soon(&names.lock) != 0)
		return;
	w = &names.waiting[names.next++ % WAITING];
	if (w->handle == 0 || w->taken)
		atomic_fetch_add(&names.count, 1);
	w->handle = handle;
	w->taken = 0;
	memcpy(w->name, name, PYTHREADS_NAME_BYTES);
	lock_release(&names.lock);
}

/* Take the latest name that waits for HANDLE; 0: none does. */
static int take_waiting(pthread_t handle, char name[PYTHREADS_NAME_BYTES])
{
	int found = 0;

	check_fork();
	if (atomic_load(&names.count) == 0 || lock_take_soon(&names.lock) != 0)
		return 0;
	for (uint32_t i = 0; i < WAITING; i++) {
		struct waiting *w = &names.waiting[(names.next + i) % WAITING];

		if (w->handle == 0 || w->taken || !pthread_equal(w->handle, handle))
			continue;
		w->taken = 1;
		atomic_fetch_sub(&names.count, 1);
		memcpy(name, w->name, PYTHREADS_NAME_BYTES);
		found = 1;
	}
	lock_release(&names.lock);
	return found;
}

/* The number of a thread that has recorded something, or 0. */
static uint32_t number_of(pthread_t handle)
{
	struct thread *t = thread_enter();
	uint32_t number;

	if (t == NULL)
		return 0;
	number = thread_number_of(handle);
	thread_leave(t);
	return number;
}

/* Record the name that waits for HANDLE, if that has a number by now. */
static void deliver_name(pthread_t handle)
{
	char name[PYTHREADS_NAME_BYTES];

	if (number_of(handle) != 0 && take_waiting(handle, name))
		trace_thread_name(handle, name);
}

void pythreads_made(pthread_t handle, const char *name)
{
	put_waiting(handle, name);
	deliver_name(handle);
}

void pythreads_here(void)
{
	const int state = atomic_load_explicit(&thread_self->state, memory_order_relaxed);

	/* The tracer sets a value of its own, too, while it makes a thread's state. */
	if (names.state != 1 || state == THREAD_BUSY || state == THREAD_INSIDE)
		return;
	/* number_of() gives this thread its number: then whoever brings a name later finds it. */
	if (python.of_this_thread() != NULL || atomic_load(&names.count) != 0)
		deliver_name(pthread_self());
}

/* At most so many names. */
static void flush_names(unsigned most)
{
	if (atomic_load_explicit(&names.count, memory_order_relaxed) == 0)
		return;
	for (uint32_t i = 0; i < WAITING && most != 0; i++) {
		const struct waiting *w = &names.waiting[names.flushed++ % WAITING];

		if (w->handle == 0 || w->taken)
			continue;
		deliver_name(w->handle);
		most--;
	}
}

void pythreads_flush(void)
{
	flush_names(FEW);
}

void pythreads_flush_all(void)
{
	flush_names(WAITING);
}

/* --- reading them --- */

/* Of the module `threading`, all borrowed. */
struct module {
	void *thread_type;
	void *active;	       /* dict: ident -> thread */
	const void *code_file; /* co_filename of its functions */
};

/*
 * An attribute of a thread's object, a new reference; NULL: it has none, or a descriptor of its
 * class would have to be asked.
 */
static void *get_attribute(void *thread, const char *name)
{
	void *key = api.PyUnicode_InternFromString(name), *value = NULL;
	const void *descriptor = key == NULL ? NULL : api._PyType_Lookup(type_of(thread), key);

	if (key != NULL &&
	    (descriptor == NULL || (slot_of(type_of(descriptor), TYPE_DESCR_GET) == NULL &&
				    slot_of(type_of(descriptor), TYPE_DESCR_SET) == NULL)))
		value = api.PyObject_GenericGetAttr(thread, key);
	if (value == NULL)
		api.PyErr_Clear();
	if (key != NULL)
		api.Py_DecRef(key);
	return value;
}

/* The name of a thread's object. 0: it has none that is a text. */
static int read_name(void *thread, char name[PYTHREADS_NAME_BYTES])
{
	void *text = get_attribute(thread, "_name");
	uint32_t size = 0;
	int is_text;

	if (text == NULL)
		return 0;
	is_text = type_of(text) == names.text_type;
	if (is_text)
		size = pytext_utf8(text, UINT64_MAX, (uint8_t *)name, PYTHREADS_NAME_BYTES - 4);
	api.Py_DecRef(text);
	name[size] = '\0';
	return is_text;
}

static int is_thread(const struct module *module, void *object)
{
	return object != NULL && api.PyType_IsSubtype(type_of(object), module->thread_type);
}

/* --- the module --- */

static int find_api(void)
{
	int missing = 0;

#define X(result, name, parameters)                                                                \
	python_symbol(&api.name, #name);                                                           \
	missing |= api.name == NULL;
	API(X)
#undef X
	python_symbol(&names.property_type, "PyProperty_Type");
	python_symbol(&names.function_type, "PyFunction_Type");
	python_symbol(&names.text_type, "PyUnicode_Type");
	python_symbol(&names.long_type, "PyLong_Type");
	return missing || names.property_type == NULL || names.function_type == NULL ||
			       names.text_type == NULL || names.long_type == NULL
		       ? -1
		       : 0;
}

/* In the dict of the module. Returns 0, or -1 when it is not as it should be. */
static int read_module(void *dict, struct module *module)
{
	void *type = api.PyDict_GetItemString(dict, "Thread");
	void *own, *property, *function;

	module->thread_type = type;
	module->active = api.PyDict_GetItemString(dict, "_active");
	if (type == NULL || module->active == NULL || type_of(type) != type_of(names.text_type))
		return -1;
	own = slot_of(type, TYPE_DICT);
	property = own == NULL ? NULL : api.PyDict_GetItemString(own, "name");
	function = own == NULL ? NULL : api.PyDict_GetItemString(own, "_bootstrap");
	if (property == NULL || type_of(property) != names.property_type || function == NULL ||
	    type_of(function) != names.function_type)
		return -1;
	names.property = property;
	module->code_file = word_at(api.PyFunction_GetCode(function), python.layout.filename);
	return 0;
}

/* Is the module there, and may it be asked? Attached. */
static int find_module(struct module *module)
{
	void *found;
	int rc = -1;

	if (names.state != 1 || !tracing_is_own() || api.PyErr_Occurred() != NULL ||
	    (python.is_finalizing != NULL && python.is_finalizing()))
		return 0;
	found = api.PyDict_GetItemString(api.PyImport_GetModuleDict(), "threading");
	if (found != NULL)
		rc = read_module(api.PyModule_GetDict(found), module);
	api.PyErr_Clear();
	return rc == 0;
}

/* What is made between these is not the program's. */
static struct thread *begin_look(void)
{
	objects_self.paused = 1;
	return thread_inside();
}

static void end_look(struct thread *t)
{
	thread_outside(t);
	objects_self.paused = 0;
}

/* This thread's innermost frame of a function in Python. */
static const char *innermost_frame(const char *state)
{
	const struct python_layout *l = &python.layout;
	const char *frame = word_at(state, l->tstate_frame);

	if (frame != NULL && l->has_cframe)
		frame = word_at(frame, l->cframe_frame);
	while (frame != NULL && l->has_owner &&
	       (unsigned char)frame[l->owner] >= PYTHON_OWNER_INTERPRETER)
		frame = word_at(frame, l->previous);
	return frame;
}

/* Is CODE one of the methods of Thread by which a name becomes the system's affair? */
static int is_start(const struct module *module, const void *code)
{
	char name[32];
	uint32_t size;

	if (word_at(code, python.layout.filename) != module->code_file)
		return 0;
	size = pytext_utf8(word_at(code, python.layout.name), 16, (uint8_t *)name, 16);
	name[size] = '\0';
	return strcmp(name, "start") == 0 || strcmp(name, "_set_os_name") == 0;
}

/* The same of a pointer that may have a tag. */
static void *object_at(const char *frame, uint32_t offset)
{
	return (void *)((uintptr_t)word_at(frame, offset) & ~(uintptr_t)7);
}

int pythreads_calls(char name[PYTHREADS_NAME_BYTES])
{
	const char *state, *frame;
	struct module module;
	struct thread *t;
	void *self;
	int found = 0;

	if (names.state != 1 || !tracing_is_on() || !python.is_initialized())
		return 0;
	state = python_attached_state((uintptr_t)pthread_self());
	frame = state == NULL ? NULL : innermost_frame(state);
	if (frame == NULL)
		return 0;
	t = begin_look();
	if (find_module(&module) && is_start(&module, object_at(frame, python.layout.executable))) {
		self = object_at(frame, python.layout.locals);
		found = is_thread(&module, self) && read_name(self, name);
	}
	end_look(t);
	return found;
}

/* Of a thread that runs; a start reads the name again. Returns 1, its HANDLE and its NAME. */
static int read_running(void *thread, pthread_t *handle, char name[PYTHREADS_NAME_BYTES])
{
	struct module module;
	void *ident = NULL;
	int found = 0;

	if (find_module(&module) && is_thread(&module, thread))
		ident = get_attribute(thread, "_ident");
	if (ident == NULL)
		return 0;
	if (type_of(ident) == names.long_type &&
	    api.PyDict_GetItem(module.active, ident) == thread) {
		*handle = (pthread_t)api.PyLong_AsUnsignedLong(ident);
		found = read_name(thread, name);
	}
	api.Py_DecRef(ident);
	return found;
}

/* In place of PyProperty_Type.tp_descr_set. */
static int on_set(void *property, void *object, void *value)
{
	const int rc = names.set(property, object, value);
	char name[PYTHREADS_NAME_BYTES];
	pthread_t handle;
	struct thread *t;
	int found;

	if (rc != 0 || object == NULL || !tracing_is_on() ||
	    (names.property != NULL ? property != names.property
				    : strstr(slot_of(type_of(object), 8), "Thread") == NULL))
		return rc;
	t = begin_look();
	found = read_running(object, &handle, name);
	end_look(t);
	if (found)
		pythreads_made(handle, name);
	return 0;
}

void pythreads_start(void)
{
	set_function *ours = on_set;
	char *place;

	if (names.state != 0 || !python.walkable)
		return;
	names.state = find_api() == 0 ? 1 : 2;
	if (names.state == 2)
		return;
	place = names.property_type + python.layout.ob_type + 8 + TYPE_DESCR_SET;
	memcpy(&names.set, place, sizeof(names.set));
	__atomic_store_n((set_function **)(void *)place, ours, __ATOMIC_RELEASE);
}

void pythreads_begin(void)
{
	char name[PYTHREADS_NAME_BYTES];
	struct module module;
	void *ident, *thread;
	intptr_t at = 0;

	pythreads_start();
	/* Without the interpreter's lock others may change the dict meanwhile. */
	if (names.state != 1 || python.free_threaded || python.current() == NULL ||
	    !find_module(&module))
		return;
	while (api.PyDict_Next(module.active, &at, &ident, &thread))
		/* The main thread is called as the program is, until that gives it a name. */
		if (type_of(ident) == names.long_type && is_thread(&module, thread) &&
		    read_name(thread, name) && strcmp(name, "MainThread") != 0)
			pythreads_made((pthread_t)api.PyLong_AsUnsignedLong(ident), name);
}
