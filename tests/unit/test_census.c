/* SPDX-License-Identifier: MIT */
/* A census joined with live blocks: whatever its records say, its rows add up to what was live. */
#include "census.h"

#include <stdlib.h>

#include "check.h"
#include "names.h"

enum { BLOCKS = 3000, TYPES = 7 };

static struct {
	struct heap heap;
	struct sites sites;
	struct early early;
	struct census census;
	uint64_t order; /* of the records of a census */
	uint64_t bytes; /* of Python's objects */
	uint64_t count;
	uint64_t seed;
} world;

static uint64_t any(uint64_t below)
{
	world.seed = world.seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (world.seed >> 33) % below;
}

static uint64_t addr_of(unsigned i)
{
	return 0x7f0000000000 + 16ULL * i * 3;
}

/* Every third block is malloc's, one is larger than 4 GiB. */
static void make_world(void)
{
	struct heap_block old;

	memset(&world, 0, sizeof(world));
	world.seed = 1;
	heap_init(&world.heap);
	sites_init(&world.sites);
	early_init(&world.early);
	world.order = 7;
	census_init(&world.census, NULL);
	for (unsigned i = 0; i < BLOCKS; i++) {
		const bool object = i % 3 != 0;
		const struct heap_block block = {
			.size_bytes = i == 100 ? 5ULL << 30 : any(1000),
			.site = sites_find(&world.sites, any(20), (uint32_t)any(3),
					   object ? PMT_ALLOCATOR_PYOBJECT_CALLOC
						  : PMT_ALLOCATOR_MALLOC),
		};

		heap_put(&world.heap, addr_of(i), &block, &old);
		sites_change(&world.sites, block.site, (int64_t)block.size_bytes, 1);
		world.bytes += object ? block.size_bytes : 0;
		world.count += object;
	}
}

static void end_world(void)
{
	heap_fini(&world.heap);
	sites_fini(&world.sites);
	early_fini(&world.early);
	census_fini(&world.census);
}

static void add(const struct pmt_record *record)
{
	const struct census_place place = {5, world.order, &world.heap, &world.sites, &world.early};

	census_add(&world.census, record, &place);
}

static void add_head(uint64_t number, uint64_t moment, const char *label)
{
	add(&(struct pmt_record){
		.type = PMT_REC_census,
		.census = {number, moment, {(const uint8_t *)label, (uint32_t)strlen(label)}}});
}

static void add_bytes(const uint8_t *bytes, size_t size, uint64_t addr, uint64_t count)
{
	add(&(struct pmt_record){.type = PMT_REC_type_live,
				 .type_live = {1, addr, count, {bytes, (uint32_t)size}}});
}

static void add_name(uint64_t id, uint64_t kind, uint64_t count, const char *name)
{
	add(&(struct pmt_record){.type = PMT_REC_type_name,
				 .type_name = {id,
					       kind,
					       count,
					       {(const uint8_t *)"m", 1},
					       {(const uint8_t *)name, (uint32_t)strlen(name)}}});
}

/* One record for each block. */
static void add_block(uint64_t addr, uint64_t type)
{
	uint8_t bytes[16];
	struct pmt_encoder e = {.cur = bytes};

	codec_put_uint(&e, 0);
	codec_put_uint(&e, type);
	add_bytes(bytes, (size_t)(e.cur - bytes), addr, 1);
}

static void check_sums(void)
{
	uint64_t bytes = 0, count = 0;

	census_finish(&world.census);
	for (uint32_t i = 1; i <= world.census.sites.count; i++) {
		bytes += world.census.sites.sites[i].live.bytes;
		count += world.census.sites.sites[i].live.count;
	}
	CHECK_EQ(bytes, world.bytes);
	CHECK_EQ(count, world.count);
}

static struct amount of_type(uint32_t type)
{
	struct amount sum = {0};

	for (uint32_t i = 1; i <= world.census.sites.count; i++)
		if (world.census.sites.sites[i].kind == type) {
			sum.bytes += world.census.sites.sites[i].live.bytes;
			sum.count += world.census.sites.sites[i].live.count;
		}
	return sum;
}

static void equals_a_model(void)
{
	struct amount model[TYPES + 1] = {{0}};
	struct heap_block block;
	char buffer[32];

	make_world();
	add_head(1, PMT_MOMENT_SNAPSHOT, "first");
	add_block(addr_of(1), 5);
	add_head(2, PMT_MOMENT_END, "");
	for (unsigned i = 0; i < BLOCKS; i++) {
		const uint64_t type = 1 + any(TYPES);

		if (i % 3 == 0 || i % 10 == 0)
			continue;
		CHECK(heap_look(&world.heap, addr_of(i), &block));
		model[type].bytes += block.size_bytes;
		model[type].count++;
		add_block(addr_of(i), type);
	}
	for (unsigned type = 1; type <= TYPES; type++)
		add_name(type, type <= 2 ? type : 0, model[type].count, "N");
	check_sums();
	for (uint32_t type = 1; type <= TYPES; type++) {
		CHECK_EQ(of_type(type).bytes, model[type].bytes);
		CHECK_EQ(of_type(type).count, model[type].count);
	}
	CHECK(of_type(CENSUS_UNSEEN).count != 0);
	CHECK(census_complete(&world.census));
	CHECK_EQ(world.census.number, 2);
	CHECK(strcmp(census_name(&world.census, 1, buffer), "<no object>") == 0);
	CHECK(strcmp(census_name(&world.census, 2, buffer), "<free list>") == 0);
	CHECK(strcmp(census_name(&world.census, 3, buffer), "m.N") == 0);
	CHECK(strcmp(census_name(&world.census, 77, buffer), "<type 77>") == 0);
	end_world();
}

/* All that a list could name twice, or that is no object, stays out. */
static void lies_change_no_sum(void)
{
	make_world();
	add_head(1, PMT_MOMENT_END, "");
	for (unsigned i = 0; i < BLOCKS * 3; i++)
		add_block(addr_of((unsigned)any(BLOCKS)) + (any(5) == 0) * 16, 1 + any(TYPES));
	check_sums();
	CHECK(!census_complete(&world.census));
	end_world();
}

static void garbage_is_survived(void)
{
	uint8_t *bytes = malloc(400);

	make_world();
	for (unsigned round = 0; round < 3000; round++) {
		const size_t size = any(400);

		for (size_t i = 0; i < size; i++)
			bytes[400 - size + i] = (uint8_t)(any(3) == 0 ? any(256) : any(4));
		if (round % 100 == 0)
			add_head(round, any(3), "x");
		if (round % 7 == 0)
			add_name(any(3) == 0 ? UINT64_MAX - any(3) : any(9), any(4), any(100), "y");
		/* At the end of the memory, so that a look beyond it is noticed. */
		add_bytes(bytes + 400 - size, size,
			  any(2) ? addr_of((unsigned)any(BLOCKS)) : UINT64_MAX, any(300));
	}
	check_sums();
	end_world();
	free(bytes);
}

static void chosen_by_label_or_number(void)
{
	static const struct {
		const char *wanted;
		uint64_t number; /* 0: none */
	} cases[] = {{NULL, 3}, {"a", 2}, {"1", 1}, {"3", 3}, {"end", 3}, {"b", 0}, {"", 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_world();
		world.census.wanted = cases[i].wanted;
		add_head(1, PMT_MOMENT_SNAPSHOT, "a");
		add_head(2, PMT_MOMENT_SNAPSHOT, "a");
		add_head(3, PMT_MOMENT_END, "");
		CHECK_EQ(world.census.found, cases[i].number != 0);
		CHECK_EQ(world.census.number, cases[i].number);
		end_world();
	}
}

/* A block that is written behind the census; FREE_NUMBER: of the waiting free that it met, 0: none.
 */
static void add_late(uint64_t addr, uint64_t size, uint32_t kind, uint32_t free_number)
{
	const struct site site = {.stack = 3, .thread = 2, .kind = kind};
	const struct census_late late = {addr, &site, size, free_number != 0, free_number};

	census_add_late(&world.census, &late);
}

/* The census lists 40 blocks that have no record yet; those that come late find their types. */
static void late_blocks_are_taken_in(void)
{
	const uint32_t object = PMT_ALLOCATOR_PYOBJECT_MALLOC;
	const uint64_t far = addr_of(BLOCKS) + 16;

	make_world();
	for (unsigned i = 0; i < 5; i++)
		early_add(&world.early, far, i, 1);
	add_head(1, PMT_MOMENT_END, "");
	for (unsigned i = 0; i < 40; i++)
		add_block(far + i * 64, 4 + i % 2);
	CHECK(census_wants_late(&world.census, 6));
	CHECK(!census_wants_late(&world.census, 7));
	CHECK(!census_wants_late(NULL, 0));
	add_late(far, 100, object, 0);
	add_late(far + 64, 20, object, 6);    /* freed after the census */
	add_late(far + 128, 1000, object, 5); /* freed before, another block is there */
	add_late(far + 128, 3, object, 0);
	add_late(far + 192, 10000, PMT_ALLOCATOR_MALLOC, 0);
	add_late(far + 64 * 50, 7, object, 0); /* nobody has listed it */
	CHECK_EQ(of_type(4).count, 2);
	CHECK_EQ(of_type(4).bytes, 103);
	CHECK_EQ(of_type(5).count, 1);
	CHECK_EQ(of_type(5).bytes, 20);
	CHECK_EQ(of_type(CENSUS_UNSEEN).bytes, 7);
	world.bytes += 130;
	world.count += 4;
	check_sums();
	end_world();
}

int main(void)
{
	static const struct check_test tests[] = {
		{"equals a model", equals_a_model},
		{"lies change no sum", lies_change_no_sum},
		{"garbage is survived", garbage_is_survived},
		{"late blocks are taken in", late_blocks_are_taken_in},
		{"chosen by label or number", chosen_by_label_or_number},
		{0},
	};

	return check_run(tests);
}
