/* SPDX-License-Identifier: MIT */
/* Decoder and field tables, expanded from records.def. */
#include "record.h"

/* get_NAME(): the fields of one record. Fields that the payload of a SIZED record lacks are zero.
 */
#define PMT_RECORD(name, tag, variants, form, doc)                                                 \
	static inline int get_##name(struct pmt_decoder *d, unsigned variant,                      \
				     struct pmt_##name *r)                                         \
	{                                                                                          \
		const int sized = (tag) >= PMT_TAG_SIZED;                                          \
                                                                                                   \
		(void)variant;
#define PMT_FIELD(record, codec, field, show, doc)                                                 \
	if (sized && d->cur == d->end)                                                             \
		memset(&r->field, 0, sizeof(r->field));                                            \
	else if (codec_get_##codec(d, &r->field) != 0)                                             \
		return -1;                                                                         \
	PMT_VARIANT_##codec(r->field);
#define PMT_END(name)                                                                              \
	return 0;                                                                                  \
	}
#define PMT_VARIANT_variant(field) field = variant
#define PMT_VARIANT_uint(field) (void)0
#define PMT_VARIANT_addr(field) (void)0
#define PMT_VARIANT_stack(field) (void)0
#define PMT_VARIANT_time(field) (void)0
#define PMT_VARIANT_order(field) (void)0
#define PMT_VARIANT_bytes(field) (void)0
#define PMT_VARIANT_resident(field) (void)0
#define PMT_VARIANT_code(field) (void)0
#define PMT_VARIANT_line(field) (void)0
#define PMT_VARIANT_type(field) (void)0
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END

/* Dense type of each tag byte, PMT_REC_UNKNOWN where none is defined. */
static enum pmt_type type_of_tag(unsigned tag)
{
#define PMT_RECORD(name, first, variants, form, doc)                                               \
	if (tag - (unsigned)(first) < (unsigned)(variants))                                        \
		return PMT_REC_##name;
#define PMT_FIELD(record, codec, field, show, doc)
#define PMT_END(name)
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END
	return PMT_REC_UNKNOWN;
}

/* The fields behind the tag (and length). The switch is on the dense type. */
static int get_fields(struct pmt_decoder *d, unsigned tag, struct pmt_record *out)
{
	switch (out->type) {
#define PMT_RECORD(name, first, variants, form, doc)                                               \
	case PMT_REC_##name:                                                                       \
		return get_##name(d, tag - (unsigned)(first), &out->name);
#define PMT_FIELD(record, codec, field, show, doc)
#define PMT_END(name)
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END
	default:
		return -1;
	}
}

/* A record with a length: the fields must not read past it, and what they leave is skipped. */
static int get_sized(struct pmt_decoder *d, unsigned tag, struct pmt_record *out)
{
	const struct pmt_state before = d->state;
	const uint8_t *end = d->end;
	size_t size;

	if (end - d->cur < 2 || !(d->cur[0] & 0x80) || (d->cur[1] & 0x80))
		return -1;
	size = (d->cur[0] & 0x7fU) | (size_t)d->cur[1] << 7;
	d->cur += 2;
	if (size > (size_t)(end - d->cur))
		return -1;
	const uint8_t *next = d->cur + size;

	d->end = next;
	int rc = out->type == PMT_REC_UNKNOWN ? 0 : get_fields(d, tag, out);

	d->end = end;
	d->cur = next;
	d->state = before;
	return rc;
}

int pmt_get_record(struct pmt_decoder *d, struct pmt_record *out)
{
	struct pmt_decoder saved = *d;

	if (d->cur == d->end)
		return 0;
	unsigned tag = *d->cur++;
	int rc = -1;

	out->type = type_of_tag(tag);
	if (tag >= PMT_TAG_SIZED)
		rc = get_sized(d, tag, out);
	else if (out->type != PMT_REC_UNKNOWN)
		rc = get_fields(d, tag, out);
	if (rc != 0) {
		*d = saved;
		return -1;
	}
	return 1;
}

#define PMT_RECORD(name, tag, variants, form, doc) static const struct pmt_field fields_##name[] = {
#define PMT_FIELD(record, codec, field, show, doc)                                                 \
	{#field, #codec, #show, doc, offsetof(struct pmt_record, record.field)},
#define PMT_END(name)                                                                              \
	{                                                                                          \
		NULL, NULL, NULL, NULL, 0                                                          \
	}                                                                                          \
	}                                                                                          \
	;
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END

const struct pmt_record_info pmt_record_infos[PMT_REC_COUNT] = {
#define PMT_RECORD(name, tag, variants, form, doc)                                                 \
	{#name, #form, doc, tag, variants, fields_##name},
#define PMT_FIELD(record, codec, field, show, doc)
#define PMT_END(name)
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END
};
