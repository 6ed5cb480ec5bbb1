/* SPDX-License-Identifier: MIT */
/*
 * Printing of records, driven by records.def: each field names its `show` kind, and show_kind_KIND
 * of show_values.h is the pair of printers for it.
 */
#include "show.h"

#include <string.h>

#include "show_values.h"

/* A field as it is printed: where its value is in struct pmt_record. */
struct field {
	const char *name;
	size_t offset;
	bool is_bytes;
	const struct show_kind *kind;
};

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
	{#field, offsetof(struct pmt_record, record.field), SHOW_IS_##codec, &show_kind_##show},
#define PMT_END(name)                                                                              \
	{                                                                                          \
		NULL, 0, false, NULL                                                               \
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

	show_seconds(show->out, show_since_start(show, event->time_ns), 6);
	putc_unlocked(' ', show->out);
	if (event->thread == 0)
		putc_unlocked('-', show->out);
	else
		show_number(show->out, event->thread);
	putc_unlocked(' ', show->out);
	show_word(show->out, event->held ? "live" : pmt_record_infos[record->type].name);
	for (const struct field *f = fields_of[record->type]; f->name != NULL; f++) {
		struct value value = field_value(record, f);

		putc_unlocked(' ', show->out);
		show_word(show->out, f->name);
		putc_unlocked('=', show->out);
		f->kind->text(show, &value);
	}
	if (event->rss_bytes != 0) {
		show_word(show->out, " rss=");
		show_number(show->out, event->rss_bytes);
	}
	if (event->skipped != 0) {
		show_word(show->out, " skipped=");
		show_number(show->out, event->skipped);
	}
	if (event->previous)
		show_word(show->out, " previous=yes");
	if (event->late)
		show_word(show->out, " late=yes");
	if (event->taken)
		show_word(show->out, " before_window=yes");
	if (event->soon != 0) {
		show_word(show->out, " soon=");
		show_number(show->out, event->soon - 1U);
	}
	putc_unlocked('\n', show->out);
}

void show_json(const struct show *show, const struct reader_event *event)
{
	const struct pmt_record *record = &event->record;

	show_word(show->out, "{\"event\":\"");
	show_word(show->out, event->held ? "live" : pmt_record_infos[record->type].name);
	show_word(show->out, "\",\"time_s\":");
	show_seconds(show->out, show_since_start(show, event->time_ns), 9);
	if (strcmp(fields_of[record->type]->name, "thread") != 0)
		show_kind_dec.json(show, &(struct value){"thread", event->thread, NULL, 0});
	for (const struct field *f = fields_of[record->type]; f->name != NULL; f++) {
		struct value value = field_value(record, f);

		f->kind->json(show, &value);
	}
	if (event->rss_bytes != 0)
		show_kind_dec.json(show, &(struct value){"rss", event->rss_bytes, NULL, 0});
	if (event->skipped != 0)
		show_kind_dec.json(show, &(struct value){"skipped", event->skipped, NULL, 0});
	if (event->previous)
		show_word(show->out, ",\"previous\":true");
	if (event->late)
		show_word(show->out, ",\"late\":true");
	if (event->taken)
		show_word(show->out, ",\"before_window\":true");
	if (event->soon != 0)
		show_kind_dec.json(show, &(struct value){"soon", event->soon - 1U, NULL, 0});
	putc_unlocked('}', show->out);
}

/* "allocator", as the field of an alloc. */
static const struct field *allocator_field(void)
{
	return &fields_of[PMT_REC_alloc][0];
}

void show_totals_text(const struct show *show, const struct dropped_site *site)
{
	show_word(show->out, "# total: allocator=");
	allocator_field()->kind->text(show, &(struct value){"allocator", site->allocator, NULL, 0});
	show_word(show->out, " count=");
	show_number(show->out, site->count);
	show_word(show->out, " bytes=");
	show_number(show->out, site->bytes);
	show_word(show->out, " stack=");
	show_kind_stack.text(show, &(struct value){"stack", site->stack, NULL, 0});
	putc_unlocked('\n', show->out);
}

void show_totals_json(const struct show *show, const struct dropped_site *site)
{
	show_word(show->out, "{\"event\":\"totals\"");
	allocator_field()->kind->json(show, &(struct value){"allocator", site->allocator, NULL, 0});
	show_kind_dec.json(show, &(struct value){"count", site->count, NULL, 0});
	show_kind_dec.json(show, &(struct value){"bytes", site->bytes, NULL, 0});
	show_kind_stack.json(show, &(struct value){"stack", site->stack, NULL, 0});
	putc_unlocked('}', show->out);
}
