/* SPDX-License-Identifier: MIT */
/* Header and chunk head: checksums and the header's texts. */
#include "log.h"

#include <string.h>

#include "hash.h"

uint64_t pmt_header_checksum(const struct pmt_header *header)
{
	const char *texts = (const char *)header + PMT_TEXTS_OFFSET;
	size_t texts_bytes = header->texts_bytes;
	union {
		struct pmt_header header;
		char bytes[PMT_TEXTS_OFFSET]; /* fields of later versions too */
	} copy;

	if (texts_bytes > PMT_TEXTS_MAX)
		texts_bytes = PMT_TEXTS_MAX;
	memcpy(copy.bytes, header, sizeof(copy.bytes));
	memset(&copy.header.live, 0, sizeof(copy.header.live));
	copy.header.checksum = 0;
	return pmt_hash(texts, texts_bytes, pmt_hash(&copy, sizeof(copy), 0));
}

uint64_t pmt_chunk_checksum(const struct pmt_chunk *chunk)
{
	struct pmt_chunk copy = *chunk;

	copy.checksum = 0;
	copy.sealed = 0;
	return pmt_hash(chunk + 1, chunk->committed, pmt_hash(&copy, sizeof(copy), 0));
}

int pmt_header_put_text(struct pmt_header *header, unsigned key, const void *data, size_t size)
{
	uint8_t *p = (uint8_t *)header + PMT_TEXTS_OFFSET + header->texts_bytes;
	size_t room = PMT_TEXTS_MAX - header->texts_bytes;
	size_t kept = size;

	if (room < 4 + 16)
		return -1;
	if (kept > room - 4)
		kept = room - 4;
	uint16_t head[2] = {(uint16_t)key, (uint16_t)kept};

	memcpy(p, head, sizeof(head));
	memcpy(p + 4, data, kept);
	if (kept < size)
		memcpy(p + 4 + kept - 3, "...", 3);
	header->texts_bytes += (uint32_t)(4 + kept);
	return 0;
}

long pmt_header_get_text(const struct pmt_header *header, unsigned key, const char **data)
{
	const char *p = (const char *)header + PMT_TEXTS_OFFSET;
	size_t left = header->texts_bytes;

	if (left > PMT_TEXTS_MAX)
		left = PMT_TEXTS_MAX;
	while (left >= 4) {
		uint16_t head[2];

		memcpy(head, p, sizeof(head));
		if (head[1] > left - 4)
			return -1;
		if (head[0] == key) {
			*data = p + 4;
			return head[1];
		}
		p += 4 + head[1];
		left -= 4U + head[1];
	}
	return -1;
}
