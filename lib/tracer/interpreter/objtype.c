/* SPDX-License-Identifier: MIT */
/* Types of objects: what they are called, and whether their objects are wanted. */
#include "objtype.h"

#include <link.h>
#include <string.h>

#include "code.h"
#include "glob.h"
#include "logfile.h"
#include "python.h"
#include "stack.h"
#include "thread.h"
#include "tracing.h"

struct table objtype_words;
_Atomic uint64_t objtype_epoch;

/* tp_flags, as in Include/object.h. */
#define FLAG_HEAPTYPE (1ULL << 9)
#define FLAG_HAVE_GC (1ULL << 14)
#define FLAG_TYPE_SUBCLASS (1ULL << 31)

/* In a type, behind the head of an object; the same in all versions. */
#define TYPE_NAME 8
#define TYPE_BASICSIZE 16
#define TYPE_ITEMSIZE 24
#define TYPE_FLAGS 152

/* Longest name kept of a type. */
#define NAME_MAX_BYTES 1000U

#define IMAGES 4

static struct {
	int looked_up;
	uint32_t head; /* bytes of an object's head */
	const void *frame_type;
	struct {
		uintptr_t start, end;
	} images[IMAGES]; /* of the interpreter */
	unsigned image_count;
	struct table numbers; /* of a name -> number of the type */
	uint32_t count;
} types;

static uint64_t word_in(const void *data, uint32_t offset)
{
	uint64_t value;

	memcpy(&value, (const char *)data + offset, sizeof(value));
	return value;
}

/*
 * Where the interpreter's own types can be. A program that is linked with libpython in the old way
 * has copies of some of them in itself.
 */
static const char *const probes[] = {"Py_IsInitialized", "PyType_Type",	   "PyLong_Type",
				     "PyUnicode_Type",	 "PyDict_Type",	   "PyList_Type",
				     "PyTuple_Type",	 "PyFloat_Type",   "PyBytes_Type",
				     "PyBool_Type",	 "PyFunction_Type"};

static int has_probe(uintptr_t start, uintptr_t end)
{
	uintptr_t probe;

	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		python_symbol(&probe, probes[i]);
		if (probe - start < end - start)
			return 1;
	}
	return 0;
}

static int add_image(struct dl_phdr_info *info, size_t size, void *data)
{
	uintptr_t start = UINTPTR_MAX, end = 0;

	(void)size;
	(void)data;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		const uintptr_t at = info->dlpi_addr + part->p_vaddr;

		if (part->p_type != PT_LOAD)
			continue;
		start = at < start ? at : start;
		end = at + part->p_memsz > end ? at + part->p_memsz : end;
	}
	if (start < end && has_probe(start, end) && types.image_count < IMAGES) {
		types.images[types.image_count].start = start;
		types.images[types.image_count++].end = end;
	}
	return 0;
}

int objtype_start(void)
{
	const uint64_t flags = FLAG_TYPE_SUBCLASS | FLAG_HAVE_GC;
	const void *type;

	python_symbol(&type, "PyType_Type");
	if (!python.walkable || type == NULL)
		return -1;
	types.head = python.layout.ob_type + 8;
	python_symbol(&types.frame_type, "PyFrame_Type");
	if (!types.looked_up) {
		types.looked_up = 1;
		(void)dl_iterate_phdr(add_image, NULL);
	}
	/* The type of types tells whether the flags are where they should be. */
	return (word_in(type, types.head + TYPE_FLAGS) & flags) == flags ? 0 : -1;
}

void objtype_forget(void)
{
	struct table_body *words = atomic_load(&objtype_words.body);

	/* It is read by whoever makes an object, so its memory stays. */
	for (uint64_t i = 0; words != NULL && i <= words->mask; i++)
		atomic_store(&words->entries[i].value, 0);
	atomic_fetch_add(&objtype_epoch, 1);
}

void objtype_reset(void)
{
	objtype_forget();
	table_clear(&types.numbers);
	types.count = 0;
}

/* Types whose names say a module although they are as much the interpreter's own as the others. */
static const char *const own_names[] = {"collections.OrderedDict", "weakref.ReferenceType",
					"weakref.ProxyType", "weakref.CallableProxyType",
					"pickle.PickleBuffer"};

/*
 * A type of the interpreter itself: made by no program at run time, with no module in its name.
 * What modules of the standard library bring counts as theirs, wherever they are linked in.
 */
static int is_builtin(const void *type, const char *name)
{
	int inside = 0;

	if (word_in(type, types.head + TYPE_FLAGS) & FLAG_HEAPTYPE)
		return 0;
	for (unsigned i = 0; i < types.image_count; i++)
		inside |= (uintptr_t)type - types.images[i].start <
			  types.images[i].end - types.images[i].start;
	if (!inside)
		return 0;
	if (strchr(name, '.') == NULL)
		return 1;
	for (size_t i = 0; i < sizeof(own_names) / sizeof(own_names[0]); i++)
		if (strcmp(name, own_names[i]) == 0)
			return 1;
	return 0;
}

/*
 * Frames and code objects are never wanted: the tracer itself reads them to say where an event
 * was.
 */
static int is_wanted(const void *type, const char *name, int builtin)
{
	const struct pmt_options *o = tracing_options();

	if (type == python.code_type || type == types.frame_type || (builtin && !o->builtin_types))
		return 0;
	if (o->exclude_types[0] != '\0' && glob_list_match(o->exclude_types, name))
		return 0;
	return o->include_types[0] == '\0' || glob_list_match(o->include_types, name);
}

/* Number of the types of this name, written to the log when it is new; 0 when it cannot be. */
static uint32_t define_type(struct writer *w, const char *name, int builtin)
{
	const struct pmt_bytes text = {(const uint8_t *)name,
				       (uint32_t)strnlen(name, NAME_MAX_BYTES)};
	struct pmt_object_type r = {types.count + 1, code_define_string(w, text),
				    (unsigned)builtin};
	const uint64_t key = r.name << 1 | r.builtin;
	const uint32_t number = (uint32_t)table_get(&types.numbers, key);

	if (number != 0)
		return number;
	if (r.name == 0 || r.id > OBJLIVE_NUMBER || writer_room(w, PMT_RECORD_MAX) != 0 ||
	    table_set(&types.numbers, key, r.id) != 0)
		return 0;
	types.count++;
	pmt_put_object_type(&w->enc, 0, &r);
	writer_commit(w);
	return (uint32_t)r.id;
}

/* All of the word but the number. */
static uint64_t describe_type(const void *type)
{
	const uint64_t flags = word_in(type, types.head + TYPE_FLAGS);
	const uint64_t size = word_in(type, types.head + TYPE_BASICSIZE);
	const struct python_types *known = &python.known->types;
	uint64_t word = OBJTYPE_KNOWN, skip = 0;

	if (flags & FLAG_HAVE_GC && !python.free_threaded)
		skip += 1;
	if (flags & (known->managed_dict | known->managed_weakref))
		skip += 1;
	if (flags & FLAG_TYPE_SUBCLASS)
		word |= OBJTYPE_META;
	if (word_in(type, types.head + TYPE_ITEMSIZE) != 0)
		word |= OBJTYPE_VARIABLE;
	return word | skip << OBJTYPE_SKIP_SHIFT |
	       (size < 1U << 24 ? size : 0) << OBJTYPE_SIZE_SHIFT;
}

/*
 * If the end of the type is not told, that of its memory is. A cell without a number says so; there
 * is one already when types are recorded as objects.
 */
static void watch_type(const void *type)
{
	const uint64_t meta = describe_type((const void *)word_in(type, python.layout.ob_type));
	_Atomic uint32_t *cell;
	uint32_t none = 0;

	if (!(word_in(type, types.head + TYPE_FLAGS) & FLAG_HEAPTYPE))
		return;
	cell = objlive_make((uintptr_t)type - objtype_skip(meta));
	if (cell != NULL)
		(void)atomic_compare_exchange_strong(cell, &none,
						     OBJLIVE_DYING | objtype_cell(meta));
}

uint64_t objtype_learn(const void *type)
{
	const char *name = (const char *)word_in(type, types.head + TYPE_NAME);
	const int builtin = name != NULL && is_builtin(type, name);
	uint64_t word = describe_type(type), known;
	struct writer *w;

	if (name == NULL)
		name = "";
	if (!is_wanted(type, name, builtin))
		word |= OBJTYPE_REJECTED;
	w = stack_definitions();
	known = objtype_find(type);
	if (known == 0) {
		if (!(word & OBJTYPE_REJECTED))
			word |= define_type(w, name, builtin);
		if ((!(word & OBJTYPE_REJECTED) && objtype_number(word) == 0) ||
		    table_set(&objtype_words, (uintptr_t)type, word) != 0)
			word = 0;
	} else {
		word = known;
	}
	stack_definitions_done();
	watch_type(type);
	return word;
}

void objtype_gone(const void *type)
{
	/* As in stack_code_died(). */
	int nested = atomic_load_explicit(&thread_self->state, memory_order_relaxed) == THREAD_BUSY;
	struct thread *t = nested || objtype_find(type) == 0 ? NULL : thread_enter();

	if (objtype_find(type) == 0)
		return;
	if (!nested)
		(void)stack_definitions();
	(void)table_set(&objtype_words, (uintptr_t)type, 0);
	atomic_fetch_add(&objtype_epoch, 1);
	if (!nested)
		stack_definitions_done();
	if (t != NULL)
		thread_leave(t);
}
