/* SPDX-License-Identifier: MIT */
/* Code objects and their texts, read straight from the interpreter's memory. */
#include "code.h"

#include <string.h>

#include "arena.h"
#include "hash.h"
#include "lines.h"
#include "lock.h"
#include "names.h"
#include "python.h"
#include "pytext.h"
#include "stack.h"
#include "thread.h"

struct code_shared code_shared;

/* Longest text kept of a name, and the largest piece of a line table in one record. */
#define TEXT_MAX 4096
#define LINES_MAX 8192
#define TABLE_MAX (16U << 20)

static struct {
	struct table strings;  /* hash of a text -> string number */
	struct table contents; /* hash of what a code object says -> its number */
	uint32_t string_count;
	uint32_t code_count;
	uint8_t scratch[TEXT_MAX + 8];
	uint8_t lines[LINES_MAX];
	void (*dealloc)(void *);
} codes;

static void *pointer_at(const void *object, uint32_t offset)
{
	void *p;

	memcpy(&p, (const char *)object + offset, sizeof(p));
	return p;
}

static int64_t long_at(const void *object, uint32_t offset)
{
	int64_t n;

	memcpy(&n, (const char *)object + offset, sizeof(n));
	return n;
}

/* A str object as UTF-8 in codes.scratch, cut at TEXT_MAX. */
static struct pmt_bytes read_text(const void *text)
{
	return (struct pmt_bytes){codes.scratch,
				  pytext_utf8(text, UINT64_MAX, codes.scratch, TEXT_MAX)};
}

/* A bytes object, in place. */
static struct pmt_bytes read_bytes(const void *bytes)
{
	struct pmt_bytes out = {NULL, 0};
	int64_t size;

	if (bytes == NULL)
		return out;
	size = long_at(bytes, python.layout.bytes_size);
	if (size < 0 || size > TABLE_MAX)
		return out;
	out.data = (const uint8_t *)bytes + python.layout.bytes_data;
	out.size = (uint32_t)size;
	return out;
}

/* A key is never 0. */
static uint64_t key_of(uint64_t hash)
{
	return hash == 0 ? 1 : hash;
}

uint32_t code_define_string(struct writer *w, struct pmt_bytes text)
{
	uint64_t key = key_of(pmt_hash(text.data, text.size, 0));
	uint64_t number = table_get(&codes.strings, key);
	struct pmt_string r = {codes.string_count + 1, text};

	if (number != 0)
		return (uint32_t)number;
	if (writer_room(w, PMT_RECORD_MAX + text.size) != 0 ||
	    table_set(&codes.strings, key, r.id) != 0)
		return 0;
	codes.string_count++;
	pmt_put_string(&w->enc, 0, &r);
	writer_commit(w);
	return (uint32_t)r.id;
}

/* Columns are left out, unless the table without them is longer than a record may be. */
static struct pmt_bytes leave_out_columns(struct pmt_code *r, struct pmt_bytes lines)
{
	const long size = r->table == PMT_LINETABLE_LOCATIONS
				  ? lines_compact(lines, codes.lines, sizeof(codes.lines))
				  : -1;

	if (size < 0)
		return lines;
	r->table = PMT_LINETABLE_LINETABLE310;
	r->table_size = (uint64_t)size;
	return (struct pmt_bytes){codes.lines, (uint32_t)size};
}

static int put_code(struct writer *w, struct pmt_code *r, struct pmt_bytes table)
{
	const struct pmt_bytes lines = leave_out_columns(r, table);
	uint32_t done = lines.size < LINES_MAX ? lines.size : LINES_MAX;

	r->lines = (struct pmt_bytes){lines.data, done};
	if (writer_room(w, PMT_RECORD_MAX + done) != 0)
		return -1;
	pmt_put_code(&w->enc, 0, r);
	writer_commit(w);
	while (done < lines.size) {
		uint32_t part = lines.size - done < LINES_MAX ? lines.size - done : LINES_MAX;
		struct pmt_code_lines more = {r->id, {lines.data + done, part}};

		if (writer_room(w, PMT_RECORD_MAX + part) != 0)
			return -1;
		pmt_put_code_lines(&w->enc, 0, &more);
		writer_commit(w);
		done += part;
	}
	return 0;
}

/*
 * From 3.12 on a specialised call of a class runs __init__() on top of a static code object that
 * cleans up afterwards. This glue is known by having one text as its name and its file, and no
 * first line.
 */
int code_is_glue(const void *code)
{
	int32_t first_line;

	memcpy(&first_line, (const char *)code + python.layout.first_line, sizeof(first_line));
	return first_line == 0 &&
	       pointer_at(code, python.layout.name) == pointer_at(code, python.layout.filename);
}

/* Remember NUMBER for the object. */
static uint32_t number_code(const void *code, uint64_t number)
{
	return table_set(&code_shared.numbers, (uintptr_t)code, number) == 0 ? (uint32_t)number : 0;
}

uint32_t code_define(struct writer *w, const void *code)
{
	const struct python_layout *l = &python.layout;
	struct pmt_bytes lines = read_bytes(pointer_at(code, l->linetable));
	struct pmt_code r = {.table = l->linetable_kind, .table_size = lines.size};
	int32_t first_line;
	uint64_t key, number;

	if (code_is_glue(code)) {
		atomic_store_explicit(&code_shared.glue, code, memory_order_relaxed);
		return number_code(code, CODE_LEFT_OUT);
	}
	memcpy(&first_line, (const char *)code + l->first_line, sizeof(first_line));
	r.first_line = first_line < 0 ? 0 : (uint64_t)first_line;
	r.name = code_define_string(w, read_text(pointer_at(code, l->name)));
	r.file = code_define_string(w, read_text(pointer_at(code, l->filename)));
	if (l->qualname != 0)
		r.qualname = code_define_string(w, read_text(pointer_at(code, l->qualname)));
	if (r.name == 0 || r.file == 0)
		return 0;
	/*
	 * Reports cannot tell code objects with the same texts and line table apart, so these
	 * share a number.
	 */
	const uint64_t said[] = {r.name, r.file, r.qualname, r.first_line};

	key = key_of(pmt_hash(lines.data, lines.size, pmt_hash(said, sizeof(said), 0)));
	number = table_get(&codes.contents, key);
	if (number == 0) {
		number = r.id = codes.code_count + 1;
		if (table_set(&codes.contents, key, number) != 0 || put_code(w, &r, lines) != 0)
			return 0;
		codes.code_count++;
	}
	return number_code(code, number);
}

/* Replaces PyCode_Type.tp_dealloc: notes the death of a code object, then calls the original. */
static void code_dealloc(void *code)
{
	if (table_get(&code_shared.numbers, (uintptr_t)code) != 0)
		stack_code_died(code);
	codes.dealloc(code);
}

int code_init(void)
{
	void (**place)(void *) =
		(void (**)(void *))((char *)python.code_type + python.layout.tp_dealloc);

	if (*place == code_dealloc)
		return 0;
	if (*place == NULL)
		return -1;
	codes.dealloc = *place;
	__atomic_store_n(place, code_dealloc, __ATOMIC_RELEASE);
	return 0;
}

void code_reset(void)
{
	table_clear(&code_shared.numbers);
	table_clear(&codes.strings);
	table_clear(&codes.contents);
	codes.string_count = 0;
	codes.code_count = 0;
}
