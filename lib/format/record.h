/* SPDX-License-Identifier: MIT */
/*
 * The records of records.def: structures, encoder, decoder and field tables.
 *
 * Everything here is made by expanding records.def, so struct pmt_alloc, pmt_put_alloc() and the
 * like cannot be grepped: the table is the place to look.
 */
#ifndef PMT_FORMAT_RECORD_H
#define PMT_FORMAT_RECORD_H

#include <stddef.h>

#include "codec.h"

/* struct pmt_NAME: the fields of one record, decoded. */
#define PMT_RECORD(name, tag, variants, form, doc) struct pmt_##name {
#define PMT_FIELD(record, codec, field, show, doc) pmt_type_##codec field;
#define PMT_END(name)                                                                              \
	}                                                                                          \
	;
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END

/* PMT_REC_NAME: dense numbers of the record types, for tables indexed by type. */
enum pmt_type {
#define PMT_RECORD(name, tag, variants, form, doc) PMT_REC_##name,
#define PMT_FIELD(record, codec, field, show, doc)
#define PMT_END(name)
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END
	PMT_REC_COUNT,
	PMT_REC_UNKNOWN = PMT_REC_COUNT, /* a SIZED record of a later version, skipped */
};

/* PMT_TAG_NAME: first tag of the record in the log. */
enum pmt_tag {
#define PMT_RECORD(name, tag, variants, form, doc) PMT_TAG_##name = (tag),
#define PMT_FIELD(record, codec, field, show, doc)
#define PMT_END(name)
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END
	PMT_TAG_SIZED = 0x60, /* from here to 0xff a length follows the tag */
};

/* PMT_VARIANTS_NAME: so many tags from the first one on. */
enum pmt_variants {
#define PMT_RECORD(name, tag, variants, form, doc) PMT_VARIANTS_##name = (variants),
#define PMT_FIELD(record, codec, field, show, doc)
#define PMT_END(name)
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END
};

struct pmt_record {
	enum pmt_type type;
	union {
#define PMT_RECORD(name, tag, variants, form, doc) struct pmt_##name name;
#define PMT_FIELD(record, codec, field, show, doc)
#define PMT_END(name)
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END
	};
};

/*
 * pmt_put_NAME(encoder, record): append one record at encoder->cur and move it on. VARIANT is added
 * to the tag by the caller through the `variant` argument, 0 for records with one variant.
 */
#define PMT_BEGIN_COMPACT(e, tagbyte) *(e)->cur++ = (uint8_t)(tagbyte)
#define PMT_BEGIN_SIZED(e, tagbyte)                                                                \
	do {                                                                                       \
		*(e)->cur = (uint8_t)(tagbyte);                                                    \
		(e)->cur += 3;                                                                     \
	} while (0)

/* The length of a SIZED record: always two bytes, seven bits each, low bits first. */
static inline void pmt_put_length(struct pmt_encoder *e, uint8_t *start)
{
	size_t size = (size_t)(e->cur - start) - 3;

	start[1] = (uint8_t)(size | 0x80);
	start[2] = (uint8_t)(size >> 7);
}

static inline void pmt_finish_COMPACT(struct pmt_encoder *e, uint8_t *start,
				      const struct pmt_state *before)
{
	(void)e;
	(void)start;
	(void)before;
}

/* A SIZED record leaves the state as it was: a reader that skips it must stay in step. */
static inline void pmt_finish_SIZED(struct pmt_encoder *e, uint8_t *start,
				    const struct pmt_state *before)
{
	pmt_put_length(e, start);
	e->state = *before;
}

/* pmt_finish_NAME(): the end of a record, by its form. */
#define PMT_RECORD(name, tag, variants, form, doc)                                                 \
	static inline void pmt_finish_##name(struct pmt_encoder *e, uint8_t *start,                \
					     const struct pmt_state *before)                       \
	{                                                                                          \
		pmt_finish_##form(e, start, before);                                               \
	}
#define PMT_FIELD(record, codec, field, show, doc)
#define PMT_END(name)
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END

#define PMT_RECORD(name, tag, variants, form, doc)                                                 \
	static inline void pmt_put_##name(struct pmt_encoder *e, unsigned variant,                 \
					  const struct pmt_##name *r)                              \
	{                                                                                          \
		uint8_t *start = e->cur;                                                           \
		const struct pmt_state before = e->state;                                          \
                                                                                                   \
		PMT_BEGIN_##form(e, (tag) + variant);
#define PMT_FIELD(record, codec, field, show, doc) codec_put_##codec(e, r->field);
#define PMT_END(name)                                                                              \
	pmt_finish_##name(e, start, &before);                                                      \
	}

#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END
#undef PMT_BEGIN_COMPACT
#undef PMT_BEGIN_SIZED

/*
 * Decode the record at d->cur into OUT and move on. Byte strings point into the decoder's buffer.
 * Returns 1 for a record, 0 at the end, -1 when the bytes are not a record (d->cur is unchanged).
 */
int pmt_get_record(struct pmt_decoder *d, struct pmt_record *out);

/*
 * pmt_near_NAME(decoder, variant, record): the fields of a COMPACT record, behind its tag, when
 * PMT_NEAR_MAX bytes are there from its tag on. Returns 0, or -1 and a decoder in disorder when it
 * is a case for pmt_get_record().
 */
#define PMT_RECORD(name, tag, variants, form, doc)                                                 \
	static inline int pmt_near_##name(struct pmt_decoder *d, unsigned variant,                 \
					  struct pmt_##name *r)                                    \
	{
#define PMT_FIELD(record, codec, field, show, doc)                                                 \
	if (codec_near_##codec(d, variant, &r->field) != 0)                                        \
		return -1;
#define PMT_END(name)                                                                              \
	(void)d;                                                                                   \
	(void)variant;                                                                             \
	(void)r;                                                                                   \
	return 0;                                                                                  \
	}
#include "records.def"
#undef PMT_RECORD
#undef PMT_FIELD
#undef PMT_END

/* How the fields of a record look, for whoever prints them. */
struct pmt_field {
	const char *name;
	const char *codec;
	const char *show;
	const char *doc;
	size_t offset; /* in struct pmt_record */
};

struct pmt_record_info {
	const char *name;
	const char *form;
	const char *doc;
	unsigned tag;
	unsigned variants;
	const struct pmt_field *fields; /* ends with name NULL */
};

/* Indexed by enum pmt_type. */
extern const struct pmt_record_info pmt_record_infos[PMT_REC_COUNT];

#endif
