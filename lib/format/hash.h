/* SPDX-License-Identifier: MIT */
/* The checksum of headers and chunks: XXH64 with seed 0. */
#ifndef PMT_FORMAT_HASH_H
#define PMT_FORMAT_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH64 of SIZE bytes at DATA. Reads any alignment, never allocates. */
uint64_t pmt_hash(const void *data, size_t size, uint64_t seed);

#endif
