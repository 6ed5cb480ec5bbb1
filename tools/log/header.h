/* SPDX-License-Identifier: MIT */
/* Checks the header of a log before anything in it is used. */
#ifndef PMT_TOOLS_HEADER_H
#define PMT_TOOLS_HEADER_H

#include <stdint.h>

#include "log.h"

/* What is read of a header: its fields and texts. */
union header_bytes {
	struct pmt_header header;
	uint8_t bytes[PMT_HEADER_BYTES];
};

/* SIZE is what could be read of the header. Returns 0, or -1 after a message that names PATH. */
int header_check(const char *path, const union header_bytes *head, int64_t size);

#endif
