/* SPDX-License-Identifier: MIT */
/* Hashing of numbers from logs, which may have been chosen to collide. */
#ifndef PMT_TOOLS_MIX_H
#define PMT_TOOLS_MIX_H

#include <stdint.h>
#include <sys/random.h>
#include <sys/types.h>

/* A random odd number: one a table, so that no log can know the table's hash. */
static inline uint64_t mix_factor(void)
{
	uint64_t factor;

	if (getrandom(&factor, sizeof(factor), GRND_NONBLOCK) != (ssize_t)sizeof(factor))
		factor = 0x9e3779b97f4a7c15ULL;
	return factor | 1;
}

/* Different values give different results; all bits of the result are mixed. */
static inline uint64_t mix(uint64_t factor, uint64_t value)
{
	uint64_t hash = value * factor;

	hash ^= hash >> 32;
	return hash * 0xd6e8feb86659fd93ULL;
}

#endif
