/* SPDX-License-Identifier: MIT */
/* From CPython's location tables, 3.11 and later, to pairs of bytes with the lines alone. */
#include "lines.h"

/* In place of how far the line moves: the range has no line. */
#define NO_LINE 0x80

/* The longest range of a pair, a whole number of instructions. */
#define RANGE_MOST 254U

struct pairs {
	uint8_t *next;
	uint8_t *end;
	unsigned bytes; /* of bytecode, in the range that is not put yet */
	int has_line;	/* whether that range has a line */
	int64_t moved;	/* how far its line is from that of the last range that has one */
};

static int put_pair(struct pairs *p, unsigned bytes, int delta)
{
	if (p->end - p->next < 2)
		return -1;
	*p->next++ = (uint8_t)bytes;
	*p->next++ = (uint8_t)delta;
	return 0;
}

/* Put the range that was collected. A line that moves far takes pairs of no length before it. */
static int put_range(struct pairs *p)
{
	const unsigned bytes = p->bytes;

	p->bytes = 0;
	if (bytes == 0)
		return 0;
	if (!p->has_line)
		return put_pair(p, bytes, NO_LINE);
	for (; p->moved > 127; p->moved -= 127)
		if (put_pair(p, 0, 127) != 0)
			return -1;
	for (; p->moved < -127; p->moved += 127)
		if (put_pair(p, 0, -127) != 0)
			return -1;
	if (put_pair(p, bytes, (int)p->moved) != 0)
		return -1;
	p->moved = 0;
	return 0;
}

/* BYTES more of bytecode, whose line is DELTA from that of what came before. */
static int add_range(struct pairs *p, unsigned bytes, int has_line, int64_t delta)
{
	if (has_line != p->has_line || delta != 0 || p->bytes + bytes > RANGE_MOST) {
		if (put_range(p) != 0)
			return -1;
		p->has_line = has_line;
	}
	p->moved += delta;
	p->bytes += bytes;
	return 0;
}

/* A number of six bits a byte, low first; bit 6 goes on. Lines are ints, so five bytes hold one. */
static int64_t get_signed(const uint8_t *p, const uint8_t *end)
{
	uint64_t value = 0;

	for (unsigned shift = 0; p < end && shift < 36; shift += 6) {
		value |= (uint64_t)(*p & 0x3f) << shift;
		if (!(*p++ & 0x40))
			break;
	}
	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

long lines_compact(struct pmt_bytes locations, uint8_t *out, size_t room)
{
	const uint8_t *cur = locations.data;
	const uint8_t *end = locations.size == 0 ? cur : cur + locations.size;
	struct pairs pairs = {.next = out, .end = out + room};

	while (cur < end) {
		const uint8_t first = *cur++;
		const unsigned code = (first >> 3) & 15;
		int64_t delta = 0;

		/* 10 to 12: as many lines on; 13 and 14: a number tells; 15: no line; else the same
		 * line. */
		if (code >= 10 && code <= 12)
			delta = code - 10;
		else if (code == 13 || code == 14)
			delta = get_signed(cur, end);
		if (add_range(&pairs, 2 * ((first & 7U) + 1), code != 15, delta) != 0)
			return -1;
		while (cur < end && !(*cur & 0x80))
			cur++;
	}
	return put_range(&pairs) == 0 ? pairs.next - out : -1;
}
