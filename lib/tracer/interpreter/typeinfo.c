/* SPDX-License-Identifier: MIT */
/* Objects, types and their names in the interpreter's memory. */
#include "typeinfo.h"

#include <string.h>

#include "arena.h"
#include "python.h"
#include "pytext.h"
#include "sys.h"
#include "table.h"
#include "types.h"

/* tp_flags, as in Include/object.h. */
#define FLAG_HEAPTYPE (1ULL << 9)
#define FLAG_HAVE_GC (1ULL << 14)
#define FLAG_TYPE_SUBCLASS (1ULL << 31)

/* In a type, behind the head of an object; the same in all versions. */
#define TYPE_NAME 8
#define TYPE_BASICSIZE 16
#define TYPE_FLAGS 152
#define TYPE_DICT 248
#define TYPE_BYTES 160 /* what is read of it */

/* So many characters of a text are read, behind the longest head that a str object has. */
#define TEXT_CHARACTERS 256U
#define TEXT_HEAD 96U

/* Metaclasses of metaclasses, no program has more. */
#define META_DEPTH 8

/* Looks by the kernel in one census; beyond them a word that is not known is no type. */
#define BUDGET 300000U

#define FIRST_ROOM 2048U

static struct {
	uint32_t head; /* bytes of an object's head */
	uint32_t qualname;
	uintptr_t type_type;
	uintptr_t text_type;
	uintptr_t dict_type;
} known;

static uint64_t word_in(const void *data, uint32_t offset)
{
	uint64_t value;

	memcpy(&value, (const char *)data + offset, sizeof(value));
	return value;
}

/* The cell of the index that has the type at ADDRESS, or is free for it. */
static uint32_t *cell_of(const struct typeinfo *info, uintptr_t address)
{
	for (uint64_t i = table_hash(address);; i++) {
		uint32_t *cell = &info->index[i & info->index_mask];

		if (*cell == 0 || info->types[*cell - 1].address == address)
			return cell;
	}
}

void typeinfo_fini(struct typeinfo *info)
{
	if (info->types != NULL)
		(void)sys_munmap(info->types, info->room * sizeof(*info->types));
	if (info->index != NULL)
		(void)sys_munmap(info->index, (info->index_mask + 1UL) * sizeof(*info->index));
}

static int grow_types(struct typeinfo *info)
{
	const uint32_t room = info->room == 0 ? FIRST_ROOM : info->room * 2;
	const size_t cells = (size_t)room * 2;
	uint32_t *index = sys_memory(cells * sizeof(*index));
	struct typeinfo_type *types = index == NULL ? NULL : sys_memory(room * sizeof(*types));

	if (types == NULL) {
		if (index != NULL)
			(void)sys_munmap(index, cells * sizeof(*index));
		return -1;
	}
	if (info->count != 0)
		memcpy(types, info->types, info->count * sizeof(*types));
	typeinfo_fini(info);
	info->types = types;
	info->room = room;
	info->index = index;
	info->index_mask = (uint32_t)cells - 1;
	for (uint32_t i = 0; i < info->count; i++)
		*cell_of(info, types[i].address) = i + 1;
	return 0;
}

static struct typeinfo_type *find_type(const struct typeinfo *info, uintptr_t address)
{
	const uint32_t *cell = cell_of(info, address);

	return *cell == 0 ? NULL : &info->types[*cell - 1];
}

enum life { LIFE_NONE, LIFE_DEAD, LIFE_ALIVE };

/* What the head of an object says about its references: none, dead, or not the head of an object.
 */
static enum life life_of(const void *object)
{
	const uint64_t first = word_in(object, 0);

	if (python.free_threaded) {
		/* Thread; flags, mutex, bits, 4 bytes of local references; shared ones. */
		const uint64_t local = word_in(object, 8) >> 32;
		const int64_t shared = (int64_t)word_in(object, 16) >> 2;

		return local == 0 && shared == 0 ? LIFE_DEAD : LIFE_ALIVE;
	}
	if (first == 0)
		return LIFE_DEAD;
	/* Flags are in the upper half, in its upper half again. */
	if (first >> 32 != 0 &&
	    (!python.known->types.head_has_flags || (first >> 32 & 0xff00ffff) != 0))
		return LIFE_NONE;
	return (uint32_t)first == 0 ? LIFE_DEAD : LIFE_ALIVE;
}

/* Bytes that the objects of a type with FLAGS have before them. */
static uint32_t skip_of(uint64_t flags)
{
	const struct python_types *types = &python.known->types;
	const uint64_t managed = types->managed_dict | types->managed_weakref;
	uint32_t skip = 0;

	if (flags & FLAG_HAVE_GC && !python.free_threaded)
		skip += 16;
	return flags & managed ? skip + 16 : skip;
}

/* Copy the beginning of the type at ADDRESS; -1 when it cannot be one. */
static int read_type(struct typeinfo *info, uintptr_t address, char type[TYPE_BYTES + 64])
{
	if (info->budget == 0)
		return -1;
	info->budget--;
	if (sys_peek(info->pid, type, address, known.head + TYPE_BYTES) != 0)
		return -1;
	const uint64_t basicsize = word_in(type, known.head + TYPE_BASICSIZE);

	return life_of(type) == LIFE_ALIVE && basicsize >= known.head && basicsize < 1ULL << 32
		       ? 0
		       : -1;
}

/* Is this the type of types, or a subclass of it? */
static int is_metatype(struct typeinfo *info, uintptr_t address)
{
	char type[TYPE_BYTES + 64];

	for (int i = 0; i < META_DEPTH; i++) {
		if (address == known.type_type)
			return 1;
		if (address % 8 != 0 || read_type(info, address, type) != 0 ||
		    !(word_in(type, known.head + TYPE_FLAGS) & FLAG_TYPE_SUBCLASS))
			return 0;
		address = word_in(type, python.layout.ob_type);
	}
	return 0;
}

/*
 * Where an object at ADDRESS would have its type, when that lies in a live block, which may be
 * looked at without asking the kernel. NULL: it does not, or nobody knows.
 */
static const void *word_in_block(uintptr_t address)
{
	const uintptr_t at = address + python.layout.ob_type;

	/* A block is mapped with the page in which it begins. */
	for (uintptr_t skip = 16; skip <= 32 && !types_are_several(); skip += 16)
		if (types_is_live(address - skip) && (at + 8 - 1) >> 12 == (address - skip) >> 12)
			return (const void *)at;
	return NULL;
}

/*
 * Could there be a type at ADDRESS? Weeds out what blocks are full of: pointers to other objects,
 * and to the heads of their neighbours. Where a block begins there is no type, because types have a
 * head before them. In a block the type of a type must be a type that is known, or look like one,
 * too; DEPTH times.
 */
static int is_plausible(const struct typeinfo *info, uintptr_t address, int depth)
{
	const struct typeinfo_type *type;
	const void *word;

	if (address % 8 != 0 || address < 4096 || address >= 1ULL << 56 ||
	    info->negatives[table_hash(address) % TYPEINFO_NEGATIVES] == address ||
	    (!python.free_threaded && types_is_live(address)))
		return 0;
	word = word_in_block(address);
	if (word == NULL)
		return 1;
	type = find_type(info, word_in(word, 0));
	if (type != NULL)
		return type->is_meta;
	return depth > 0 && is_plausible(info, word_in(word, 0), depth - 1);
}

/* See whether there is a type at ADDRESS, and remember it. */
static struct typeinfo_type *examine_type(struct typeinfo *info, uintptr_t address)
{
	char type[TYPE_BYTES + 64];

	if (!is_plausible(info, address, 1))
		return NULL;
	if (read_type(info, address, type) != 0 ||
	    !is_metatype(info, word_in(type, python.layout.ob_type)) ||
	    ((info->count + 1) * 4ULL > info->room * 3ULL && grow_types(info) != 0)) {
		info->negatives[table_hash(address) % TYPEINFO_NEGATIVES] = address;
		return NULL;
	}
	struct typeinfo_type *found = &info->types[info->count++];

	found->address = address;
	found->skip = (uint16_t)skip_of(word_in(type, known.head + TYPE_FLAGS));
	found->is_meta = (word_in(type, known.head + TYPE_FLAGS) & FLAG_TYPE_SUBCLASS) != 0;
	*cell_of(info, address) = info->count;
	return found;
}

int typeinfo_start(void)
{
	const uint64_t flags = FLAG_TYPE_SUBCLASS | FLAG_HAVE_GC;
	const char *type;

	python_symbol(&type, "PyType_Type");
	if (!python.walkable || type == NULL)
		return -1;
	known.head = python.layout.ob_type + 8;
	known.qualname = known.head + python.known->types.qualname;
	known.type_type = (uintptr_t)type;
	python_symbol(&known.text_type, "PyUnicode_Type");
	python_symbol(&known.dict_type, "PyDict_Type");
	/* The type of types tells whether the flags are where they should be. */
	return (word_in(type, known.head + TYPE_FLAGS) & flags) == flags ? 0 : -1;
}

int typeinfo_init(struct typeinfo *info, int pid)
{
	info->pid = pid;
	info->last_id = TYPEINFO_FIRST - 1;
	info->budget = BUDGET;
	if (grow_types(info) != 0)
		return -1;
	/* The type of most types is needed to tell them; and here shows whether the kernel helps.
	 */
	return examine_type(info, known.type_type) != NULL ? 0 : -1;
}

/* Where dead floats are chained by the word of their type, each points to another dead block. */
static int is_dead_float(const void *head)
{
	const uintptr_t next = word_in(head, 8);

	return python.known->chains_floats && !python.free_threaded && word_in(head, 0) == 0 &&
	       next != 0 && types_is_live(next);
}

/*
 * The type of the object that HEAD is the beginning of, if it is one. The first place is right:
 * behind the head of an object its own words begin, and these may be types, as in a tuple of some.
 */
static struct typeinfo_type *look_at_head(struct typeinfo *info, const void *head, size_t size)
{
	for (uint32_t skip = 0; skip + known.head <= size; skip += 16) {
		const uintptr_t address = word_in(head, skip + python.layout.ob_type);
		/* Neighbours are of one type more often than not. */
		struct typeinfo_type *found = &info->types[info->last];

		if (found->address != address)
			found = find_type(info, address);
		if (found == NULL)
			found = examine_type(info, address);
		if (found != NULL && found->skip == skip)
			return found;
	}
	return NULL;
}

uint32_t typeinfo_look(struct typeinfo *info, const void *head, size_t size,
		       struct typeinfo_type **type)
{
	struct typeinfo_type *found = look_at_head(info, head, size);

	if (found == NULL)
		return is_dead_float(head) ? TYPEINFO_FREE : TYPEINFO_NONE;
	info->last = (uint32_t)(found - info->types);
	switch (life_of((const char *)head + found->skip)) {
	case LIFE_NONE:
		return TYPEINFO_NONE;
	case LIFE_DEAD:
		return TYPEINFO_FREE;
	default:
		break;
	}
	if (found->id == 0)
		found->id = ++info->last_id;
	*type = found;
	return found->id;
}

/* --- names --- */

/* The str object at ADDRESS, if there is one, as UTF-8 of at most SIZE - 4 bytes. */
static uint32_t read_text(const struct typeinfo *info, uintptr_t address, uint8_t *out,
			  uint32_t size)
{
	uint8_t copy[TEXT_HEAD + 4 * TEXT_CHARACTERS] = {0};
	size_t there = sizeof(copy);

	/* Short ones may lie at the end of what is mapped. */
	while (sys_peek(info->pid, copy, address, there) != 0)
		if ((there /= 2) < 64)
			return 0;
	if (word_in(copy, python.layout.ob_type) != known.text_type)
		return 0;
	return pytext_utf8(copy, there < TEXT_HEAD ? there - 56 : (there - TEXT_HEAD) / 4, out,
			   size - 4);
}

/* A C string at ADDRESS. */
static uint32_t read_string(const struct typeinfo *info, uintptr_t address, uint8_t *out,
			    uint32_t size)
{
	uint32_t used = 0;

	for (; used + 1 < size; used++)
		if (sys_peek(info->pid, &out[used], address + used, 1) != 0 || out[used] == '\0')
			break;
	return used;
}

/* A table of the keys of a dict; where the entries are and how they look depends on the version. */
struct keys {
	uintptr_t entries;
	uint64_t count;
	uint32_t stride;
	uint32_t key; /* in an entry; the value follows */
};

static int read_keys(const struct typeinfo *info, uintptr_t dict, struct keys *keys)
{
	uint8_t head[64];
	uint8_t table[40];
	uintptr_t address;
	unsigned bits;

	/* Of a dict: used, version, keys, values; the last are those of an object, not of a class.
	 */
	if (sys_peek(info->pid, head, dict, known.head + 32) != 0 ||
	    word_in(head, python.layout.ob_type) != known.dict_type ||
	    word_in(head, known.head + 24) != 0)
		return -1;
	address = word_in(head, known.head + 16);
	if (sys_peek(info->pid, table, address, sizeof(table)) != 0)
		return -1;
	if (python.known->types.keys_have_log) {
		/* Bytes: log2 of the size, log2 of the index's size, kind. */
		bits = table[9];
		keys->count = word_in(table, 24);
		keys->stride = table[10] == 0 ? 24 : 16;
		keys->entries = address + 32 + (1ULL << (bits & 63));
	} else {
		const uint64_t size = word_in(table, 8);
		const uint64_t item = size <= 0xff	   ? 1
				      : size <= 0xffff	   ? 2
				      : size <= 0xffffffff ? 4
							   : 8;

		bits = 0;
		keys->count = word_in(table, 32);
		keys->stride = 24;
		keys->entries = address + 40 + size * item;
	}
	keys->key = keys->stride - 16;
	return bits < 40 && keys->count < 1U << 20 ? 0 : -1;
}

/* `__module__` of the class whose dict this is; mostly its first entry. */
static uint32_t read_module(const struct typeinfo *info, uintptr_t dict, uint8_t *out,
			    uint32_t size)
{
	struct keys keys;
	uint8_t name[20];

	if (dict == 0 || read_keys(info, dict, &keys) != 0)
		return 0;
	for (uint64_t i = 0; i < keys.count && i < 1000; i++) {
		uintptr_t pair[2];

		if (sys_peek(info->pid, pair, keys.entries + i * keys.stride + keys.key,
			     sizeof(pair)) != 0)
			return 0;
		if (pair[0] != 0 && read_text(info, pair[0], name, sizeof(name)) == 10 &&
		    memcmp(name, "__module__", 10) == 0)
			return read_text(info, pair[1], out, size);
	}
	return 0;
}

/* "collections.deque": the part before the last point is the module. */
static void split_name(struct typeinfo_name *name)
{
	uint32_t point = name->name_size;

	while (point > 0 && name->name[point - 1] != '.')
		point--;
	if (point == 0) {
		memcpy(name->module, "builtins", 8);
		name->module_size = 8;
		return;
	}
	if (point > sizeof(name->module))
		return;
	name->module_size = point - 1;
	memcpy(name->module, name->name, name->module_size);
	name->name_size -= point;
	memmove(name->name, name->name + point, name->name_size);
}

void typeinfo_name(const struct typeinfo *info, uintptr_t type, struct typeinfo_name *name)
{
	char copy[TYPE_BYTES + 64];
	uintptr_t words[2] = {0, 0};

	name->module_size = name->name_size = 0;
	if (sys_peek(info->pid, copy, type, known.head + TYPE_BYTES) != 0)
		return;
	if (word_in(copy, known.head + TYPE_FLAGS) & FLAG_HEAPTYPE &&
	    sys_peek(info->pid, &words[0], type + known.head + TYPE_DICT, 8) == 0 &&
	    sys_peek(info->pid, &words[1], type + known.qualname, 8) == 0) {
		name->name_size = read_text(info, words[1], name->name, sizeof(name->name));
		name->module_size = read_module(info, words[0], name->module, sizeof(name->module));
	}
	if (name->name_size != 0)
		return;
	name->name_size = read_string(info, word_in(copy, known.head + TYPE_NAME), name->name,
				      sizeof(name->name));
	split_name(name);
}
