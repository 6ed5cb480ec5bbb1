/* SPDX-License-Identifier: MIT */
/* XXH64, written from its specification (doc/xxhash_spec.md of the xxHash project). */
#include "hash.h"

#include <string.h>

#define PRIME1 0x9E3779B185EBCA87ULL
#define PRIME2 0xC2B2AE3D27D4EB4FULL
#define PRIME3 0x165667B19E3779F9ULL
#define PRIME4 0x85EBCA77C2B2AE63ULL
#define PRIME5 0x27D4EB2F165667C5ULL

static uint64_t rotate_left(uint64_t v, int n)
{
	return v << n | v >> (64 - n);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t mix_lane(uint64_t acc, uint64_t lane)
{
	return rotate_left(acc + lane * PRIME2, 31) * PRIME1;
}

static uint64_t merge_lane(uint64_t acc, uint64_t lane)
{
	return (acc ^ mix_lane(0, lane)) * PRIME1 + PRIME4;
}

/* The four lanes over all whole stripes of 32 bytes; moves *DATA behind them. */
static uint64_t hash_stripes(const uint8_t **data, const uint8_t *end, uint64_t seed)
{
	uint64_t a = seed + PRIME1 + PRIME2, b = seed + PRIME2, c = seed, d = seed - PRIME1;
	const uint8_t *p = *data;

	for (; end - p >= 32; p += 32) {
		a = mix_lane(a, get64(p));
		b = mix_lane(b, get64(p + 8));
		c = mix_lane(c, get64(p + 16));
		d = mix_lane(d, get64(p + 24));
	}
	*data = p;
	uint64_t acc =
		rotate_left(a, 1) + rotate_left(b, 7) + rotate_left(c, 12) + rotate_left(d, 18);

	return merge_lane(merge_lane(merge_lane(merge_lane(acc, a), b), c), d);
}

uint64_t pmt_hash(const void *data, size_t size, uint64_t seed)
{
	const uint8_t *p = data;
	const uint8_t *end = p + size;
	uint64_t acc = size >= 32 ? hash_stripes(&p, end, seed) : seed + PRIME5;

	acc += size;
	for (; end - p >= 8; p += 8)
		acc = rotate_left(acc ^ mix_lane(0, get64(p)), 27) * PRIME1 + PRIME4;
	if (end - p >= 4) {
		acc = rotate_left(acc ^ get32(p) * PRIME1, 23) * PRIME2 + PRIME3;
		p += 4;
	}
	for (; p < end; p++)
		acc = rotate_left(acc ^ *p * PRIME5, 11) * PRIME1;
	acc = (acc ^ acc >> 33) * PRIME2;
	acc = (acc ^ acc >> 29) * PRIME3;
	return acc ^ acc >> 32;
}
