/* SPDX-License-Identifier: MIT */
/* Accounts: the parts of an account laid under the ranges of the records. */
#include <stdlib.h>
#include <sys/mman.h>

#include "account.h"
#include "check.h"

enum { MIB = 1 << 20 };

static struct account account;

static void begin(uint32_t python_version, unsigned traced)
{
	struct pmt_header header = {.page_bytes = 4096,
				    .python_version = python_version,
				    .traced = 1U << PMT_TRACED_MALLOC | traced};

	account_init(&account, &header);
}

#define RECORD(name, ...)                                                                          \
	account_record(&account,                                                                   \
		       &(struct pmt_record){.type = PMT_REC_##name, .name = {__VA_ARGS__}}, 5)
#define RANGE(n, what, at, bytes, there)                                                           \
	RECORD(account_range, .account = (n), .kind = PMT_MEMORY_##what, .addr = (at),             \
	       .size = (bytes), .resident = (there))
#define ANONYMOUS .prot = PROT_READ | PROT_WRITE, .flags = MAP_PRIVATE | MAP_ANONYMOUS

static void block(uint64_t addr, uint64_t size, uint32_t kind, int count)
{
	account_block(&account, addr, size, kind, count);
}

static void divides(void)
{
	const struct account_view *v = &account.last;

	begin(0x030b0000, 1U << PMT_TRACED_PYMEM);
	RECORD(mmap, .addr = 0x10000000, .size = 4 * MIB, ANONYMOUS);
	RECORD(mmap, .addr = 0x10400000, .size = MIB, ANONYMOUS, .arena = 1);
	block(0x10500010, 2 * MIB - 16, PMT_ALLOCATOR_MALLOC, 1);
	block(0x10400040, 100, PMT_ALLOCATOR_PYOBJECT_MALLOC, 1);
	RANGE(1, ANONYMOUS, 0x0ff00000, 8 * MIB, 8 * MIB); /* one MiB is nobody's */
	RANGE(1, HEAP, 0x5000000, MIB, MIB / 2);
	RANGE(1, RESERVED, 0, 64 * MIB, 0);
	RECORD(account, .number = 1, .resident = 9 * MIB);
	CHECK_EQ(account.accounts, 1);
	CHECK_EQ(v->time_ns, 5);
	CHECK_EQ(v->resident[ACCOUNT_MAPPED], 4 * MIB);
	CHECK_EQ(v->resident[ACCOUNT_ARENAS], MIB);
	CHECK_EQ(v->resident[ACCOUNT_HEAP], 2 * MIB + MIB / 2);
	CHECK_EQ(v->resident[ACCOUNT_ANONYMOUS], MIB);
	CHECK_EQ(v->mapped[ACCOUNT_HEAP], 3 * MIB);
	CHECK_EQ(v->reserved_bytes, 64 * MIB);
	CHECK_EQ(account_unexplained(v), MIB / 2);
	CHECK(v->heap.known && v->arenas.known);
	CHECK_EQ(v->heap.held_bytes, 2 * MIB - 16);
	CHECK_EQ(v->arenas.held_bytes, 100);
	CHECK_EQ(v->arenas.overhead_bytes, 12);
	CHECK_EQ(v->arenas.kept_bytes, MIB - 112);
	CHECK_EQ(v->heap.held_bytes + v->heap.overhead_bytes + v->heap.kept_bytes -
			 v->heap.untouched_bytes,
		 v->resident[ACCOUNT_HEAP]);
	account_fini(&account);
}

/* A range of several owners that is half there: each gets its share. */
static void shares(void)
{
	begin(0, 0);
	RECORD(mmap, .addr = 0x10000000, .size = 2 * MIB, ANONYMOUS);
	RANGE(1, ANONYMOUS, 0x10000000, 4 * MIB, 2 * MIB);
	RECORD(account, .number = 1, .resident = 2 * MIB);
	CHECK_EQ(account.last.resident[ACCOUNT_MAPPED], MIB);
	CHECK_EQ(account.last.resident[ACCOUNT_ANONYMOUS], MIB);
	/* What is gone has no share. */
	RECORD(munmap, .addr = 0x10000000, .size = 2 * MIB);
	RANGE(2, ANONYMOUS, 0x10000000, 4 * MIB, MIB);
	RECORD(account, .number = 2, .resident = MIB);
	CHECK_EQ(account.last.resident[ACCOUNT_MAPPED], 0);
	CHECK_EQ(account.peak.record.number, 1);
	account_fini(&account);
}

/* Freed, moved and replaced blocks leave nothing. */
static void blocks(void)
{
	begin(0, 0);
	for (int i = 0; i < 3; i++) {
		block(0x10000010, 1 * MIB, PMT_ALLOCATOR_MALLOC, 1);
		block(0x20, 24, PMT_ALLOCATOR_MALLOC, 1);
		CHECK_EQ(account.malloc.rounded_bytes, MIB + 16 + 32);
		CHECK_EQ(account.owned_bytes[ACCOUNT_BY_MALLOC], MIB + 4096);
		block(0x10000010, 1 * MIB, PMT_ALLOCATOR_MALLOC, -1);
		block(0x20, 24, PMT_ALLOCATOR_MALLOC, -1);
	}
	CHECK_EQ(account.malloc.count, 0);
	CHECK_EQ(account.malloc.bytes, 0);
	CHECK_EQ(account.malloc.rounded_bytes, 0);
	CHECK_EQ(account.owned_bytes[ACCOUNT_BY_MALLOC], 0);
	account_fini(&account);
}

/* A large block that lies in the heap is not counted beside it. */
static void large_in_heap(void)
{
	begin(0, 0);
	block(0x5000010, MIB, PMT_ALLOCATOR_MALLOC, 1);
	RANGE(1, HEAP, 0x5000000, 4 * MIB, 2 * MIB);
	RECORD(account, .number = 1, .resident = 2 * MIB);
	CHECK_EQ(account.last.mapped[ACCOUNT_HEAP], 4 * MIB);
	CHECK_EQ(account.last.heap.kept_bytes, 3 * MIB - 16);
	CHECK_EQ(account.last.heap.untouched_bytes, 2 * MIB);
	account_fini(&account);
}

/* What looks like an arena of malloc is the program's, if it mapped it. */
static void no_arena(void)
{
	begin(0, 0);
	RECORD(mmap, .addr = 0x10000000, .size = 256 * MIB, ANONYMOUS);
	block(0x20000010, MIB, PMT_ALLOCATOR_MALLOC, 1);
	RANGE(1, MALLOC_ARENA, 0x10000000, 256 * MIB, 16 * MIB);
	RANGE(1, MALLOC_ARENA, 0x20000000, 4 * MIB, 2 * MIB);
	RECORD(account, .number = 1, .resident = 18 * MIB);
	CHECK_EQ(account.last.resident[ACCOUNT_MAPPED], 16 * MIB);
	CHECK_EQ(account.last.resident[ACCOUNT_HEAP], 2 * MIB);
	CHECK_EQ(account.last.mapped[ACCOUNT_HEAP], 4 * MIB);
	account_fini(&account);
}

/* malloc's word counts, if it can be true. */
static void figures(void)
{
	begin(0, 0);
	block(0x5000020, MIB, PMT_ALLOCATOR_MALLOC, 1);
	RANGE(1, HEAP, 0x5000000, 4 * MIB, 4 * MIB);
	RECORD(account, .number = 1, .resident = 4 * MIB, .malloc = PMT_MALLOCSTATE_KNOWN,
	       .malloc_free = 2 * MIB, .malloc_arena = 4 * MIB);
	CHECK_EQ(account.last.heap.kept_bytes, 2 * MIB);
	CHECK_EQ(account.last.heap.overhead_bytes, MIB);
	RANGE(2, HEAP, 0x5000000, 4 * MIB, 4 * MIB);
	RECORD(account, .number = 2, .resident = 4 * MIB, .malloc = PMT_MALLOCSTATE_KNOWN,
	       .malloc_free = ~0ULL, .malloc_arena = 4 * MIB);
	CHECK_EQ(account.last.heap.kept_bytes, 3 * MIB - 16);
	RANGE(3, HEAP, 0x5000000, 4 * MIB, 4 * MIB);
	RECORD(account, .number = 3, .resident = 4 * MIB, .malloc = PMT_MALLOCSTATE_OTHER);
	CHECK(!account.last.heap.known);
	account_fini(&account);
}

/* Without Python's blocks its arenas are known by their size. */
static void arenas_by_size(void)
{
	static const struct {
		uint32_t version;
		uint64_t size;
		bool arena;
	} cases[] = {{0x030b0000, MIB, true},
		     {0x030b0000, MIB / 4, false},
		     {0x03080000, MIB / 4, true},
		     {0x03080000, MIB, false},
		     {0, MIB, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(cases[i].version, 0);
		RECORD(mmap, .addr = 0x10000000, .size = cases[i].size, ANONYMOUS);
		CHECK_EQ(account.owned_bytes[ACCOUNT_BY_PYTHON],
			 cases[i].arena ? cases[i].size : 0);
		account_fini(&account);
	}
}

/* An account that was not finished, one without parts, and parts of another one. */
static void unfinished(void)
{
	begin(0, 0);
	RANGE(1, HEAP, 0x5000000, MIB, MIB);
	RECORD(account, .number = 2, .resident = MIB);
	CHECK_EQ(account.accounts, 0);
	RANGE(2, HEAP, 0x5000000, MIB, MIB / 2);
	RECORD(account, .number = 2, .resident = MIB);
	CHECK_EQ(account.accounts, 1);
	CHECK_EQ(account.last.resident[ACCOUNT_HEAP], MIB / 2);
	RECORD(account, .number = 2, .resident = MIB);
	CHECK_EQ(account.accounts, 1);
	account_fini(&account);
}

/* Numbers that no kernel says: sums stop at the largest number, nothing wraps, memory is bounded.
 */
static void hostile(void)
{
	begin(0x030b0000, 1U << PMT_TRACED_PYMEM);
	for (unsigned i = 0; i < 300000; i++)
		RANGE(1, ANONYMOUS, check_random(), check_random(), ~0ULL);
	CHECK(account.ranges.room < 200000);
	RECORD(account, .number = 1, .resident = 0, .reason = ~0ULL, .malloc = ~0ULL);
	CHECK_EQ(account_unexplained(&account.last), (uint64_t)INT64_MIN);
	RECORD(account_range, .account = 2, .kind = ~0ULL, .addr = ~0ULL, .size = ~0ULL,
	       .resident = ~0ULL, .swap = ~0ULL);
	RECORD(account_range, .account = 2, .kind = PMT_MEMORY_OWN + 1, .swap = ~0ULL);
	RECORD(account, .number = 2, .resident = ~0ULL);
	CHECK_EQ(account_unexplained(&account.last), 0);
	CHECK_EQ(account.last.swap_bytes, ~0ULL);
	for (unsigned i = 0; i < 20000; i++) {
		const uint64_t addr = check_random() >> check_random() % 40;
		const uint64_t size = check_random() >> check_random() % 64;

		block(addr & ~15ULL, size, check_random() % 40, check_random() % 2 ? 1 : -1);
		block((addr & ~4095ULL) | 16, size, 0, check_random() % 2 ? 1 : -1);
		RECORD(mmap, .addr = addr, .size = size, .flags = check_random());
		RANGE(3, ANONYMOUS, addr, size, check_random());
	}
	RECORD(account, .number = 3, .resident = 1 << 30, .malloc = PMT_MALLOCSTATE_KNOWN);
	CHECK_EQ(account.accounts, 3);
	account_fini(&account);
}

int main(void)
{
	static const struct check_test tests[] = {{"divides", divides},
						  {"shares", shares},
						  {"blocks", blocks},
						  {"large in heap", large_in_heap},
						  {"no arena", no_arena},
						  {"figures", figures},
						  {"arenas by size", arenas_by_size},
						  {"unfinished", unfinished},
						  {"hostile", hostile},
						  {0}};

	return check_run(tests);
}
