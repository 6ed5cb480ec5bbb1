/* SPDX-License-Identifier: MIT */
/*
 * Printing of records, driven by records.def: each field names its `show` kind, and show_KIND below
 * is the pair of printers for it. The names of the kinds cannot be grepped in records.def's
 * expansion.
 */
#include "show.h"

#include <string.h>
#include <sys/mman.h>

#include "escape.h"
#include "names.h"

/* No tracer keeps more frames; a hostile log may have a million, and print them for each event. */
#define STACK_MAX 16384

/* A value and what it is called. */
struct value {
	const char *name;
	uint64_t number;
	const struct pmt_bytes *bytes;
	uint64_t before; /* number of the record's previous field */
};

typedef void show_value(const struct show *show, const struct value *value);

/* A field as it is printed: where its value is in struct pmt_record. */
struct field {
	const char *name;
	size_t offset;
	bool is_bytes;
	show_value *text;
	show_value *json;
};

static void put_dec(FILE *out, uint64_t n)
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

static void put(FILE *out, const char *text)
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
	put(show->out, ",\"");
	put(show->out, key);
	put(show->out, "\":");
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
	put_dec(out, time_ns / 1000000000);
	putc_unlocked('.', out);
	fwrite_unlocked(decimals, 1, digits < 9 ? digits : 9, out);
}

static uint64_t since_start(const struct show *show, uint64_t time_ns)
{
	uint64_t start_ns = reader_header(show->reader)->start_ns;

	return time_ns > start_ns ? time_ns - start_ns : 0;
}

/* dec, size: numbers. */
static void text_dec(const struct show *show, const struct value *value)
{
	put_dec(show->out, value->number);
}

static void json_dec(const struct show *show, const struct value *value)
{
	put_key(show, value->name);
	put_dec(show->out, value->number);
}

#define text_size text_dec
#define json_size json_dec

/* time: seconds since the start. */
static void text_time(const struct show *show, const struct value *value)
{
	show_seconds(show->out, since_start(show, value->number), 9);
}

static void json_time(const struct show *show, const struct value *value)
{
	put_key(show, value->name);
	show_seconds(show->out, since_start(show, value->number), 9);
}

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

#define text_addr text_hex

static void json_addr(const struct show *show, const struct value *value)
{
	struct value named = *value;

	named.name = strcmp(value->name, "old_addr") == 0 ? "old_address" : "address";
	json_hex(show, &named);
}

/* Numbers with names; one without is printed as a number. */
static void text_named(const struct show *show, const char *set, uint64_t number)
{
	const char *name = pmt_name(set, number);

	if (name != NULL)
		put(show->out, name);
	else
		put_dec(show->out, number);
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
	}
SHOW_NAMED(allocator, "ALLOCATOR")
SHOW_NAMED(deallocator, "DEALLOCATOR")
SHOW_NAMED(reallocator, "REALLOCATOR")
SHOW_NAMED(lostreason, "LOST")
SHOW_NAMED(lifepoint, "LIFE")
SHOW_NAMED(linetable, "LINETABLE")
SHOW_NAMED(accountreason, "ACCOUNTREASON")
SHOW_NAMED(mallocstate, "MALLOCSTATE")
SHOW_NAMED(memory, "MEMORY")
SHOW_NAMED(moment, "MOMENT")
SHOW_NAMED(typekind, "TYPEKIND")
SHOW_NAMED(pyevent, "PYEVENT")
SHOW_NAMED(c_event, "CEVENT")
SHOW_NAMED(notice, "NOTICE")
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
		put(show->out, between);
		put(show->out, flags[i].name);
		left &= ~flags[i].bit;
		between = "|";
	}
	if (left != 0 || value->number == 0) {
		put(show->out, between);
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

/* string: the id of a string, shown as the string. */
static void text_string(const struct show *show, const struct value *value)
{
	put_dec(show->out, value->number);
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

/* blob: bytes without meaning to the reader of the output. */
static void text_blob(const struct show *show, const struct value *value)
{
	put_dec(show->out, value->bytes->size);
	put(show->out, "-bytes:");
	for (uint32_t i = 0; i < value->bytes->size && i < 16; i++)
		fprintf(show->out, "%02x", value->bytes->data[i]);
	if (value->bytes->size > 16)
		put(show->out, "…");
}

static void json_blob(const struct show *show, const struct value *value)
{
	put_key(show, value->name);
	putc_unlocked('"', show->out);
	for (uint32_t i = 0; i < value->bytes->size; i++)
		fprintf(show->out, "%02x", value->bytes->data[i]);
	putc_unlocked('"', show->out);
}

/* One frame as file:line function. */
static void text_frame(const struct show *show, uint64_t stack)
{
	uint64_t id = reader_stack_code(show->reader, stack);
	uint32_t line = reader_stack_line(show->reader, stack);
	struct reader_code code;

	if (reader_stack_known(show->reader, stack) && id == 0) {
		put(show->out, "...");
		return;
	}
	reader_code(show->reader, id, &code);
	escape_terminal(show->out, code.file, ESCAPE_LENGTH);
	putc_unlocked(':', show->out);
	put_dec(show->out, line);
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
		put(show->out, " < ");
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
	put(show->out, between);
	put(show->out, "\"file\":");
	put_json_string(show->out, code.file, strlen(code.file));
	json_member(show, "function", code.qualname);
	put_key(show, "line");
	if (line != 0)
		put_dec(show->out, line);
	else
		put(show->out, "null");
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
		put(show->out, between);
		json_frame(show, stack, "{");
		putc_unlocked('}', show->out);
		between = ",";
		stack = reader_stack_parent(show->reader, stack);
	}
	putc_unlocked(']', show->out);
}

/* traced: a bit set of words. */
static void text_traced(const struct show *show, const struct value *value)
{
	const char *between = "";

	for (unsigned i = 0; i < 64; i++) {
		if (!(value->number >> i & 1) || pmt_name("TRACED", i) == NULL)
			continue;
		put(show->out, between);
		put(show->out, pmt_name("TRACED", i));
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

/* position: the line, in the code object of the field before. */
static void text_position(const struct show *show, const struct value *value)
{
	put_dec(show->out, value->number);
	put(show->out, " line=");
	put_dec(show->out, reader_position_line(show->reader, value->before, value->number));
}

static void json_position(const struct show *show, const struct value *value)
{
	const uint32_t line = reader_position_line(show->reader, value->before, value->number);

	put_key(show, "line");
	if (line != 0)
		put_dec(show->out, line);
	else
		put(show->out, "null");
}

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

/* object_type: its name. */
static void text_object_type(const struct show *show, const struct value *value)
{
	escape_terminal(show->out, reader_object_type(show->reader, value->number), ESCAPE_LENGTH);
}

static void json_object_type(const struct show *show, const struct value *value)
{
	json_member(show, value->name, reader_object_type(show->reader, value->number));
}

#define SHOW_IS_variant false
#define SHOW_IS_uint false
#define SHOW_IS_addr false
#define SHOW_IS_stack false
#define SHOW_IS_time false
#define SHOW_IS_order false
#define SHOW_IS_bytes true
#define SHOW_IS_resident false
#define SHOW_IS_code false
#define SHOW_IS_line false
#define SHOW_IS_type false

/* fields_NAME[]: the fields of a record. */
#define PMT_RECORD(name, tag, variants, form, doc) static const struct field fields_##name[] = {
#define PMT_FIELD(record, codec, field, show, doc)                                                 \
	{#field, offsetof(struct pmt_record, record.field), SHOW_IS_##codec, text_##show,          \
	 json_##show},
#define PMT_END(name)                                                                              \
	{                                                                                          \
		NULL, 0, false, NULL, NULL                                                         \
	}                                                                                          \
	}                                                                                          \
	;
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END

static const struct field *const fields_of[PMT_REC_COUNT] = {
#define PMT_RECORD(name, tag, variants, form, doc) fields_##name,
#define PMT_FIELD(record, codec, field, show, doc)
#define PMT_END(name)
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END
};

static struct value field_value(const struct pmt_record *record, const struct field *f)
{
	const void *at = (const char *)record + f->offset;
	struct value value = {f->name, 0, NULL, 0};

	if (f != fields_of[record->type] && !f[-1].is_bytes)
		memcpy(&value.before, (const char *)record + f[-1].offset, sizeof(value.before));

	if (f->is_bytes)
		value.bytes = at;
	else
		memcpy(&value.number, at, sizeof(value.number));
	return value;
}

void show_text(const struct show *show, const struct reader_event *event)
{
	const struct pmt_record *record = &event->record;

	show_seconds(show->out, since_start(show, event->time_ns), 6);
	putc_unlocked(' ', show->out);
	if (event->thread == 0)
		putc_unlocked('-', show->out);
	else
		put_dec(show->out, event->thread);
	putc_unlocked(' ', show->out);
	put(show->out, event->held ? "live" : pmt_record_infos[record->type].name);
	for (const struct field *f = fields_of[record->type]; f->name != NULL; f++) {
		struct value value = field_value(record, f);

		putc_unlocked(' ', show->out);
		put(show->out, f->name);
		putc_unlocked('=', show->out);
		f->text(show, &value);
	}
	if (event->rss_bytes != 0) {
		put(show->out, " rss=");
		put_dec(show->out, event->rss_bytes);
	}
	if (event->skipped != 0) {
		put(show->out, " skipped=");
		put_dec(show->out, event->skipped);
	}
	if (event->previous)
		put(show->out, " previous=yes");
	if (event->late)
		put(show->out, " late=yes");
	if (event->taken)
		put(show->out, " before_window=yes");
	if (event->soon != 0) {
		put(show->out, " soon=");
		put_dec(show->out, event->soon - 1U);
	}
	putc_unlocked('\n', show->out);
}

void show_json(const struct show *show, const struct reader_event *event)
{
	const struct pmt_record *record = &event->record;

	put(show->out, "{\"event\":\"");
	put(show->out, event->held ? "live" : pmt_record_infos[record->type].name);
	put(show->out, "\",\"time_s\":");
	show_seconds(show->out, since_start(show, event->time_ns), 9);
	if (strcmp(fields_of[record->type]->name, "thread") != 0)
		json_dec(show, &(struct value){"thread", event->thread, NULL, 0});
	for (const struct field *f = fields_of[record->type]; f->name != NULL; f++) {
		struct value value = field_value(record, f);

		f->json(show, &value);
	}
	if (event->rss_bytes != 0)
		json_dec(show, &(struct value){"rss", event->rss_bytes, NULL, 0});
	if (event->skipped != 0)
		json_dec(show, &(struct value){"skipped", event->skipped, NULL, 0});
	if (event->previous)
		put(show->out, ",\"previous\":true");
	if (event->late)
		put(show->out, ",\"late\":true");
	if (event->taken)
		put(show->out, ",\"before_window\":true");
	if (event->soon != 0)
		json_dec(show, &(struct value){"soon", event->soon - 1U, NULL, 0});
	putc_unlocked('}', show->out);
}

/* "allocator", as the field of an alloc. */
static const struct field *allocator_field(void)
{
	return &fields_of[PMT_REC_alloc][0];
}

void show_totals_text(const struct show *show, const struct dropped_site *site)
{
	put(show->out, "# total: allocator=");
	allocator_field()->text(show, &(struct value){"allocator", site->allocator, NULL, 0});
	put(show->out, " count=");
	put_dec(show->out, site->count);
	put(show->out, " bytes=");
	put_dec(show->out, site->bytes);
	put(show->out, " stack=");
	text_stack(show, &(struct value){"stack", site->stack, NULL, 0});
	putc_unlocked('\n', show->out);
}

void show_totals_json(const struct show *show, const struct dropped_site *site)
{
	put(show->out, "{\"event\":\"totals\"");
	allocator_field()->json(show, &(struct value){"allocator", site->allocator, NULL, 0});
	json_dec(show, &(struct value){"count", site->count, NULL, 0});
	json_dec(show, &(struct value){"bytes", site->bytes, NULL, 0});
	json_stack(show, &(struct value){"stack", site->stack, NULL, 0});
	putc_unlocked('}', show->out);
}
