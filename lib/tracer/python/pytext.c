/* SPDX-License-Identifier: MIT */
/* From str objects to UTF-8. */
#include "pytext.h"

#include <stddef.h>
#include <string.h>

#include "python.h"

static uint32_t put_utf8(uint8_t *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 63));
		out[2] = (uint8_t)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | (c >> 18 & 7));
	out[1] = (uint8_t)(0x80 | (c >> 12 & 63));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 63));
	out[3] = (uint8_t)(0x80 | (c & 63));
	return 4;
}

uint32_t pytext_utf8(const void *text, uint64_t limit, uint8_t *out, uint32_t size)
{
	const struct python_layout *l = &python.layout;
	uint32_t state, kind, used = 0;
	int64_t length;

	if (text == NULL)
		return 0;
	memcpy(&state, (const char *)text + l->text_state, sizeof(state));
	memcpy(&length, (const char *)text + l->text_length, sizeof(length));
	state >>= l->text_kind_shift;
	kind = state & 7;
	/* Bit 3: compact (the characters follow the head). Bit 4: only ASCII. */
	if (!(state & 8) || (kind != 1 && kind != 2 && kind != 4) || length < 0)
		return 0;
	const uint8_t *data =
		(const uint8_t *)text + (state & 16 ? l->text_ascii : l->text_compact);

	for (uint64_t i = 0; i < (uint64_t)length && i < limit && used < size; i++) {
		uint32_t c = 0;

		memcpy(&c, data + i * kind, kind);
		used += put_utf8(out + used, c);
	}
	return used;
}
