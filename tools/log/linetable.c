/* SPDX-License-Identifier: MIT */
/* Decoders of CPython's line tables. */
#include "linetable.h"

#include "names.h"

/* Lines are counted in unsigned arithmetic, so that a hostile table may wrap them. */
static uint32_t as_line(uint64_t line)
{
	return line <= UINT32_MAX ? (uint32_t)line : 0;
}

/*
 * co_lnotab, up to 3.9: pairs of bytes, how far the address and (signed) the line move. A pair's
 * line holds from its address on.
 */
static uint32_t lnotab_line(const struct linetable *t, uint64_t offset)
{
	uint64_t line = t->first_line;
	uint64_t address = 0;

	for (size_t i = 0; i + 1 < t->size; i += 2) {
		address += t->data[i];
		if (address > offset)
			break;
		line += (uint64_t)(int8_t)t->data[i + 1];
	}
	return as_line(line);
}

/*
 * co_linetable of 3.10: pairs of bytes, length of a range and (signed) how far the line moves
 * before it; -128: the range has no line, and the line stays for the next one.
 */
static uint32_t linetable310_line(const struct linetable *t, uint64_t offset)
{
	uint64_t line = t->first_line;
	uint64_t end = 0;

	for (size_t i = 0; i + 1 < t->size; i += 2) {
		int8_t delta = (int8_t)t->data[i + 1];

		if (delta != -128)
			line += (uint64_t)delta;
		end += t->data[i];
		if (offset < end)
			return delta == -128 ? 0 : as_line(line);
	}
	return 0;
}

/* A variable-length number of the location table: six bits a byte, low first, bit 6 goes on. */
static uint64_t get_varint(const uint8_t **p, const uint8_t *end)
{
	uint64_t value = 0;
	unsigned shift = 0;

	while (*p < end) {
		uint8_t byte = *(*p)++;

		if (shift < 60)
			value |= (uint64_t)(byte & 0x3f) << shift;
		shift += 6;
		if (!(byte & 0x40))
			break;
	}
	return value;
}

static uint64_t get_signed(const uint8_t **p, const uint8_t *end)
{
	uint64_t value = get_varint(p, end);

	return value & 1 ? 0 - (value >> 1) : value >> 1;
}

/* How far the line moves before an entry, by the entry's code. */
static uint64_t location_delta(unsigned code, const uint8_t **p, const uint8_t *end, int *has_line)
{
	*has_line = 1;
	switch (code) {
	case 15: /* no location */
		*has_line = 0;
		return 0;
	case 14: /* long form; its columns and end line are skipped with the rest of the entry */
	case 13: /* line only */
		return get_signed(p, end);
	case 12: /* one line form: the line moves by 0, 1 or 2 */
	case 11:
	case 10:
		return code - 10;
	default: /* short form: same line */
		return 0;
	}
}

/*
 * Location table, from 3.11 on: entries of a byte with bit 7 set (bits 3-6: code, bits 0-2: length
 * in 2-byte units, minus one) and bytes without bit 7.
 */
static uint32_t locations_line(const struct linetable *t, uint64_t offset)
{
	const uint8_t *p = t->data;
	const uint8_t *end = t->size == 0 ? p : p + t->size; /* nothing is added to NULL */
	uint64_t line = t->first_line;
	uint64_t position = 0;

	while (p < end) {
		uint8_t first = *p++;
		int has_line;

		line += location_delta((first >> 3) & 15, &p, end, &has_line);
		position += 2 * ((first & 7U) + 1);
		if (offset < position)
			return has_line ? as_line(line) : 0;
		while (p < end && !(*p & 0x80))
			p++;
	}
	return 0;
}

uint32_t linetable_line(const struct linetable *table, uint64_t offset)
{
	switch (table->kind) {
	case PMT_LINETABLE_LNOTAB:
		return lnotab_line(table, offset);
	case PMT_LINETABLE_LINETABLE310:
		return linetable310_line(table, offset);
	case PMT_LINETABLE_LOCATIONS:
		return locations_line(table, offset);
	default:
		return table->first_line;
	}
}
