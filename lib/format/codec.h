/* SPDX-License-Identifier: MIT */
/*
 * How single fields are stored: pairs codec_put_CODEC and codec_get_CODEC, and the state that both
 * sides keep. codec_near_CODEC is the fast half of codec_get_CODEC, for where bytes are in plenty.
 *
 * The encoder never checks for room: a writer makes sure of PMT_RECORD_MAX bytes (plus the length
 * of its byte strings) before it puts a record. The decoder checks every byte.
 */
#ifndef PMT_FORMAT_CODEC_H
#define PMT_FORMAT_CODEC_H

#include <stdint.h>
#include <string.h>

/* No record without byte strings is longer than this. */
#define PMT_RECORD_MAX 128
/* Bytes that codec_near_CODEC may look at, for all fields of a COMPACT record and its tag. */
#define PMT_NEAR_MAX 48
/* A SIZED record's payload is shorter than this; a writer splits or cuts longer byte strings. */
#define PMT_PAYLOAD_MAX 16384

/* What deltas are relative to. Starts afresh in each chunk, so that a chunk decodes by itself. */
struct pmt_state {
	uint64_t addr;	   /* last address, 0 at the start of a chunk */
	uint64_t stack;	   /* last stack id, 0 at the start */
	uint64_t time_ns;  /* last time; the chunk header's at the start */
	uint64_t order;	   /* last order number; the chunk header's at the start */
	uint64_t resident; /* last resident set in bytes, 0 at the start */
	uint64_t code;	   /* last code id of an event, 0 at the start */
	uint64_t line;	   /* last line of an event, 0 at the start */
	uint64_t type;	   /* last type id of an object's event, 0 at the start */
};

/* A byte string; points into the chunk it was decoded from, or to what is to be encoded. */
struct pmt_bytes {
	const uint8_t *data;
	uint32_t size;
};

struct pmt_encoder {
	uint8_t *cur;
	struct pmt_state state;
};

struct pmt_decoder {
	const uint8_t *cur;
	const uint8_t *end;
	struct pmt_state state;
};

/* Types of the fields, by codec. */
typedef uint64_t pmt_type_variant;
typedef uint64_t pmt_type_uint;
typedef uint64_t pmt_type_addr;
typedef uint64_t pmt_type_stack;
typedef uint64_t pmt_type_time;
typedef uint64_t pmt_type_order;
typedef uint64_t pmt_type_resident;
typedef uint64_t pmt_type_code;
typedef uint64_t pmt_type_line;
typedef uint64_t pmt_type_type;
typedef struct pmt_bytes pmt_type_bytes;

/* uint: LEB128, at most ten bytes. */
static inline void codec_put_uint_long(struct pmt_encoder *e, uint64_t value)
{
	uint8_t *p = e->cur;

	while (value >= 0x80) {
		*p++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*p++ = (uint8_t)value;
	e->cur = p;
}

/*
 * The same without branches that a processor would guess wrong, for numbers of any length: each
 * seven bits are moved to a byte of their own, and eight bytes are written, of which LENGTH count.
 */
static inline void codec_put_uint_wide(struct pmt_encoder *e, uint64_t value)
{
	const unsigned bits = 63U - (unsigned)__builtin_clzll(value | 1);
	const unsigned length = (bits * 9 + 73) / 64;
	uint64_t x = value;

	if (__builtin_expect(value >> 56 != 0, 0)) {
		codec_put_uint_long(e, value);
		return;
	}
	x = (x & 0x00fffffff0000000U) << 4 | (x & 0x000000000fffffffU);
	x = (x & 0x0fffc0000fffc000U) << 2 | (x & 0x00003fff00003fffU);
	x = (x & 0x3f803f803f803f80U) << 1 | (x & 0x007f007f007f007fU);
	x |= 0x8080808080808080U & ((1ULL << (8 * length - 8)) - 1);
	memcpy(e->cur, &x, sizeof(x)); /* little-endian, see log.h */
	e->cur += length;
}

static inline void codec_put_uint(struct pmt_encoder *e, uint64_t value)
{
	if (value < 0x80)
		*e->cur++ = (uint8_t)value;
	else
		codec_put_uint_wide(e, value);
}

static inline int codec_get_uint_long(struct pmt_decoder *d, uint64_t *value)
{
	const uint8_t *p = d->cur;
	uint64_t v = 0;

	for (unsigned shift = 0; p < d->end && shift < 64; shift += 7) {
		uint8_t byte = *p++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			if (shift == 63 && byte > 1)
				return -1;
			d->cur = p;
			*value = v;
			return 0;
		}
	}
	return -1;
}

static inline int codec_get_uint(struct pmt_decoder *d, uint64_t *value)
{
	if (d->cur < d->end && *d->cur < 0x80) {
		*value = *d->cur++;
		return 0;
	}
	return codec_get_uint_long(d, value);
}

/*
 * The same without a branch for each byte: PMT_NEAR_MAX bytes can be read, whether or not they
 * belong to the record. Returns -1 for numbers of nine and ten bytes, which the other one reads,
 * too.
 */
static inline int codec_near_uint(struct pmt_decoder *d, unsigned variant, uint64_t *value)
{
	uint64_t word;

	(void)variant;
	memcpy(&word, d->cur, sizeof(word));
	const uint64_t ends = ~word & 0x8080808080808080ULL;

	if (ends == 0)
		return -1;
	/* Up to the lowest top bit that is clear; then out of each byte its seven bits. */
	word &= (ends & (0 - ends)) - 1;
	word = (word & 0x007f007f007f007fULL) | (word & 0x7f007f007f007f00ULL) >> 1;
	word = (word & 0x00003fff00003fffULL) | (word & 0x3fff00003fff0000ULL) >> 2;
	word = (word & 0x000000000fffffffULL) | (word & 0x0fffffff00000000ULL) >> 4;
	d->cur += ((unsigned)__builtin_ctzll(ends) + 1) / 8;
	*value = word;
	return 0;
}

/* Zigzag: small numbers of either sign become small unsigned numbers. */
static inline uint64_t codec_zigzag(uint64_t delta)
{
	return (delta << 1) ^ (0 - (delta >> 63));
}

static inline uint64_t codec_unzigzag(uint64_t value)
{
	return (value >> 1) ^ (0 - (value & 1));
}

/*
 * addr: difference to the last address. Addresses are nearly always multiples of 8, so the low
 * three bits of the magnitude are moved to its top (bits 60-62) before the sign is added below:
 * aligned neighbours within 504 bytes take one byte, an unaligned difference takes nine or ten.
 * Addresses are below 2^62, as on every system there is.
 */
static inline void codec_put_addr(struct pmt_encoder *e, uint64_t addr)
{
	uint64_t delta = addr - e->state.addr;
	uint64_t sign = delta >> 63;
	uint64_t magnitude = sign ? 0 - delta : delta;

	magnitude = (magnitude >> 3) | ((magnitude & 7) << 60);
	e->state.addr = addr;
	codec_put_uint_wide(e, magnitude << 1 | sign);
}

static inline uint64_t codec_step_addr(struct pmt_decoder *d, uint64_t value)
{
	uint64_t magnitude = value >> 1;
	const uint64_t sign = 0 - (value & 1);

	magnitude = (magnitude & ((1ULL << 60) - 1)) << 3 | magnitude >> 60;
	d->state.addr += (magnitude ^ sign) - sign;
	return d->state.addr;
}

static inline int codec_get_addr(struct pmt_decoder *d, uint64_t *addr)
{
	uint64_t value;

	if (codec_get_uint(d, &value) != 0)
		return -1;
	*addr = codec_step_addr(d, value);
	return 0;
}

static inline int codec_near_addr(struct pmt_decoder *d, unsigned variant, uint64_t *addr)
{
	uint64_t value;

	if (codec_near_uint(d, variant, &value) != 0)
		return -1;
	*addr = codec_step_addr(d, value);
	return 0;
}

/* Numbers as the zigzag difference to the last one, LAST in the state. */
static inline void codec_put_delta(struct pmt_encoder *e, uint64_t *last, uint64_t value)
{
	codec_put_uint(e, codec_zigzag(value - *last));
	*last = value;
}

static inline int codec_get_delta(struct pmt_decoder *d, uint64_t *last, uint64_t *out)
{
	uint64_t value;

	if (codec_get_uint(d, &value) != 0)
		return -1;
	*last += codec_unzigzag(value);
	*out = *last;
	return 0;
}

/* stack: zigzag difference to the last stack id. */
static inline void codec_put_stack(struct pmt_encoder *e, uint64_t stack)
{
	codec_put_delta(e, &e->state.stack, stack);
}

static inline int codec_get_stack(struct pmt_decoder *d, uint64_t *stack)
{
	return codec_get_delta(d, &d->state.stack, stack);
}

static inline int codec_near_stack(struct pmt_decoder *d, unsigned variant, uint64_t *stack)
{
	uint64_t value;

	if (codec_near_uint(d, variant, &value) != 0)
		return -1;
	d->state.stack += codec_unzigzag(value);
	*stack = d->state.stack;
	return 0;
}

/* time, order: difference to the last one; they never go back. */
static inline void codec_put_time(struct pmt_encoder *e, uint64_t time_ns)
{
	codec_put_uint(e, time_ns - e->state.time_ns);
	e->state.time_ns = time_ns;
}

static inline int codec_get_time(struct pmt_decoder *d, uint64_t *time_ns)
{
	uint64_t value;

	if (codec_get_uint(d, &value) != 0 || d->state.time_ns + value < value)
		return -1;
	d->state.time_ns += value;
	*time_ns = d->state.time_ns;
	return 0;
}

static inline void codec_put_order(struct pmt_encoder *e, uint64_t order)
{
	codec_put_uint(e, order - e->state.order);
	e->state.order = order;
}

static inline int codec_get_order(struct pmt_decoder *d, uint64_t *order)
{
	uint64_t value;

	if (codec_get_uint(d, &value) != 0 || d->state.order + value < value)
		return -1;
	d->state.order += value;
	*order = d->state.order;
	return 0;
}

/* code, line, type: zigzag difference to the last one. */
static inline void codec_put_code(struct pmt_encoder *e, uint64_t code)
{
	codec_put_delta(e, &e->state.code, code);
}

static inline int codec_get_code(struct pmt_decoder *d, uint64_t *code)
{
	return codec_get_delta(d, &d->state.code, code);
}

static inline void codec_put_line(struct pmt_encoder *e, uint64_t line)
{
	codec_put_delta(e, &e->state.line, line);
}

static inline int codec_get_line(struct pmt_decoder *d, uint64_t *line)
{
	return codec_get_delta(d, &d->state.line, line);
}

static inline void codec_put_type(struct pmt_encoder *e, uint64_t type)
{
	codec_put_delta(e, &e->state.type, type);
}

static inline int codec_get_type(struct pmt_decoder *d, uint64_t *type)
{
	return codec_get_delta(d, &d->state.type, type);
}

/* resident: zigzag difference to the last one, in 4,096 bytes, which every page is a multiple of.
 */
static inline void codec_put_resident(struct pmt_encoder *e, uint64_t bytes)
{
	codec_put_uint(e, codec_zigzag((bytes >> 12) - (e->state.resident >> 12)));
	e->state.resident = bytes >> 12 << 12;
}

static inline int codec_get_resident(struct pmt_decoder *d, uint64_t *bytes)
{
	uint64_t value;

	if (codec_get_uint(d, &value) != 0)
		return -1;
	d->state.resident += codec_unzigzag(value) << 12;
	*bytes = d->state.resident;
	return 0;
}

/* bytes: length as uint, then the bytes. */
static inline void codec_put_bytes(struct pmt_encoder *e, struct pmt_bytes bytes)
{
	codec_put_uint(e, bytes.size);
	if (bytes.size != 0)
		memcpy(e->cur, bytes.data, bytes.size);
	e->cur += bytes.size;
}

static inline int codec_get_bytes(struct pmt_decoder *d, struct pmt_bytes *bytes)
{
	uint64_t size;

	if (codec_get_uint(d, &size) != 0 || size > (uint64_t)(d->end - d->cur))
		return -1;
	bytes->data = d->cur;
	bytes->size = (uint32_t)size;
	d->cur += size;
	return 0;
}

/* variant: stored in the tag, takes no byte of its own. */
static inline void codec_put_variant(struct pmt_encoder *e, uint64_t value)
{
	(void)e;
	(void)value;
}

static inline int codec_get_variant(struct pmt_decoder *d, uint64_t *value)
{
	(void)d;
	(void)value;
	return 0;
}

static inline int codec_near_variant(struct pmt_decoder *d, unsigned variant, uint64_t *value)
{
	(void)d;
	*value = variant;
	return 0;
}

/* Not in any record that there are many of. */
#define codec_near_time(d, variant, value) (-1)
#define codec_near_order(d, variant, value) (-1)
#define codec_near_bytes(d, variant, value) (-1)
/* Not in blocks' events, which alone are read that way. */
#define codec_near_resident(d, variant, value) (-1)
#define codec_near_code(d, variant, value) (-1)
#define codec_near_line(d, variant, value) (-1)
#define codec_near_type(d, variant, value) (-1)

#endif
