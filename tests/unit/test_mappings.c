/* SPDX-License-Identifier: MIT */
/* What these tests say of a mapping; fields they do not name are zero. */
#define MAPPED(at, bytes, protection, how)                                                         \
	.addr = (at), .size = (bytes), .prot = (protection), .flags = (how)
/* Mappings: each case of cutting by hand, and random operations against an array of pages. */
#include <stdlib.h>
#include <sys/mman.h>

#include "check.h"
#include "mappings.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum { PAGE = 4096, PAGES = 200, SITES = 16 };

/* A record of each class. */
static const struct pmt_mmap record_of[] = {
	[MAPPING_ANONYMOUS] = {.flags = MAP_PRIVATE | MAP_ANONYMOUS,
			       .prot = PROT_READ | PROT_WRITE},
	[MAPPING_FILE] = {.flags = MAP_PRIVATE, .prot = PROT_READ},
	[MAPPING_RESERVED] = {.flags = MAP_PRIVATE | MAP_ANONYMOUS, .prot = PROT_NONE},
	[MAPPING_ARENA] = {.flags = MAP_PRIVATE | MAP_ANONYMOUS,
			   .prot = PROT_READ | PROT_WRITE,
			   .arena = 1},
	[MAPPING_MALLOC] = {.flags = MAP_PRIVATE | MAP_ANONYMOUS,
			    .prot = PROT_READ | PROT_WRITE,
			    .arena = MAPPING_BY_MALLOC},
};
_Static_assert(sizeof(record_of) / sizeof(record_of[0]) == MAPPING_CLASSES,
	       "each class has its record");

/* Pages from START on, in page numbers. */
static void map(struct mappings *maps, uint64_t start, uint64_t count, enum mapping_class class,
		uint32_t site)
{
	struct pmt_mmap record = record_of[class];

	record.addr = start * PAGE;
	record.size = count * PAGE;
	CHECK_EQ(mapping_class(&record), class);
	mappings_mmap(maps, &record, site);
}

static void unmap(struct mappings *maps, uint64_t start, uint64_t count)
{
	mappings_munmap(maps, &(struct pmt_munmap){.addr = start * PAGE, .size = count * PAGE});
}

static void remap(struct mappings *maps, const uint64_t pages[4], uint64_t flags, uint32_t site)
{
	mappings_mremap(maps,
			&(struct pmt_mremap){.old_addr = pages[0] * PAGE,
					     .old_size = pages[1] * PAGE,
					     .addr = pages[2] * PAGE,
					     .size = pages[3] * PAGE,
					     .flags = flags},
			site);
}

/* Bytes and ranges by site, as the set tells them. */
static int64_t site_bytes[SITES];
static int64_t site_count[SITES];

static void changed(void *context, uint32_t site, enum mapping_class class, int64_t bytes,
		    int count)
{
	(void)context;
	(void)class;
	site_bytes[site] += bytes;
	site_count[site] += count;
}

static struct mappings begin(void)
{
	struct mappings maps;

	memset(site_bytes, 0, sizeof(site_bytes));
	memset(site_count, 0, sizeof(site_count));
	mappings_init(&maps, PAGE, changed, NULL);
	return maps;
}

static void expect(const struct mappings *maps, enum mapping_class class, uint64_t pages,
		   uint64_t ranges)
{
	CHECK_EQ(maps->totals[class].bytes, pages * PAGE);
	CHECK_EQ(maps->totals[class].count, ranges);
}

static void unmap_whole(void)
{
	struct mappings maps = begin();

	map(&maps, 10, 5, MAPPING_ANONYMOUS, 1);
	expect(&maps, MAPPING_ANONYMOUS, 5, 1);
	unmap(&maps, 10, 5);
	expect(&maps, MAPPING_ANONYMOUS, 0, 0);
	CHECK_EQ(maps.totals[MAPPING_ANONYMOUS].peak_bytes, 5 * PAGE);
	mappings_fini(&maps);
}

static void unmap_head_and_tail(void)
{
	struct mappings maps = begin();

	map(&maps, 10, 5, MAPPING_ANONYMOUS, 1);
	unmap(&maps, 10, 1);
	expect(&maps, MAPPING_ANONYMOUS, 4, 1);
	unmap(&maps, 13, 2);
	expect(&maps, MAPPING_ANONYMOUS, 2, 1);
	unmap(&maps, 10, 1); /* gone already */
	expect(&maps, MAPPING_ANONYMOUS, 2, 1);
	unmap(&maps, 11, 2);
	expect(&maps, MAPPING_ANONYMOUS, 0, 0);
	mappings_fini(&maps);
}

static void unmap_middle(void)
{
	struct mappings maps = begin();

	map(&maps, 10, 5, MAPPING_ANONYMOUS, 1);
	unmap(&maps, 12, 1);
	expect(&maps, MAPPING_ANONYMOUS, 4, 2);
	CHECK_EQ(site_count[1], 2);
	unmap(&maps, 10, 2); /* split, then freed: one half is left */
	expect(&maps, MAPPING_ANONYMOUS, 2, 1);
	CHECK_EQ(site_bytes[1], 2 * PAGE);
	mappings_fini(&maps);
}

static void several_holes(void)
{
	struct mappings maps = begin();

	map(&maps, 10, 9, MAPPING_ANONYMOUS, 1);
	unmap(&maps, 11, 1);
	unmap(&maps, 13, 1);
	unmap(&maps, 15, 1);
	expect(&maps, MAPPING_ANONYMOUS, 6, 4);
	unmap(&maps, 10, 9);
	expect(&maps, MAPPING_ANONYMOUS, 0, 0);
	mappings_fini(&maps);
}

static void one_munmap_over_several(void)
{
	struct mappings maps = begin();

	map(&maps, 10, 3, MAPPING_ANONYMOUS, 1);
	map(&maps, 13, 3, MAPPING_FILE, 2);
	map(&maps, 20, 3, MAPPING_RESERVED, 3);
	unmap(&maps, 12, 10);
	expect(&maps, MAPPING_ANONYMOUS, 2, 1);
	expect(&maps, MAPPING_FILE, 0, 0);
	expect(&maps, MAPPING_RESERVED, 1, 1);
	mappings_fini(&maps);
}

static void several_munmaps_over_several(void)
{
	struct mappings maps = begin();

	map(&maps, 10, 4, MAPPING_ANONYMOUS, 1);
	map(&maps, 14, 4, MAPPING_ANONYMOUS, 2);
	map(&maps, 18, 4, MAPPING_ANONYMOUS, 3);
	unmap(&maps, 12, 4);
	unmap(&maps, 17, 3);
	expect(&maps, MAPPING_ANONYMOUS, 5, 3);
	CHECK_EQ(site_bytes[1], 2 * PAGE);
	CHECK_EQ(site_bytes[2], 1 * PAGE);
	CHECK_EQ(site_bytes[3], 2 * PAGE);
	mappings_fini(&maps);
}

static void fixed_replaces(void)
{
	struct mappings maps = begin();

	map(&maps, 10, 10, MAPPING_RESERVED, 1);
	map(&maps, 12, 2, MAPPING_ANONYMOUS, 2);
	expect(&maps, MAPPING_RESERVED, 8, 2);
	expect(&maps, MAPPING_ANONYMOUS, 2, 1);
	map(&maps, 10, 10, MAPPING_FILE, 3);
	expect(&maps, MAPPING_RESERVED, 0, 0);
	expect(&maps, MAPPING_ANONYMOUS, 0, 0);
	expect(&maps, MAPPING_FILE, 10, 1);
	/* Replacing is one step: both were never there at once. */
	CHECK_EQ(maps.totals[MAPPING_RESERVED].peak_bytes, 10 * PAGE);
	mappings_fini(&maps);
}

static void replacing_is_no_peak(void)
{
	struct mappings maps = begin();

	map(&maps, 10, 10, MAPPING_ANONYMOUS, 1);
	map(&maps, 10, 10, MAPPING_ANONYMOUS, 2);
	CHECK_EQ(maps.totals[MAPPING_ANONYMOUS].peak_bytes, 10 * PAGE);
	remap(&maps, (uint64_t[]){10, 10, 50, 10}, MREMAP_MAYMOVE, 3);
	CHECK_EQ(maps.totals[MAPPING_ANONYMOUS].peak_bytes, 10 * PAGE);
	mappings_fini(&maps);
}

static void remap_grows_shrinks_moves(void)
{
	struct mappings maps = begin();

	map(&maps, 10, 4, MAPPING_FILE, 1);
	remap(&maps, (uint64_t[]){10, 4, 10, 6}, 0, 2);
	expect(&maps, MAPPING_FILE, 6, 1);
	CHECK_EQ(site_bytes[1], 0);
	CHECK_EQ(site_bytes[2], 6 * PAGE);
	remap(&maps, (uint64_t[]){10, 6, 10, 3}, 0, 3); /* shrink, then free */
	expect(&maps, MAPPING_FILE, 3, 1);
	remap(&maps, (uint64_t[]){10, 3, 40, 5}, MREMAP_MAYMOVE, 4);
	expect(&maps, MAPPING_FILE, 5, 1);
	unmap(&maps, 10, 10);
	expect(&maps, MAPPING_FILE, 5, 1);
	unmap(&maps, 40, 5);
	expect(&maps, MAPPING_FILE, 0, 0);
	mappings_fini(&maps);
}

static void remap_moves_a_part(void)
{
	struct mappings maps = begin();

	map(&maps, 10, 9, MAPPING_ANONYMOUS, 1);
	remap(&maps, (uint64_t[]){13, 3, 50, 3}, MREMAP_MAYMOVE, 2);
	expect(&maps, MAPPING_ANONYMOUS, 9, 3);
	CHECK_EQ(site_bytes[1], 6 * PAGE);
	mappings_fini(&maps);
}

static void remap_keeps_the_old(void)
{
	struct mappings maps = begin();

	map(&maps, 10, 4, MAPPING_ANONYMOUS, 1);
	remap(&maps, (uint64_t[]){10, 4, 30, 4}, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 2);
	expect(&maps, MAPPING_ANONYMOUS, 8, 2);
	map(&maps, 50, 4, MAPPING_FILE, 3);
	remap(&maps, (uint64_t[]){50, 0, 60, 4}, MREMAP_MAYMOVE, 3); /* a second view of the file */
	expect(&maps, MAPPING_FILE, 8, 2);
	mappings_fini(&maps);
}

static void remap_of_the_unknown(void)
{
	struct mappings maps = begin();

	remap(&maps, (uint64_t[]){10, 4, 30, 8}, MREMAP_MAYMOVE, 2);
	expect(&maps, MAPPING_ANONYMOUS, 8, 1);
	mappings_fini(&maps);
}

static void lengths_are_whole_pages(void)
{
	struct mappings maps = begin();
	const uint64_t anonymous = MAP_PRIVATE | MAP_ANONYMOUS;

	mappings_mmap(&maps, &(struct pmt_mmap){MAPPED(PAGE, 1, 1, anonymous)}, 1);
	expect(&maps, MAPPING_ANONYMOUS, 1, 1);
	mappings_mmap(&maps, &(struct pmt_mmap){MAPPED(10 * PAGE, PAGE + 1, 1, anonymous)}, 1);
	expect(&maps, MAPPING_ANONYMOUS, 3, 2);
	mappings_munmap(&maps, &(struct pmt_munmap){10 * PAGE, 1});
	expect(&maps, MAPPING_ANONYMOUS, 2, 2);
	mappings_munmap(&maps, &(struct pmt_munmap){0, 0});
	mappings_mmap(&maps, &(struct pmt_mmap){MAPPED(PAGE, 0, 1, anonymous)}, 1);
	expect(&maps, MAPPING_ANONYMOUS, 2, 2);
	mappings_fini(&maps);
}

static void huge_pages_are_whole(void)
{
	struct mappings maps = begin();
	const uint64_t huge = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;

	mappings_mmap(&maps, &(struct pmt_mmap){MAPPED(1 << 21, 1, 1, huge)}, 1);
	CHECK_EQ(maps.totals[MAPPING_ANONYMOUS].bytes, 1 << 21);
	mappings_munmap(&maps, &(struct pmt_munmap){1 << 21, 1 << 21});
	/* 1 GiB pages: the flags say 30. */
	mappings_mmap(&maps, &(struct pmt_mmap){MAPPED(1 << 30, 5, 1, huge | 30ULL << 26)}, 1);
	CHECK_EQ(maps.totals[MAPPING_ANONYMOUS].bytes, 1 << 30);
	mappings_fini(&maps);
}

static void hostile_numbers(void)
{
	static const uint64_t numbers[] = {0,
					   1,
					   PAGE - 1,
					   PAGE,
					   UINT64_C(1) << 62,
					   UINT64_MAX / 2,
					   UINT64_MAX / 2 + 1,
					   UINT64_MAX - PAGE,
					   UINT64_MAX - 1,
					   UINT64_MAX};
	const uint64_t count = sizeof(numbers) / sizeof(*numbers);

	for (uint64_t page_bytes = 0; page_bytes < 3; page_bytes++) {
		struct mappings maps;

		mappings_init(&maps, numbers[page_bytes * 4], NULL, NULL);
		CHECK_EQ(maps.page_bytes, 4096);
		for (int i = 0; i < 20000; i++) {
			uint64_t n[5];

			for (int j = 0; j < 5; j++)
				n[j] = numbers[check_random() % count];
			mappings_mmap(&maps, &(struct pmt_mmap){MAPPED(n[0], n[1], n[2], n[3])}, 1);
			mappings_munmap(&maps, &(struct pmt_munmap){n[2], n[3]});
			mappings_mremap(&maps,
					&(struct pmt_mremap){n[0], n[2], n[1], n[3], n[4], 0}, 1);
			for (int class = 0; class < MAPPING_CLASSES; class ++)
				CHECK(maps.totals[class].bytes <= UINT64_MAX / 2 + 1);
		}
		mappings_munmap(&maps, &(struct pmt_munmap){0, UINT64_MAX});
		for (int class = 0; class < MAPPING_CLASSES; class ++)
			expect(&maps, (enum mapping_class) class, 0, 0);
		mappings_fini(&maps);
	}
}

static void overflow_is_clipped(void)
{
	struct mappings maps = begin();
	const uint64_t last = (UINT64_C(1) << 63) - PAGE;

	mappings_mmap(&maps,
		      &(struct pmt_mmap){MAPPED(last - 4 * PAGE, UINT64_MAX, 1, MAP_ANONYMOUS)}, 1);
	expect(&maps, MAPPING_ANONYMOUS, 4, 1);
	mappings_fini(&maps);
}

static void many_ranges(void)
{
	struct mappings maps = begin();

	map(&maps, 0, 400000, MAPPING_ANONYMOUS, 1);
	for (uint64_t i = 1; i < 400000; i += 2)
		unmap(&maps, (i * 77777) % 400000 | 1, 1);
	CHECK(maps.totals[MAPPING_ANONYMOUS].count > 100000);
	for (uint64_t i = 0; i < 400000; i++)
		unmap(&maps, i, 1);
	expect(&maps, MAPPING_ANONYMOUS, 0, 0);
	mappings_fini(&maps);
}

/* --- against an array of pages --- */

struct page {
	uint32_t range; /* which operation mapped it; 0: none did */
	uint32_t site;
	enum mapping_class class;
};

static struct page pages[PAGES];
static uint64_t model_peak[MAPPING_CLASSES];

static void model_remove(uint64_t start, uint64_t count)
{
	for (uint64_t i = start; i < start + count; i++)
		pages[i] = (struct page){0};
}

static void model_add(uint64_t start, uint64_t count, enum mapping_class class, uint32_t site)
{
	static uint32_t ranges;

	ranges++;
	for (uint64_t i = start; i < start + count; i++)
		pages[i] = (struct page){ranges, site, class};
}

static void check_model(const struct mappings *maps)
{
	uint64_t bytes[MAPPING_CLASSES] = {0};
	uint64_t ranges[MAPPING_CLASSES] = {0};
	int64_t by_site[SITES] = {0};

	for (size_t i = 0; i < PAGES; i++) {
		if (pages[i].range == 0)
			continue;
		bytes[pages[i].class] += PAGE;
		by_site[pages[i].site] += PAGE;
		if (i == 0 || pages[i - 1].range != pages[i].range)
			ranges[pages[i].class]++;
	}
	for (size_t i = 0; i < MAPPING_CLASSES; i++) {
		CHECK_EQ(maps->totals[i].bytes, bytes[i]);
		CHECK_EQ(maps->totals[i].count, ranges[i]);
		if (model_peak[i] < bytes[i])
			model_peak[i] = bytes[i];
		CHECK_EQ(maps->totals[i].peak_bytes, model_peak[i]);
	}
	for (size_t i = 0; i < SITES; i++)
		CHECK_EQ(site_bytes[i], by_site[i]);
}

static void random_remap(struct mappings *maps, uint64_t start, uint64_t count, uint32_t site)
{
	const uint64_t old_start = check_random() % PAGES;
	const uint64_t old_count = check_random() % (PAGES - old_start);
	const bool keep = check_random() % 4 == 0;
	const enum mapping_class class =
		pages[old_start].range != 0 ? pages[old_start].class : MAPPING_ANONYMOUS;

	remap(maps, (uint64_t[]){old_start, old_count, start, count}, keep ? MREMAP_DONTUNMAP : 0,
	      site);
	if (!keep)
		model_remove(old_start, old_count);
	model_add(start, count, class, site);
}

static void like_an_array(void)
{
	struct mappings maps = begin();

	for (int i = 0; i < 100000; i++) {
		const uint64_t start = check_random() % PAGES;
		const uint64_t most = check_random() % 3 == 0 ? PAGES : 12;
		const uint64_t room = PAGES - start < most ? PAGES - start : most;
		const uint64_t count = 1 + check_random() % room;
		const uint32_t site = (uint32_t)(check_random() % SITES);
		const enum mapping_class class = check_random() % MAPPING_CLASSES;

		switch (check_random() % 5) {
		case 0:
		case 1:
			map(&maps, start, count, class, site);
			model_add(start, count, class, site);
			break;
		case 2:
			random_remap(&maps, start, count, site);
			break;
		default:
			unmap(&maps, start, count);
			model_remove(start, count);
		}
		check_model(&maps);
	}
	mappings_fini(&maps);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"munmap of all", unmap_whole},
		{"munmap head, tail", unmap_head_and_tail},
		{"munmap middle: split, then free or leak", unmap_middle},
		{"several holes in one map", several_holes},
		{"one munmap spanning several maps", one_munmap_over_several},
		{"several munmaps over several maps", several_munmaps_over_several},
		{"MAP_FIXED replaces", fixed_replaces},
		{"replacing and moving make no peak", replacing_is_no_peak},
		{"mremap grows, shrinks, moves", remap_grows_shrinks_moves},
		{"mremap of a part", remap_moves_a_part},
		{"mremap that keeps the old range", remap_keeps_the_old},
		{"mremap of what was mapped before", remap_of_the_unknown},
		{"lengths are whole pages", lengths_are_whole_pages},
		{"huge pages are whole", huge_pages_are_whole},
		{"an end beyond the address space", overflow_is_clipped},
		{"hostile numbers", hostile_numbers},
		{"100,000 ranges", many_ranges},
		{"random operations, like an array of pages", like_an_array},
		{0},
	};

	return check_run(tests);
}
