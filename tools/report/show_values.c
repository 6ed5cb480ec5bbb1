/* SPDX-License-Identifier: MIT */
/* The printers of values, a pair for each `show` kind of records.def: as text and as a member of a
 * JSON object. */
#include "show_values.h"

#include <string.h>
#include <sys/mman.h>

#include "escape.h"
#include "names.h"

/* No tracer keeps more frames; a hostile log may have a million, and print them for each event. */
#define STACK_MAX 16384

void show_number(FILE *out, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n != 0);
	fwrite_unlocked(digits + i, 1, sizeof(digits) - i, out);
}

static void put_hex(FILE *out, uint64_t n)
{
	char digits[18];
	size_t i = sizeof(digits);

	do {
		digits[--i] = "0123456789abcdef"[n & 15];
		n >>= 4;
	} while (n != 0);
	digits[--i] = 'x';
	digits[--i] = '0';
	fwrite_unlocked(digits + i, 1, sizeof(digits) - i, out);
}

void show_word(FILE *out, const char *text)
{
	fputs_unlocked(text, out);
}

static void put_json_string(FILE *out, const void *text, size_t size)
{
	putc_unlocked('"', out);
	escape_json(out, text, size);
	putc_unlocked('"', out);
}

static void put_key(const struct show *show, const char *key)
{
	show_word(show->out, ",\"");
	show_word(show->out, key);
	show_word(show->out, "\":");
}

static void json_member(const struct show *show, const char *key, const char *text)
{
	put_key(show, key);
	put_json_string(show->out, text, strlen(text));
}

void show_seconds(FILE *out, uint64_t time_ns, unsigned digits)
{
	char decimals[10];
	uint64_t rest = time_ns % 1000000000;

	for (size_t i = 9; i-- > 0; rest /= 10)
		decimals[i] = (char)('0' + rest % 10);
	show_number(out, time_ns / 1000000000);
	putc_unlocked('.', out);
	fwrite_unlocked(decimals, 1, digits < 9 ? digits : 9, out);
}

uint64_t show_since_start(const struct show *show, uint64_t time_ns)
{
	uint64_t start_ns = reader_header(show->reader)->start_ns;

	return time_ns > start_ns ? time_ns - start_ns : 0;
}

/* dec, size: numbers. */
static void text_dec(const struct show *show, const struct value *value)
{
	show_number(show->out, value->number);
}

static void json_dec(const struct show *show, const struct value *value)
{
	put_key(show, value->name);
	show_number(show->out, value->number);
}
const struct show_kind show_kind_dec = {text_dec, json_dec};
const struct show_kind show_kind_size = {text_dec, json_dec};

/* time: seconds since the start. */
static void text_time(const struct show *show, const struct value *value)
{
	show_seconds(show->out, show_since_start(show, value->number), 9);
}

static void json_time(const struct show *show, const struct value *value)
{
	put_key(show, value->name);
	show_seconds(show->out, show_since_start(show, value->number), 9);
}
const struct show_kind show_kind_time = {text_time, json_time};

/* hex, addr: hexadecimal; JSON spells "addr" out. */
static void text_hex(const struct show *show, const struct value *value)
{
	put_hex(show->out, value->number);
}

static void json_hex(const struct show *show, const struct value *value)
{
	put_key(show, value->name);
	putc_unlocked('"', show->out);
	put_hex(show->out, value->number);
	putc_unlocked('"', show->out);
}
const struct show_kind show_kind_hex = {text_hex, json_hex};

static void json_addr(const struct show *show, const struct value *value)
{
	struct value named = *value;

	named.name = strcmp(value->name, "old_addr") == 0 ? "old_address" : "address";
	json_hex(show, &named);
}
const struct show_kind show_kind_addr = {text_hex, json_addr};

/* Numbers with names; one without is printed as a number. */
static void text_named(const struct show *show, const char *set, uint64_t number)
{
	const char *name = pmt_name(set, number);

	if (name != NULL)
		show_word(show->out, name);
	else
		show_number(show->out, number);
}

static void json_named(const struct show *show, const char *set, const struct value *value)
{
	put_key(show, value->name);
	putc_unlocked('"', show->out);
	text_named(show, set, value->number);
	putc_unlocked('"', show->out);
}

#define SHOW_NAMED(kind, SET)                                                                      \
	static void text_##kind(const struct show *show, const struct value *value)                \
	{                                                                                          \
		text_named(show, SET, value->number);                                              \
	}                                                                                          \
	static void json_##kind(const struct show *show, const struct value *value)                \
	{                                                                                          \
		json_named(show, SET, value);                                                      \
	}                                                                                          \
	const struct show_kind show_kind_##kind = {text_##kind, json_##kind};
#define SHOW_KIND(kind)
#include "show_kinds.def"
#undef SHOW_KIND
#undef SHOW_NAMED

/* prot: as in /proc/PID/maps, and further bits as a number. */
static void text_prot(const struct show *show, const struct value *value)
{
	const uint64_t known = PROT_READ | PROT_WRITE | PROT_EXEC;

	putc_unlocked(value->number & PROT_READ ? 'r' : '-', show->out);
	putc_unlocked(value->number & PROT_WRITE ? 'w' : '-', show->out);
	putc_unlocked(value->number & PROT_EXEC ? 'x' : '-', show->out);
	if (value->number & ~known) {
		putc_unlocked('+', show->out);
		put_hex(show->out, value->number & ~known);
	}
}

static void json_prot(const struct show *show, const struct value *value)
{
	put_key(show, value->name);
	putc_unlocked('"', show->out);
	text_prot(show, value);
	putc_unlocked('"', show->out);
}
const struct show_kind show_kind_prot = {text_prot, json_prot};

/* mapflags: names with bars between them. */
static void text_mapflags(const struct show *show, const struct value *value)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} flags[] = {
		{MAP_SHARED, "shared"},	      {MAP_PRIVATE, "private"},	    {MAP_FIXED, "fixed"},
		{MAP_ANONYMOUS, "anonymous"}, {MAP_GROWSDOWN, "growsdown"}, {MAP_LOCKED, "locked"},
		{MAP_NORESERVE, "noreserve"}, {MAP_POPULATE, "populate"},   {MAP_STACK, "stack"},
		{MAP_HUGETLB, "hugetlb"},
	};
	uint64_t left = value->number;
	const char *between = "";

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (!(left & flags[i].bit))
			continue;
		show_word(show->out, between);
		show_word(show->out, flags[i].name);
		left &= ~flags[i].bit;
		between = "|";
	}
	if (left != 0 || value->number == 0) {
		show_word(show->out, between);
		put_hex(show->out, left);
	}
}

static void json_mapflags(const struct show *show, const struct value *value)
{
	put_key(show, value->name);
	putc_unlocked('"', show->out);
	text_mapflags(show, value);
	putc_unlocked('"', show->out);
}
const struct show_kind show_kind_mapflags = {text_mapflags, json_mapflags};

/* A text in quotes; quotes and backslashes in it are escaped, so that its end is certain. */
static void put_quoted(FILE *out, const char *text, size_t size)
{
	size_t left = ESCAPE_LENGTH;

	putc_unlocked('"', out);
	while (size != 0) {
		size_t piece = 0;

		while (piece < size && text[piece] != '"' && text[piece] != '\\')
			piece++;
		escape_terminal_sized(out, text, piece, left);
		if (piece >= left || piece == size)
			break;
		putc_unlocked('\\', out);
		putc_unlocked(text[piece], out);
		left -= piece;
		text += piece + 1;
		size -= piece + 1;
	}
	putc_unlocked('"', out);
}

/* text: a byte string that is a text. */
static void text_text(const struct show *show, const struct value *value)
{
	put_quoted(show->out, (const char *)value->bytes->data, value->bytes->size);
}

static void json_text(const struct show *show, const struct value *value)
{
	put_key(show, value->name);
	put_json_string(show->out, value->bytes->data, value->bytes->size);
}
const struct show_kind show_kind_text = {text_text, json_text};

/* string: the id of a string, shown as the string. */
static void text_string(const struct show *show, const struct value *value)
{
	show_number(show->out, value->number);
	if (value->number == 0)
		return;
	const char *text = reader_string(show->reader, value->number);

	putc_unlocked(':', show->out);
	put_quoted(show->out, text, strlen(text));
}

static void json_string(const struct show *show, const struct value *value)
{
	if (value->number != 0)
		json_member(show, value->name, reader_string(show->reader, value->number));
}
const struct show_kind show_kind_string = {text_string, json_string};

/* blob: bytes without meaning to the reader of the output. */
static void text_blob(const struct show *show, const struct value *value)
{
	show_number(show->out, value->bytes->size);
	show_word(show->out, "-bytes:");
	for (uint32_t i = 0; i < value->bytes->size && i < 16; i++)
		fprintf(show->out, "%02x", value->bytes->data[i]);
	if (value->bytes->size > 16)
		show_word(show->out, "…");
}

static void json_blob(const struct show *show, const struct value *value)
{
	put_key(show, value->name);
	putc_unlocked('"', show->out);
	for (uint32_t i = 0; i < value->bytes->size; i++)
		fprintf(show->out, "%02x", value->bytes->data[i]);
	putc_unlocked('"', show->out);
}
const struct show_kind show_kind_blob = {text_blob, json_blob};

/* One frame as file:line function. */
static void text_frame(const struct show *show, uint64_t stack)
{
	uint64_t id = reader_stack_code(show->reader, stack);
	uint32_t line = reader_stack_line(show->reader, stack);
	struct reader_code code;

	if (reader_stack_known(show->reader, stack) && id == 0) {
		show_word(show->out, "...");
		return;
	}
	reader_code(show->reader, id, &code);
	escape_terminal(show->out, code.file, ESCAPE_LENGTH);
	putc_unlocked(':', show->out);
	show_number(show->out, line);
	putc_unlocked(' ', show->out);
	escape_terminal(show->out, code.qualname, ESCAPE_LENGTH);
}

/* stack: the innermost frame, or all of them, innermost first. */
static void text_stack(const struct show *show, const struct value *value)
{
	uint64_t stack = value->number;

	if (stack == 0) {
		putc_unlocked('-', show->out);
		return;
	}
	text_frame(show, stack);
	if (!show->stacks)
		return;
	for (int i = 0; i < STACK_MAX && (stack = reader_stack_parent(show->reader, stack)) != 0;
	     i++) {
		show_word(show->out, " < ");
		text_frame(show, stack);
	}
}

/* The members of one frame; BETWEEN stands before the first one. An unknown line is null. */
static void json_frame(const struct show *show, uint64_t stack, const char *between)
{
	uint64_t id = reader_stack_code(show->reader, stack);
	uint32_t line = reader_stack_line(show->reader, stack);
	struct reader_code code;

	reader_code(show->reader, id, &code);
	if (reader_stack_known(show->reader, stack) && id == 0)
		code.qualname = "...";
	show_word(show->out, between);
	show_word(show->out, "\"file\":");
	put_json_string(show->out, code.file, strlen(code.file));
	json_member(show, "function", code.qualname);
	put_key(show, "line");
	if (line != 0)
		show_number(show->out, line);
	else
		show_word(show->out, "null");
}

static void json_stack(const struct show *show, const struct value *value)
{
	uint64_t stack = value->number;
	const char *between = "";

	if (stack != 0)
		json_frame(show, stack, ",");
	if (!show->stacks)
		return;
	put_key(show, value->name);
	putc_unlocked('[', show->out);
	for (int i = 0; i <= STACK_MAX && stack != 0; i++) {
		show_word(show->out, between);
		json_frame(show, stack, "{");
		putc_unlocked('}', show->out);
		between = ",";
		stack = reader_stack_parent(show->reader, stack);
	}
	putc_unlocked(']', show->out);
}
const struct show_kind show_kind_stack = {text_stack, json_stack};

/* traced: a bit set of words. */
static void text_traced(const struct show *show, const struct value *value)
{
	const char *between = "";

	for (unsigned i = 0; i < 64; i++) {
		if (!(value->number >> i & 1) || pmt_name("TRACED", i) == NULL)
			continue;
		show_word(show->out, between);
		show_word(show->out, pmt_name("TRACED", i));
		between = ",";
	}
}

static void json_traced(const struct show *show, const struct value *value)
{
	put_key(show, value->name);
	putc_unlocked('"', show->out);
	text_traced(show, value);
	putc_unlocked('"', show->out);
}
const struct show_kind show_kind_traced = {text_traced, json_traced};

/* code: file and function. */
static void text_code(const struct show *show, const struct value *value)
{
	struct reader_code code;

	reader_code(show->reader, value->number, &code);
	escape_terminal(show->out, code.file, ESCAPE_LENGTH);
	putc_unlocked(' ', show->out);
	escape_terminal(show->out, code.qualname, ESCAPE_LENGTH);
}

static void json_code(const struct show *show, const struct value *value)
{
	struct reader_code code;

	reader_code(show->reader, value->number, &code);
	json_member(show, "file", code.file);
	json_member(show, "function", code.qualname);
}
const struct show_kind show_kind_code = {text_code, json_code};

/* position: the line, in the code object of the field before. */
static void text_position(const struct show *show, const struct value *value)
{
	show_number(show->out, value->number);
	show_word(show->out, " line=");
	show_number(show->out, reader_position_line(show->reader, value->before, value->number));
}

static void json_position(const struct show *show, const struct value *value)
{
	const uint32_t line = reader_position_line(show->reader, value->before, value->number);

	put_key(show, "line");
	if (line != 0)
		show_number(show->out, line);
	else
		show_word(show->out, "null");
}
const struct show_kind show_kind_position = {text_position, json_position};

/* c_function: its name, behind that of what it belongs to. */
static void text_c_function(const struct show *show, const struct value *value)
{
	struct reader_c_function function;

	reader_c_function(show->reader, value->number, &function);
	if (function.owner[0] != '\0') {
		escape_terminal(show->out, function.owner, ESCAPE_LENGTH);
		putc_unlocked('.', show->out);
	}
	escape_terminal(show->out, function.name, ESCAPE_LENGTH);
}

static void json_c_function(const struct show *show, const struct value *value)
{
	struct reader_c_function function;

	reader_c_function(show->reader, value->number, &function);
	json_member(show, "c_function", function.name);
	if (function.owner[0] != '\0')
		json_member(show, "c_owner", function.owner);
}
const struct show_kind show_kind_c_function = {text_c_function, json_c_function};

/* object_type: its name. */
static void text_object_type(const struct show *show, const struct value *value)
{
	escape_terminal(show->out, reader_object_type(show->reader, value->number), ESCAPE_LENGTH);
}

static void json_object_type(const struct show *show, const struct value *value)
{
	json_member(show, value->name, reader_object_type(show->reader, value->number));
}
const struct show_kind show_kind_object_type = {text_object_type, json_object_type};
