/* SPDX-License-Identifier: MIT */
/* Single objects, one a line or one a JSON object; printed as they come, none is kept. */
#include "objects_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "report.h"

#define REUSED "<its address was used again>"

/* --- text --- */

static void put_place(const struct objects_log *log, uint64_t stack)
{
	struct reader_code code;

	if (stack == 0) {
		fputs(OBJECTS_NO_FRAME, stdout);
		return;
	}
	const uint32_t line = reader_stack_line(log->reader, stack);

	objects_code(log, stack, &code);
	escape_terminal(stdout, code.file, ESCAPE_LENGTH);
	if (line != 0)
		printf(":%" PRIu32, line);
	putchar(' ');
	escape_terminal(stdout, code.qualname, ESCAPE_LENGTH);
}

static void put_line(const struct objects_list *list, const struct objects_log *log,
		     const struct objects_object *object)
{
	if (list->processes)
		printf("[%" PRIu32 "] ", reader_header(log->reader)->pid);
	printf("%12.6f %12.6f %12" PRIu64 " 0x%012" PRIx64 "  ", report_seconds(object->age_ns),
	       report_seconds(object->born_ns), object->size, object->addr);
	escape_terminal(stdout, reader_object_type(log->reader, object->site->type), ESCAPE_LENGTH);
	fputs("  ", stdout);
	put_place(log, object->site->stack);
	if (list->previous) {
		fputs(" -> ", stdout);
		if (object->reused)
			fputs(REUSED, stdout);
		else
			put_place(log, object->stack);
		if (object->inferred && !object->reused)
			fputs(" (inferred)", stdout);
	}
	putchar('\n');
}

/* --- JSON --- */

static void put_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, report_json_text(text, strlen(text)));
}

/* Null for no frame. */
static json_t *json_place(const struct objects_log *log, uint64_t stack)
{
	struct reader_code code;

	if (stack == 0)
		return json_null();
	const uint32_t line = reader_stack_line(log->reader, stack);
	json_t *place = json_object();

	objects_code(log, stack, &code);
	put_text(place, "file", code.file);
	json_object_set_new(place, "line", line != 0 ? report_json_number(line) : json_null());
	put_text(place, "function", code.qualname);
	return place;
}

static json_t *json_object_of(const struct objects_list *list, const struct objects_log *log,
			      const struct objects_object *object)
{
	json_t *to = json_object();
	report_buffer address;

	snprintf(address, sizeof(address), "0x%" PRIx64, object->addr);
	put_text(to, "address", address);
	put_text(to, "type", reader_object_type(log->reader, object->site->type));
	report_put_number(to, "size", object->size);
	json_object_set_new(to, "created_s", json_real(report_seconds(object->born_ns)));
	json_object_set_new(to, list->previous ? "lifetime_s" : "age_s",
			    json_real(report_seconds(object->age_ns)));
	report_put_number(to, "thread", object->site->thread);
	json_object_set_new(to, "created", json_place(log, object->site->stack));
	if (list->previous) {
		json_object_set_new(to, "destroyed",
				    object->reused ? json_null() : json_place(log, object->stack));
		json_object_set_new(to, "inferred", json_boolean(object->inferred));
	}
	report_put_number(to, "pid", reader_header(log->reader)->pid);
	return to;
}

static void put_json(const struct objects_list *list, const struct objects_log *log,
		     const struct objects_object *object)
{
	json_t *json = json_object_of(list, log, object);

	fputs(list->shown == 0 ? "[\n" : ",\n", stdout);
	json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
	json_decref(json);
}

/* --- both --- */

void objects_list_begin(struct objects_list *list)
{
	list->count = list->shown = 0;
	if (list->json)
		return;
	if (list->processes)
		printf("%-*s", 8, "process");
	printf("%12s %12s %12s %14s  type  created%s\n", list->previous ? "lifetime" : "age",
	       "created at", "size", "address", list->previous ? " -> destroyed" : "");
}

int objects_list_add(void *context, struct objects_log *log, const struct objects_object *object)
{
	struct objects_list *list = context;

	list->count++;
	if (list->shown >= list->limit)
		return 0;
	if (list->json)
		put_json(list, log, object);
	else
		put_line(list, log, object);
	list->shown++;
	return ferror(stdout) ? 1 : 0;
}

void objects_list_end(const struct objects_list *list)
{
	report_buffer more;

	if (list->json)
		puts(list->shown == 0 ? "[]" : "\n]");
	else if (list->count > list->shown)
		printf("%s more\n", report_count(list->count - list->shown, more));
}
