/* SPDX-License-Identifier: MIT */
/* Where the resident set is: tables, notes, JSON. */
#include "account_report.h"

#include <stdio.h>

#include "report.h"

/* Less is not worth a sentence; nor is less than an eighth of the resident set. */
#define REMARKABLE_BYTES (16U << 20)

/* Two columns when the largest account is not the last one. */
struct columns {
	const struct account_view *views[2];
	int count;
};

static const char *signed_cell(bool negative, uint64_t bytes, report_buffer buffer)
{
	report_buffer size;

	snprintf(buffer, sizeof(report_buffer), "%s%s", negative ? "-" : "",
		 report_cell(bytes, size));
	return buffer;
}

static uint64_t magnitude(int64_t number)
{
	return number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
}

static void print_cell(uint64_t bytes)
{
	report_buffer buffer;

	printf(" %12s", report_cell(bytes, buffer));
}

static void print_head(const char *title, const struct columns *columns, const char *more)
{
	printf("\n%-24s", title);
	if (columns->count == 2)
		printf(" %12s", "peak");
	printf(" %12s%s%s\n", "last", more[0] != '\0' ? "      " : "", more);
}

static void print_parts(const struct columns *columns)
{
	const struct account_view *last = columns->views[columns->count - 1];

	for (int part = 0; part < ACCOUNT_PARTS; part++) {
		if (columns->views[0]->resident[part] == 0 && last->resident[part] == 0 &&
		    last->mapped[part] == 0)
			continue;
		printf("  %-22s", account_part_names[part]);
		for (int i = 0; i < columns->count; i++)
			print_cell(columns->views[i]->resident[part]);
		if (last->mapped[part] != 0)
			print_cell(last->mapped[part]);
		putchar('\n');
	}
}

/* What was not written to since a fork is there once, for all processes together. */
static void print_shared(const struct columns *columns)
{
	if (columns->views[0]->shared_bytes == 0 &&
	    columns->views[columns->count - 1]->shared_bytes == 0)
		return;
	printf("  %-22s", "of it shared by fork");
	for (int i = 0; i < columns->count; i++)
		print_cell(columns->views[i]->shared_bytes);
	putchar('\n');
}

static void print_sums(const struct columns *columns)
{
	report_buffer buffer;

	printf("  %-22s", "not explained");
	for (int i = 0; i < columns->count; i++) {
		const int64_t bytes = account_unexplained(columns->views[i]);

		printf(" %12s", signed_cell(bytes < 0, magnitude(bytes), buffer));
	}
	printf("\n  %-22s", "= resident set");
	for (int i = 0; i < columns->count; i++)
		print_cell(columns->views[i]->rss_bytes);
	printf("\n  %-22s", "after");
	for (int i = 0; i < columns->count; i++)
		printf(" %10.3f s", report_seconds(columns->views[i]->time_ns));
	putchar('\n');
	print_shared(columns);
	if (columns->views[0]->swap_bytes == 0 &&
	    columns->views[columns->count - 1]->swap_bytes == 0)
		return;
	printf("  %-22s", "besides: swapped out");
	for (int i = 0; i < columns->count; i++)
		print_cell(columns->views[i]->swap_bytes);
	putchar('\n');
}

enum store_row {
	STORE_HELD,
	STORE_OVERHEAD,
	STORE_BEFORE,
	STORE_KEPT,
	STORE_UNTOUCHED,
	STORE_ROWS
};

static uint64_t store_value(const struct account_store *store, enum store_row row)
{
	switch (row) {
	case STORE_HELD:
		return store->held_bytes;
	case STORE_OVERHEAD:
		return store->overhead_bytes;
	case STORE_BEFORE:
		return store->before_bytes;
	case STORE_KEPT:
		return store->kept_bytes;
	default:
		return store->untouched_bytes;
	}
}

/* STORES are of the columns. */
static void print_store(const char *title, const struct columns *columns,
			const struct account_store *const *stores, enum account_part part)
{
	static const char *const labels[STORE_ROWS] = {"live blocks", "headers, rounding",
						       "from before the log", "free",
						       "minus not resident"};
	const int end = columns->count - 1;
	report_buffer buffer;

	if (!stores[end]->known || columns->views[end]->resident[part] == 0)
		return;
	/* malloc says how much of it is from before the log, and is asked at the end only. */
	if (end == 1 && (!stores[0]->known || columns->views[0]->resident[part] == 0)) {
		const struct columns last = {{columns->views[1]}, 1};

		print_store(title, &last, &stores[1], part);
		return;
	}
	print_head(title, columns, "");
	for (int row = 0; row < STORE_ROWS; row++) {
		if (row == STORE_BEFORE && stores[0]->before_bytes == 0 &&
		    stores[end]->before_bytes == 0)
			continue;
		printf("  %-22s", labels[row]);
		for (int i = 0; i < columns->count; i++) {
			const uint64_t bytes = store_value(stores[i], (enum store_row)row);

			printf(" %12s",
			       signed_cell(row == STORE_UNTOUCHED && bytes != 0, bytes, buffer));
		}
		putchar('\n');
	}
	printf("  %-22s", "= resident");
	for (int i = 0; i < columns->count; i++)
		print_cell(columns->views[i]->resident[part]);
	putchar('\n');
}

void account_print(const struct account *account)
{
	const bool two = account->peak.record.number != account->last.record.number;
	const struct columns columns = {{two ? &account->peak : &account->last, &account->last},
					two ? 2 : 1};
	const struct account_store *const heaps[2] = {&columns.views[0]->heap, &account->last.heap};
	const struct account_store *const arenas[2] = {&columns.views[0]->arenas,
						       &account->last.arenas};

	if (account->accounts == 0)
		return;
	print_head("RSS by part", &columns, "virtual");
	print_parts(&columns);
	print_sums(&columns);
	print_store("In the C heap", &columns, heaps, ACCOUNT_HEAP);
	print_store("In Python's arenas", &columns, arenas, ACCOUNT_ARENAS);
}

static bool is_remarkable(const struct account_view *view, uint64_t bytes)
{
	return bytes >= REMARKABLE_BYTES && bytes >= view->rss_bytes / 8;
}

/* Of what a store keeps, this may be resident. */
static uint64_t kept_resident(const struct account_store *store)
{
	return store->kept_bytes > store->untouched_bytes
		       ? store->kept_bytes - store->untouched_bytes
		       : 0;
}

static void print_heap_note(const struct account_view *view)
{
	report_buffer kept;
	report_buffer most;

	printf("malloc keeps %s of freed memory: malloc_trim() would give back %s at most\n",
	       report_size(view->heap.kept_bytes, kept),
	       report_size(kept_resident(&view->heap), most));
}

static void print_arenas_note(const struct account_view *view)
{
	report_buffer kept;
	report_buffer held;

	printf("Python's arenas have room for %s beside the %s in them:\n"
	       "      an arena is given back only when its last block is freed\n",
	       report_size(view->arenas.kept_bytes, kept),
	       report_size(view->arenas.held_bytes, held));
}

/* The C heap without figures of its own. */
static void print_other_malloc_note(const struct account *account, const struct account_view *view)
{
	if (view->record.malloc != PMT_MALLOCSTATE_OTHER)
		puts("what malloc keeps is not known: blocks lie outside of the memory that is known\n"
		     "      to be its own");
	else if (account->malloc_maps)
		puts("malloc is not the C library's: what it keeps free is not known");
	else
		puts("malloc is not the C library's, and its mappings were not seen: they are part of\n"
		     "      the heap or of other anonymous memory");
}

void account_print_notes(const struct account *account, uint64_t peak_bytes,
			 void (*begin)(bool *context), bool *context)
{
	const struct account_view *last = &account->last;
	const int64_t missing = account_unexplained(last);
	report_buffer buffer;
	report_buffer peak;

	if (account->accounts == 0)
		return;
	if (last->heap.known && is_remarkable(last, kept_resident(&last->heap))) {
		begin(context);
		print_heap_note(last);
	}
	if (last->arenas.known && is_remarkable(last, kept_resident(&last->arenas))) {
		begin(context);
		print_arenas_note(last);
	}
	if (account->incomplete) {
		begin(context);
		puts("events are missing in the log: how much malloc and Python keep free is not known");
	} else if (!last->heap.known && is_remarkable(last, last->heap.held_bytes)) {
		begin(context);
		print_other_malloc_note(account, last);
	}
	if (is_remarkable(last, magnitude(missing))) {
		begin(context);
		puts("much is not explained: memory that changes while it is looked at may be missing, or be\n"
		     "      there twice");
	} else if (missing < 0 || account_unexplained(&account->peak) < 0) {
		begin(context);
		puts("where 'not explained' is negative, the parts are more than the resident set, as they\n"
		     "      can be when memory changes while it is looked at");
	}
	if (account->peak.rss_bytes < peak_bytes / 4 * 3) {
		begin(context);
		printf("the parts of the peak of %s were not looked at: the largest resident set that was is\n"
		       "      %s\n",
		       report_size(peak_bytes, peak), report_size(account->peak.rss_bytes, buffer));
	}
}

static json_t *json_store(const struct account_store *store)
{
	json_t *object;

	if (!store->known)
		return json_null();
	object = json_object();
	report_put_number(object, "blocks", store->blocks);
	report_put_number(object, "held_bytes", store->held_bytes);
	report_put_number(object, "overhead_bytes", store->overhead_bytes);
	report_put_number(object, "before_bytes", store->before_bytes);
	report_put_number(object, "kept_bytes", store->kept_bytes);
	report_put_number(object, "untouched_bytes", store->untouched_bytes);
	return object;
}

static json_t *json_malloc(const struct pmt_account *record)
{
	json_t *object;

	if (record->malloc != PMT_MALLOCSTATE_KNOWN)
		return json_null();
	object = json_object();
	report_put_number(object, "arena_bytes", record->malloc_arena);
	report_put_number(object, "mapped_bytes", record->malloc_mapped);
	report_put_number(object, "used_bytes", record->malloc_used);
	report_put_number(object, "free_bytes", record->malloc_free);
	report_put_number(object, "top_bytes", record->malloc_top);
	return object;
}

static json_t *json_view(const struct account_view *view)
{
	const char *reason = pmt_name("ACCOUNTREASON", view->record.reason);
	json_t *object = json_object();
	json_t *parts = json_object();

	json_object_set_new(object, "time_s", json_real(report_seconds(view->time_ns)));
	json_object_set_new(object, "reason", json_string(reason != NULL ? reason : "unknown"));
	report_put_number(object, "rss_bytes", view->rss_bytes);
	for (int i = 0; i < ACCOUNT_PARTS; i++) {
		json_t *part;

		if (i == ACCOUNT_BEFORE && view->resident[i] == 0)
			continue;
		part = json_object();
		report_put_number(part, "resident_bytes", view->resident[i]);
		report_put_number(part, "mapped_bytes", view->mapped[i]);
		json_object_set_new(parts, account_part_keys[i], part);
	}
	json_object_set_new(object, "parts", parts);
	json_object_set_new(object, "unexplained_bytes", json_integer(account_unexplained(view)));
	report_put_number(object, "shared_bytes", view->shared_bytes);
	report_put_number(object, "reserved_bytes", view->reserved_bytes);
	report_put_number(object, "swap_bytes", view->swap_bytes);
	report_put_number(object, "cost_ns", view->record.cost_ns);
	json_object_set_new(object, "in_c_heap", json_store(&view->heap));
	json_object_set_new(object, "in_python_arenas", json_store(&view->arenas));
	json_object_set_new(object, "malloc", json_malloc(&view->record));
	return object;
}

json_t *account_json(const struct account *account)
{
	json_t *object;

	if (account->accounts == 0)
		return json_null();
	object = json_object();
	report_put_number(object, "count", account->accounts);
	json_object_set_new(object, "peak", json_view(&account->peak));
	json_object_set_new(object, "last", json_view(&account->last));
	return object;
}
