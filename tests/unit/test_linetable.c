/* SPDX-License-Identifier: MIT */
/* Line tables by hand: what each form says about gaps, signs and ends, and that any bytes are safe.
 */
#include "check.h"

#include "linetable.h"
#include "names.h"

static uint32_t line(unsigned kind, const char *data, size_t size, uint64_t offset)
{
	struct linetable table = {kind, 100, (const uint8_t *)data, size};

	return linetable_line(&table, offset);
}

#define LINE(kind, data, offset) line(PMT_LINETABLE_##kind, data, sizeof(data) - 1, offset)

static void no_table(void)
{
	CHECK_EQ(LINE(NONE, "", 0), 100);
	CHECK_EQ(LINE(NONE, "\1\1", 50), 100);
}

static void lnotab(void)
{
	CHECK_EQ(LINE(LNOTAB, "", 0), 100);
	CHECK_EQ(LINE(LNOTAB, "\0\1\6\2\4\377", 0), 101);
	CHECK_EQ(LINE(LNOTAB, "\0\1\6\2\4\377", 4), 101);
	CHECK_EQ(LINE(LNOTAB, "\0\1\6\2\4\377", 6), 103);
	CHECK_EQ(LINE(LNOTAB, "\0\1\6\2\4\377", 10), 102);
	CHECK_EQ(LINE(LNOTAB, "\0\1\6\2\4\377", 1000), 102);
	/* long moves take several pairs */
	CHECK_EQ(LINE(LNOTAB, "\377\0\3\177\0\11", 257), 100);
	CHECK_EQ(LINE(LNOTAB, "\377\0\3\177\0\11", 258), 236);
	/* half a pair */
	CHECK_EQ(LINE(LNOTAB, "\2\1\2", 50), 101);
	/* before line 1 */
	CHECK_EQ(LINE(LNOTAB, "\0\200", 0), 0);
}

static void linetable310(void)
{
	CHECK_EQ(LINE(LINETABLE310, "\4\1\2\200\4\1", 0), 101);
	CHECK_EQ(LINE(LINETABLE310, "\4\1\2\200\4\1", 2), 101);
	CHECK_EQ(LINE(LINETABLE310, "\4\1\2\200\4\1", 4), 0);
	CHECK_EQ(LINE(LINETABLE310, "\4\1\2\200\4\1", 6), 102);
	CHECK_EQ(LINE(LINETABLE310, "\4\1\2\200\4\1", 10), 0);
	CHECK_EQ(LINE(LINETABLE310, "\0\177\2\177", 0), 354);
	CHECK_EQ(LINE(LINETABLE310, "", 0), 0);
}

static void locations(void)
{
	/* 0xf8: no location, 1 unit; 0xe9: line only, 2 units, +3; 0xd8: one line form, +1 */
	static const char table[] = "\370\351\6\330\1\2\200\5";

	CHECK_EQ(LINE(LOCATIONS, table, 0), 0);
	CHECK_EQ(LINE(LOCATIONS, table, 2), 103);
	CHECK_EQ(LINE(LOCATIONS, table, 4), 103);
	CHECK_EQ(LINE(LOCATIONS, table, 6), 104);
	CHECK_EQ(LINE(LOCATIONS, table, 8), 104);
	CHECK_EQ(LINE(LOCATIONS, table, 10), 0);
	/* line only, -2; line only, +64 in two bytes; long form, +1 */
	CHECK_EQ(LINE(LOCATIONS, "\350\5", 0), 98);
	CHECK_EQ(LINE(LOCATIONS, "\350\100\2", 0), 164);
	CHECK_EQ(LINE(LOCATIONS, "\360\2\0\1\1", 0), 101);
	/* ends within an entry */
	CHECK_EQ(LINE(LOCATIONS, "\350", 0), 100);
	CHECK_EQ(LINE(LOCATIONS, "\350\177\177\177\177\177\177\177\177\177\177\177\177", 0), 0);
}

/* Any bytes: no crash, no endless loop, and no undefined arithmetic. */
static void hostile(void)
{
	for (int round = 0; round < 20000; round++) {
		char data[64];
		uint64_t mask = round % 2 ? UINT64_MAX : 0x7f7f7f7f7f7f7f7f;

		for (size_t i = 0; i < sizeof(data); i += 8) {
			uint64_t r = check_random() & mask;

			memcpy(data + i, &r, 8);
		}
		for (unsigned kind = 0; kind < 6; kind++)
			(void)line(kind, data, check_random() % 65, check_random() % 200);
	}
	CHECK_EQ(line(PMT_LINETABLE_LOCATIONS, NULL, 0, 0), 0);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"no table", no_table},
		{"lnotab, up to 3.9", lnotab},
		{"linetable, 3.10", linetable310},
		{"locations, from 3.11", locations},
		{"hostile", hostile},
		{0},
	};

	return check_run(tests);
}
