/* SPDX-License-Identifier: MIT */
/* Who belongs to the tree: found, lost, given to others, and not mistaken for another. */
#include "proctree.h"

#include <errno.h>

#include "check.h"
#include "fakeproc.h"

static struct procfs procfs;
static struct proctree tree;

static void put(int pid, int parent, unsigned start, const char *name)
{
	fake_process(&(struct fake_process){.pid = pid,
					    .parent = parent,
					    .start = start,
					    .rss_pages = (unsigned)pid,
					    .name = name});
}

static void begin(void)
{
	fake_begin();
	put(1, 0, 1, "init");
	put(100, 1, 10, "root");
	put(50, 1, 10, "foreign");
	fake_last_pid(100);
	CHECK_EQ(procfs_init(&procfs, fake_root), 0);
	CHECK_EQ(proctree_init(&tree, &procfs, 100), 0);
	tree.want = 0;
}

static void finish(void)
{
	proctree_fini(&tree);
	procfs_fini(&procfs);
	fake_end();
}

static const struct proctree_process *live(pid_t pid)
{
	for (size_t i = 0; i < tree.live.count; i++)
		if (tree.live.items[i]->pid == pid)
			return tree.live.items[i];
	return NULL;
}

static void shape(void)
{
	begin();
	/* listed in any order: the grandchild has the lowest number */
	put(60, 120, 30, "grandchild");
	put(120, 100, 20, "child");
	put(130, 50, 20, "of the foreign");
	CHECK(proctree_sample(&tree));
	CHECK_EQ(tree.live.count, 3);
	CHECK(live(60) != NULL && live(60)->parent == live(120));
	CHECK(live(120) != NULL && live(120)->parent == live(100));
	CHECK_EQ(proctree_depth(live(60)), 2);
	CHECK_EQ(tree.now.values[PROCFS_RSS], (100 + 120 + 60) * procfs.page_bytes);
	CHECK_EQ(tree.most, 3);
	finish();
}

static void new_ones_between_samples(void)
{
	begin();
	CHECK(proctree_sample(&tree));
	put(101, 100, 20, "one");
	put(102, 101, 21, "two");
	proctree_look(&tree); /* the number of the last id has not changed: nothing is read */
	CHECK_EQ(tree.live.count, 1);
	fake_last_pid(103);
	proctree_look(&tree);
	CHECK_EQ(tree.live.count, 3);
	fake_remove("102");
	proctree_look(&tree);
	CHECK_EQ(tree.live.count, 2);
	CHECK_EQ(tree.brief_total, 1);
	CHECK_STR(tree.briefs[0].name, "two");
	CHECK(proctree_sample(&tree));
	CHECK_EQ(tree.briefs[0].fresh, 1);
	fake_remove("101");
	CHECK(proctree_sample(&tree));
	CHECK_EQ(tree.briefs[0].fresh, 0);
	CHECK_EQ(tree.brief_total, 1); /* of this one there was a sample */
	CHECK_EQ(tree.ended.count, 1);
	finish();
}

/* Behind the highest id the kernel begins anew. */
static void ids_begin_anew(void)
{
	begin();
	fake_folder("sys");
	fake_folder("sys/kernel");
	fake_put("sys/kernel/pid_max", "32768\n");
	proctree_fini(&tree);
	fake_last_pid(32760);
	CHECK_EQ(proctree_init(&tree, &procfs, 100), 0);
	tree.want = 0;
	CHECK(proctree_sample(&tree));
	put(32767, 100, 20, "before");
	put(301, 100, 21, "behind");
	fake_last_pid(302);
	proctree_look(&tree);
	CHECK(live(32767) != NULL && live(301) != NULL);
	CHECK_EQ(tree.live.count, 3);
	finish();
}

static void threads_are_no_processes(void)
{
	begin();
	CHECK(proctree_sample(&tree));
	put(101, 100, 20, "child");
	fake_process(&(struct fake_process){
		.pid = 102, .parent = 100, .group = 101, .start = 21, .name = "thread"});
	fake_last_pid(102);
	proctree_look(&tree);
	CHECK_EQ(tree.live.count, 2);
	CHECK(live(102) == NULL);
	finish();
}

static void orphans_stay(void)
{
	begin();
	put(101, 100, 20, "child");
	put(102, 101, 21, "grandchild");
	put(103, 102, 22, "another");
	CHECK(proctree_sample(&tree));
	CHECK_EQ(tree.live.count, 4);
	fake_remove("101");
	fake_remove("102");
	put(103, 1, 22, "another");
	CHECK(proctree_sample(&tree));
	CHECK_EQ(tree.live.count, 2);
	CHECK(live(103) != NULL && live(103)->parent == live(100));
	CHECK_EQ(live(103)->parent_pid, 1);
	finish();
}

/* The same number, another process: of another parent, of ours, and the root's. */
static void numbers_used_again(void)
{
	begin();
	put(101, 100, 20, "child");
	put(102, 100, 20, "child");
	CHECK(proctree_sample(&tree));
	put(101, 50, 90, "foreign");
	put(102, 100, 90, "young");
	fake_last_pid(102);
	CHECK(proctree_sample(&tree));
	CHECK(live(101) == NULL);
	proctree_look(&tree);
	tree.newpids.full_next_ns = 0;
	CHECK(proctree_sample(&tree));
	CHECK(live(101) == NULL);
	CHECK(live(102) != NULL && live(102)->start_ticks == 90 && live(102)->samples == 1);
	CHECK_EQ(tree.ended.count, 2);
	/* older than its parent: that is not its parent */
	put(103, 102, 80, "older");
	fake_last_pid(103);
	proctree_look(&tree);
	CHECK(live(103) == NULL);
	put(100, 1, 95, "root");
	CHECK(!proctree_sample(&tree));
	finish();
}

static void counters_never_fall(void)
{
	begin();
	fake_process(&(struct fake_process){.pid = 101,
					    .parent = 100,
					    .start = 20,
					    .user_ticks = 300,
					    .minor = 500,
					    .rss_pages = 10,
					    .name = "child"});
	CHECK(proctree_sample(&tree));
	const uint64_t user = tree.now.values[PROCFS_USER_NS];
	const uint64_t faults = tree.now.values[PROCTREE_FAULTS];

	CHECK_EQ(user, 300 * procfs.tick_ns);
	CHECK_EQ(faults, 500 + 2 * 3);
	fake_remove("101");
	CHECK(proctree_sample(&tree));
	CHECK_EQ(tree.now.values[PROCFS_USER_NS], user);
	CHECK_EQ(tree.now.values[PROCTREE_FAULTS], faults);
	CHECK_EQ(tree.now.values[PROCFS_RSS], 100 * procfs.page_bytes);
	CHECK_EQ(tree.peaks[PROCFS_RSS], 110 * procfs.page_bytes);
	finish();
}

/* Growth over the time between: told by the times that the tree itself noted. */
static void rates(void)
{
	begin();
	tree.least_ns = 3600000000000;
	CHECK(proctree_sample(&tree));
	const uint64_t before_ns = tree.root->now.time_ns;

	CHECK_EQ(tree.root->now.values[PROCTREE_CPU], PROCFS_UNKNOWN);
	tree.least_ns = 0;
	usleep(20000);
	fake_process(&(struct fake_process){.pid = 100,
					    .parent = 1,
					    .start = 10,
					    .user_ticks = 5,
					    .minor = 1000,
					    .name = "root"});
	CHECK(proctree_sample(&tree));
	const double span_s = (double)(tree.root->now.time_ns - before_ns) / 1e9;
	const double cpu = (double)tree.root->now.values[PROCTREE_CPU] / 1000;
	const double faults = (double)tree.root->now.values[PROCTREE_FAULT_RATE] / 1000;

	CHECK(cpu * span_s > 4.99 && cpu * span_s < 5.01);
	CHECK(faults * span_s > 999 && faults * span_s < 1001);
	tree.least_ns = 3600000000000;
	CHECK(proctree_sample(&tree));
	CHECK_EQ(tree.root->now.values[PROCTREE_CPU], PROCFS_UNKNOWN);
	CHECK_EQ(tree.now.values[PROCTREE_FAULT_RATE], PROCFS_UNKNOWN);
	finish();
}

static void many_short_names(void)
{
	begin();
	CHECK(proctree_sample(&tree));
	for (unsigned i = 0; i < 300; i++) {
		char name[32], number[16];

		snprintf(name, sizeof(name), "n%u", i);
		snprintf(number, sizeof(number), "%u", 101 + i);
		put((int)(101 + i), 100, 20, name);
		fake_last_pid(101 + i);
		proctree_look(&tree);
		fake_remove(number);
	}
	proctree_look(&tree);
	uint64_t sum = 0;

	for (size_t i = 0; i < tree.brief_count; i++)
		sum += tree.briefs[i].count;
	CHECK_EQ(sum, 300);
	CHECK_EQ(tree.brief_total, 300);
	CHECK(tree.brief_count <= 200);
	finish();
}

static void no_process(void)
{
	begin();
	struct proctree none;

	CHECK(proctree_init(&none, &procfs, 4000) == -ESRCH);
	proctree_fini(&none);
	fake_process(&(struct fake_process){
		.pid = 105, .parent = 1, .group = 100, .start = 21, .name = "thread"});
	CHECK(proctree_init(&none, &procfs, 105) == -ESRCH);
	proctree_fini(&none);
	fake_remove("loadavg"); /* then lists are all there is */
	put(101, 100, 20, "child");
	proctree_fini(&tree);
	CHECK_EQ(proctree_init(&tree, &procfs, 100), 0);
	CHECK(proctree_sample(&tree));
	CHECK_EQ(tree.live.count, 2);
	finish();
}

int main(void)
{
	static const struct check_test tests[] = {
		{"the shape of the tree", shape},
		{"new ones between samples", new_ones_between_samples},
		{"ids begin anew", ids_begin_anew},
		{"threads are no processes", threads_are_no_processes},
		{"orphans stay, under the nearest ancestor", orphans_stay},
		{"numbers that are used again", numbers_used_again},
		{"counters of the tree never fall", counters_never_fall},
		{"rates", rates},
		{"many short-lived names", many_short_names},
		{"no such process; no loadavg", no_process},
		{0},
	};

	return check_run(tests);
}
