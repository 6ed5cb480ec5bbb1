/* SPDX-License-Identifier: MIT */
/* Checks the header of a log before anything in it is used. */
#include "header.h"

#include <string.h>

#include "error.h"

static int check_magic(const char *path, const union header_bytes *head, int64_t size)
{
	size_t known = sizeof(head->header.magic);

	if (size == 0)
		return error("%s: empty file", path);
	if ((size_t)size < known)
		known = (size_t)size;
	if (memcmp(head->bytes, PMT_MAGIC, known) != 0)
		return error("%s: not a pymemtrace log", path);
	if (size < PMT_HEADER_BYTES)
		return error("%s: cut off within its header", path);
	return 0;
}

int header_check(const char *path, const union header_bytes *head, int64_t size)
{
	const struct pmt_header *h = &head->header;

	if (check_magic(path, head, size) != 0)
		return -1;
	if (h->version_major != PMT_VERSION_MAJOR)
		return error("%s: written by format version %u.%u; this program reads version %u",
			     path, h->version_major, h->version_minor, PMT_VERSION_MAJOR);
	if (h->checksum != pmt_header_checksum(h))
		return error("%s: the header is damaged (its checksum is wrong)", path);
	if (h->features_incompatible & ~PMT_FEATURES_KNOWN)
		return error(
			"%s: uses features that this program does not know (0x%llx); a later version reads it",
			path, (unsigned long long)(h->features_incompatible & ~PMT_FEATURES_KNOWN));
	if (h->header_bytes < PMT_HEADER_BYTES || h->header_bytes > PMT_CHUNK_BYTES_MAX ||
	    h->chunk_bytes < PMT_CHUNK_BYTES_MIN || h->chunk_bytes > PMT_CHUNK_BYTES_MAX ||
	    (h->chunk_bytes & (h->chunk_bytes - 1)) != 0)
		return error("%s: the header makes no sense (sizes %u and %u)", path,
			     h->header_bytes, h->chunk_bytes);
	return 0;
}
