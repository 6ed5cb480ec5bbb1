/* SPDX-License-Identifier: MIT */
/* The snapshot at the peak, against a model that copies everything at each new peak. */
#include "check.h"
#include "sites.h"

enum { SITES = 40 };

static void change(struct sites *sites, uint32_t site, int64_t bytes, int64_t count)
{
	sites_change(sites, site, bytes, count);
	sites_settle(sites);
}

static void expect_peak(const struct sites *sites, uint32_t site, uint64_t bytes, uint64_t count)
{
	const struct amount amount = sites_at_peak(sites, &sites->sites[site]);

	CHECK_EQ(amount.bytes, bytes);
	CHECK_EQ(amount.count, count);
}

static void no_peak(void)
{
	struct sites sites;

	sites_init(&sites);
	const uint32_t a = sites_find(&sites, 1, 1, 0);

	change(&sites, a, 0, 1); /* a block of zero bytes */
	CHECK_EQ(sites.peak.bytes, 0);
	CHECK_EQ(sites.peak_number, 1);
	expect_peak(&sites, a, 0, 0);
	sites_fini(&sites);
}

static void equal_is_no_new_peak(void)
{
	struct sites sites;

	sites_init(&sites);
	const uint32_t a = sites_find(&sites, 1, 1, 0);
	const uint32_t b = sites_find(&sites, 2, 1, 0);

	change(&sites, a, 100, 1);
	change(&sites, a, -100, -1);
	change(&sites, b, 100, 1);
	expect_peak(&sites, a, 100, 1);
	expect_peak(&sites, b, 0, 0);
	change(&sites, b, 1, 1);
	expect_peak(&sites, a, 0, 0);
	expect_peak(&sites, b, 101, 2);
	sites_fini(&sites);
}

static void one_event_one_moment(void)
{
	struct sites sites;

	sites_init(&sites);
	const uint32_t a = sites_find(&sites, 1, 1, 0);

	sites_change(&sites, a, 100, 1);
	sites_change(&sites, a, -50, 0);
	CHECK(sites_settle(&sites));
	CHECK_EQ(sites.peak.bytes, 50);
	CHECK(!sites_settle(&sites));
	sites_fini(&sites);
}

static void sites_are_told_apart(void)
{
	struct sites sites;
	uint32_t first[64];

	sites_init(&sites);
	for (uint32_t i = 0; i < 64; i++)
		first[i] = sites_find(&sites, i & 3, i >> 2 & 3, i >> 4);
	CHECK_EQ(sites.count, 64);
	/* The array and the index grow several times: numbers stay. */
	for (uint64_t i = 0; i < 100000; i++)
		sites_find(&sites, i << 32, (uint32_t)i, 1);
	for (uint32_t i = 0; i < 64; i++)
		CHECK_EQ(sites_find(&sites, i & 3, i >> 2 & 3, i >> 4), first[i]);
	sites_fini(&sites);
}

static void like_copying_at_each_peak(void)
{
	struct sites sites;
	struct amount live[SITES] = {0};
	struct amount peak[SITES] = {0};
	uint64_t total = 0;
	uint64_t most = 0;

	sites_init(&sites);
	for (uint32_t i = 0; i < SITES; i++)
		CHECK_EQ(sites_find(&sites, i, 1, 0), i + 1);
	for (uint64_t i = 0; i < 200000; i++) {
		const uint32_t at = (uint32_t)(check_random() % SITES);
		const bool up = live[at].count == 0 || check_random() % 100 < 49 + (i >> 15) % 3;
		const uint64_t bytes = up ? check_random() % 50 : live[at].bytes / live[at].count;

		live[at].bytes += up ? bytes : 0 - bytes;
		live[at].count += up ? 1 : UINT64_MAX;
		total += up ? bytes : 0 - bytes;
		change(&sites, at + 1, up ? (int64_t)bytes : -(int64_t)bytes, up ? 1 : -1);
		if (total > most) {
			most = total;
			memcpy(peak, live, sizeof(peak));
		}
		CHECK_EQ(sites.peak.bytes, most);
		if (i % 100 == 0)
			for (uint32_t j = 0; j < SITES; j++)
				expect_peak(&sites, j + 1, peak[j].bytes, peak[j].count);
	}
	sites_fini(&sites);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"no peak", no_peak},
		{"an equal total is no new peak", equal_is_no_new_peak},
		{"changes of one event are one moment", one_event_one_moment},
		{"stack, thread and allocator tell sites apart", sites_are_told_apart},
		{"random changes, like copying at each peak", like_copying_at_each_peak},
		{0},
	};

	return check_run(tests);
}
