/* SPDX-License-Identifier: MIT */
/*
 * Line tables of code objects, in the three forms that CPython has had. Written from CPython's own
 * descriptions: Objects/lnotab_notes.txt, PEP 626, Objects/locations.md.
 */
#ifndef PMT_TOOLS_LINETABLE_H
#define PMT_TOOLS_LINETABLE_H

#include <stddef.h>
#include <stdint.h>

struct linetable {
	unsigned kind; /* PMT_LINETABLE_* */
	uint32_t first_line;
	const uint8_t *data; /* any bytes */
	size_t size;
};

/*
 * The line of the instruction at byte OFFSET of the code; 0 when it has none or the table does not
 * reach that far. Takes time in proportion to the table's size.
 */
uint32_t linetable_line(const struct linetable *table, uint64_t offset);

#endif
