/* SPDX-License-Identifier: MIT */
/* smaps: what each mapping is for, and lines that no kernel should write. */
#include <stdlib.h>

#include "check.h"
#include "names.h"
#include "smaps.h"

enum { SEEN_MAX = 2048 };

static struct smaps_mapping seen[SEEN_MAX];
static unsigned seen_count;

static void note(void *context, const struct smaps_mapping *mapping)
{
	(void)context;
	if (seen_count < SEEN_MAX)
		seen[seen_count] = *mapping;
	seen_count++;
}

/* Feed TEXT in pieces of STEP bytes. */
static void parse(const char *text, size_t size, size_t step)
{
	static struct smaps s;

	seen_count = 0;
	smaps_init(&s, note, NULL);
	s.log = "/tmp/a log.pmt";
	s.address = 0x6f0000300010;
	for (size_t at = 0; at < size; at += step)
		smaps_feed(&s, text + at, size - at < step ? size - at : step);
	smaps_finish(&s);
}

#define PARSE(text) parse((text), strlen(text), 7)
#define LINE(range, access, inode, name) range " " access " 00000000 fe:00 " inode "    " name "\n"
#define KB(rss, copied, swap) "Rss: " rss " kB\nAnonymous:  " copied " kB\nSwap: " swap " kB\n"

static void expect(unsigned i, uint32_t kind, uint64_t size_kb, uint64_t resident_kb)
{
	CHECK(i < seen_count);
	CHECK_EQ(seen[i].kind, kind);
	CHECK_EQ(seen[i].size, size_kb << 10);
	CHECK_EQ(seen[i].resident, resident_kb << 10);
}

static void kinds(void)
{
	PARSE(LINE("1000-3000", "r--p", "7", "/usr/bin/python3") KB("8", "0", "0") LINE(
		"3000-4000", "r-xp", "7", "/usr/bin/python3") KB("4", "0", "0")
		      LINE("4000-6000", "rw-p", "7", "/usr/bin/python3") KB("8", "4", "0") LINE(
			      "6000-7000", "rw-p", "0", "") KB("4", "4",
							       "0") LINE("8000-a000", "rw-p", "0",
									 "[heap]") KB("4", "4", "4")
			      LINE("10000-20000", "r--p", "9", "/data/file with blanks") KB(
				      "12", "0", "0") LINE("20000-30000", "rw-s", "3",
							   "/dev/zero (deleted)") KB("16", "0", "0")
				      LINE("30000-40000", "rw-s", "3", "/memfd:x (deleted)") KB(
					      "16", "0", "0") LINE("40000-50000", "rw-p", "0",
								   "[stack]") KB("16", "16", "0")
					      LINE("60000-70000", "r--p", "0",
						   "[vvar]") KB("0", "0", "0")
						      LINE("ffffffffff600000-ffffffffff601000",
							   "--xp", "0", "[vsyscall]")
							      KB("4", "0", "0"));
	CHECK_EQ(seen_count, 8);
	expect(0, PMT_MEMORY_LIBRARY, 20, 20);
	CHECK_EQ(seen[0].copied, 4096);
	expect(1, PMT_MEMORY_LIBRARY_DATA, 4, 4);
	CHECK_EQ(seen[1].copied, 0);
	expect(2, PMT_MEMORY_HEAP, 8, 4);
	CHECK_EQ(seen[2].swap, 4096);
	expect(3, PMT_MEMORY_FILE, 64, 12);
	CHECK_STR(seen[3].name, "/data/file with blanks");
	expect(4, PMT_MEMORY_SHARED, 64, 16);
	expect(5, PMT_MEMORY_SHARED, 64, 16);
	expect(6, PMT_MEMORY_STACK, 64, 16);
	expect(7, PMT_MEMORY_OTHER, 64, 0);
}

/* Two lines say what is shared. Of files and of shared memory that is no news. */
static void shared(void)
{
	PARSE(LINE("10000-20000", "rw-p", "0", "") KB(
		"40", "40",
		"0") "Shared_Clean: 4 kB\n"
		     "Shared_Dirty: 12 kB\n" LINE("20000-30000", "rw-p", "7", "/usr/lib/x.so")
			     KB("40", "40", "0") "Shared_Clean: 8 kB\n" LINE("30000-40000", "rw-s",
									     "0", "")
				     KB("40", "0", "0") "Shared_Dirty: 8 kB\n" LINE("40000-50000",
										    "rw-p", "0", "")
					     KB("4", "4", "0") "Shared_Dirty: 999 kB\n");
	CHECK_EQ(seen_count, 4);
	CHECK_EQ(seen[0].shared, 16384);
	CHECK_EQ(seen[1].shared, 0);
	CHECK_EQ(seen[2].shared, 0);
	CHECK_EQ(seen[3].shared, 4096);
}

/* Not even the values of the kernel's own mapping are taken for those of the one before. */
static void kernels_half(void)
{
	PARSE(LINE("40000-50000", "rw-p", "0", "[stack]") KB("16", "16", "0") LINE(
		"ffffffffff600000-ffffffffff601000", "--xp", "0", "[vsyscall]") KB("0", "0", "0"));
	CHECK_EQ(seen_count, 1);
	expect(0, PMT_MEMORY_STACK, 64, 16);
}

static void arenas_of_malloc(void)
{
	PARSE(LINE("7f0000000000-7f0000021000", "rw-p", "0", "") KB("100", "0", "0")
		      LINE("7f0000021000-7f0004000000", "---p", "0", "") KB("0", "0", "0"));
	expect(0, PMT_MEMORY_MALLOC_ARENA, 0x21 * 4, 100);
	expect(1, PMT_MEMORY_RESERVED, 0x3fdf * 4, 0);
	/* The rest and the guard of a stack became one mapping. */
	PARSE(LINE("7f0000000000-7f0000021000", "rw-p", "0", "") KB("100", "0", "0")
		      LINE("7f0000021000-7f0004001000", "---p", "0", "")
			      LINE("7f0004001000-7f0004801000", "rw-p", "0", "") KB("8", "0", "0"));
	expect(0, PMT_MEMORY_MALLOC_ARENA, 0x21 * 4, 100);
	expect(2, PMT_MEMORY_THREAD_STACK, 8192, 8);
	/* Full, and two of them as one. */
	PARSE(LINE("7f0000000000-7f0008000000", "rw-p", "0", "")
		      KB("100", "0", "0") "VmFlags: rd wr\n");
	expect(0, PMT_MEMORY_MALLOC_ARENA, 131072, 100);
	/* By its name. */
	PARSE(LINE("7f0000001000-7f0000002000", "rw-p", "0", "[anon: glibc: malloc arena]"));
	expect(0, PMT_MEMORY_MALLOC_ARENA, 4, 0);
	/* What only begins at such an address; the rest is too short. */
	PARSE(LINE("7f0000000000-7f0000021000", "rw-p", "0", "") KB("100", "0", "0")
		      LINE("7f0000021000-7f0003fff000", "---p", "0", "") KB("0", "0", "0"));
	expect(0, PMT_MEMORY_ANONYMOUS, 0x21 * 4, 100);
}

static void stacks(void)
{
	PARSE(LINE("7f0100000000-7f0100001000", "---p", "0", "") KB("0", "0", "0")
		      LINE("7f0100001000-7f0100801000", "rw-p", "0", "") KB("12", "0", "0")
			      LINE("7f0100801000-7f0100901000", "rw-s", "0", "") KB("12", "0", "0")
				      LINE("7f0100a00000-7f0100b00000", "rw-p", "0", "")
					      KB("4", "0", "0") "VmFlags: rd wr nh\n" LINE(
						      "7f0100c00000-7f0100d00000", "rw-p", "0",
						      "[anon:mine]") KB("4", "0", "0"));
	expect(1, PMT_MEMORY_THREAD_STACK, 8192, 12);
	expect(2, PMT_MEMORY_SHARED, 1024, 12);
	expect(3, PMT_MEMORY_THREAD_STACK, 1024, 4);
	expect(4, PMT_MEMORY_ANONYMOUS, 1024, 4);
}

static void own(void)
{
	PARSE(LINE("7f0000100000-7f0000110000", "rw-s", "5", "/tmp/a log.pmt") KB("64", "0", "0")
		      LINE("7f0000110000-7f0000120000", "rw-s", "5", "/tmp/a log.pmt (deleted)")
			      KB("4", "0", "0") LINE("7f0000120000-7f0000130000", "rw-s", "6",
						     "/tmp/a log.pmt2") KB("4", "0", "0")
				      LINE("6f0000300000-6f0000301000", "r-xp", "8",
					   "/lib/libpymemtrace.so") KB("4", "0", "0")
					      LINE("6f0000301000-6f0000302000", "rw-p", "8",
						   "/lib/libpymemtrace.so") KB("4", "4", "0"));
	CHECK_EQ(seen_count, 4);
	expect(0, PMT_MEMORY_OWN, 64, 64);
	expect(1, PMT_MEMORY_OWN, 64, 4);
	expect(2, PMT_MEMORY_FILE, 64, 4);
	expect(3, PMT_MEMORY_OWN, 8, 8);
}

/* Nothing that a line says may make sums wrap or memory be overrun. */
static void odd_lines(void)
{
	static const char *const texts[] = {
		"",
		"\n\n\n",
		"Rss: 12 kB\n",
		"-\n",
		"1000\n",
		"1000-\n",
		"1000-2000\n",
		"1000-2000 \n",
		"1000-2000 r\n",
		"1000-2000 rw-p\n",
		"1000-2000 rw-p0\n",
		"2000-1000 rw-p 0 0 0\n",
		"1000-1000 rw-p 0 0 0\n",
		"11111111111111111-22222222222222222 rw-p 0 0 0\n",
		"1000-2000 rw-p 0 0:0 0",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		PARSE(texts[i]);
		CHECK_EQ(seen_count, 0);
	}
	PARSE("1000-2000 rw-p \nRss: 4 kB\n");
	CHECK_EQ(seen_count, 1);
	PARSE("1000-2000 rw-p 0 0:0 99999999999999999999999999 x\n"
	      "Rss: 99999999999999999999999999999 kB\nAnonymous: 18446744073709551615 kB\n"
	      "Swap: 18446744073709551615 kB\nRss\nRss:\nSwap\n");
	CHECK_EQ(seen_count, 1);
	CHECK(seen[0].resident <= 4096);
	CHECK(seen[0].swap <= 1ULL << 62);
	/* The values belong to no mapping. */
	PARSE("1000-2000 rw-p 0 0:0 0\nRss: 4 kB\n2000-1000 rw-p 0 0:0 0\nRss: 0 kB\n");
	CHECK_EQ(seen_count, 1);
	expect(0, PMT_MEMORY_ANONYMOUS, 4, 4);
}

static void long_lines(void)
{
	char text[3 * 4096];
	size_t size = (size_t)snprintf(text, sizeof(text), "1000-2000 r--p 0 0:0 5 /");

	memset(text + size, 'x', 2 * 4096);
	size += 2 * 4096;
	size += (size_t)snprintf(text + size, sizeof(text) - size, "\nRss: 4 kB\n");
	for (size_t step = 1; step < 600; step += 37) {
		parse(text, size, step);
		CHECK_EQ(seen_count, 1);
		expect(0, PMT_MEMORY_FILE, 4, 4);
		CHECK(strlen(seen[0].name) < SMAPS_LINE);
	}
}

/* Bytes changed at random in what a kernel wrote. */
static void damaged(void)
{
	static char text[65536];
	static char changed[sizeof(text)];
	FILE *file = fopen("/proc/self/smaps", "r");
	size_t size = file != NULL ? fread(text, 1, sizeof(text), file) : 0;

	if (file != NULL)
		fclose(file);
	CHECK(size > 1000);
	for (int round = 0; round < 300; round++) {
		memcpy(changed, text, size);
		for (int i = 0; i < 200; i++)
			changed[check_random() % size] =
				(char)(check_random() % 4 != 0
					       ? (uint64_t) "-: 0f\n"[check_random() % 6]
					       : check_random());
		parse(changed, size, 1 + check_random() % 5000);
		for (unsigned i = 0; i < seen_count && i < SEEN_MAX; i++) {
			CHECK(seen[i].resident <= seen[i].size);
			CHECK(seen[i].copied <= seen[i].resident);
			CHECK(seen[i].kind <= PMT_MEMORY_OWN);
		}
	}
}

/* The sum over this very process is that of the kernel. */
static void whole(void)
{
	static char text[1 << 20];
	uint64_t sum = 0, resident = 0;
	FILE *file = fopen("/proc/self/smaps", "r");
	size_t size = fread(text, 1, sizeof(text) - 1, file);

	fclose(file);
	for (const char *p = text; (p = strstr(p, "\nRss:")) != NULL; p++)
		resident += strtoul(p + 5, NULL, 10) * 1024;
	parse(text, size, 4096);
	CHECK(seen_count < SEEN_MAX);
	for (unsigned i = 0; i < seen_count; i++)
		sum += seen[i].resident;
	CHECK_EQ(sum, resident);
}

int main(void)
{
	static const struct check_test tests[] = {{"kinds", kinds},
						  {"the kernel's half", kernels_half},
						  {"arenas of malloc", arenas_of_malloc},
						  {"stacks", stacks},
						  {"own", own},
						  {"odd lines", odd_lines},
						  {"long lines", long_lines},
						  {"shared", shared},
						  {"damaged", damaged},
						  {"whole", whole},
						  {0}};

	return check_run(tests);
}
