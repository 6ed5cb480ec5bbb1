/* SPDX-License-Identifier: MIT */
/* What is read of a process: good texts, cut ones, and hostile ones. */
#include "procfs.h"

#include <errno.h>

#include "check.h"
#include "fakeproc.h"

static const struct procfs plain = {.root = -1, .tick_ns = 10000000, .page_bytes = 4096};

/* A line as the kernel writes it, of a name that has all that could be mistaken. */
static const char good_stat[] =
	"4711 (a) R 1 (b\n c) S 42 4711 4700 34816 4800 4194560 1234 999 56 77 250 31 8 9 20 0 3 0 224627 3133440 407 18446744073709551615 94631099158528 94631099178409 140733551403568 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 1 2 3 4 5 6 7 0\n";

static const char good_smaps[] =
	"5607d8e2b000-7fff0553f000 ---p 00000000 00:00 0                          [rollup]\n"
	"Rss:                1736 kB\nPss:                 366 kB\nPss_Dirty:           108 kB\n"
	"Pss_Anon:            108 kB\nShared_Clean:       1588 kB\nShared_Dirty:          0 kB\n"
	"Private_Clean:        40 kB\nPrivate_Dirty:       108 kB\nReferenced:         1736 kB\n"
	"Private_Hugetlb:    2048 kB\nSwap:                 12 kB\nSwapPss:               5 kB\n";

static void all_of_stat(void)
{
	struct procfs_sample sample;
	const uint64_t *f = sample.figures;

	CHECK_EQ(procfs_parse_stat(&plain, good_stat, strlen(good_stat), &sample), 0);
	CHECK_EQ(sample.pid, 4711);
	CHECK_EQ(sample.parent, 42);
	CHECK_EQ(sample.state, 'S');
	CHECK_STR(sample.name, "a) R 1 (b\n c");
	CHECK_EQ(sample.start_ticks, 224627);
	CHECK_EQ(f[PROCFS_RSS], 407 * 4096);
	CHECK_EQ(f[PROCFS_MINOR], 1234);
	CHECK_EQ(f[PROCFS_MAJOR], 56);
	CHECK_EQ(f[PROCFS_USER_NS], 2500000000);
	CHECK_EQ(f[PROCFS_SYSTEM_NS], 310000000);
	CHECK_EQ(f[PROCFS_THREADS], 3);
	CHECK_EQ(f[PROCFS_USS], PROCFS_UNKNOWN);
	CHECK_EQ(f[PROCFS_FILES], PROCFS_UNKNOWN);
}

/* Wherever the text ends: what is set is right, or nothing is. */
static void cut_stat(void)
{
	const size_t whole = (size_t)(strstr(good_stat, " 18446744") - good_stat);
	char text[sizeof(good_stat)];

	for (size_t size = 0; size < strlen(good_stat); size++) {
		struct procfs_sample sample = {.pid = -7};

		memcpy(text, good_stat, size);
		text[size] = '\0';
		const int result = procfs_parse_stat(&plain, text, size, &sample);

		/* a number may be cut only where nothing tells */
		CHECK(result == 0 || sample.pid == -7);
		CHECK_EQ(result == 0, size >= whole - 2);
		if (size >= whole)
			CHECK_EQ(sample.figures[PROCFS_RSS], 407 * 4096);
	}
}

static void hostile_stat(void)
{
	static const char *const texts[] = {
		"",
		"\n",
		"4711",
		"4711 (",
		"4711 )(",
		"4711 ()",
		"0 (a) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"-5 (a) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"99999999999999999999 (a) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"4711 (a) S 99999999999 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"4711 (a) S 1 1 1 1 1 1 x 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"4711 (a) S 1  1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"4711 (a) S 1 1 1 1 1 1 18446744073709551615 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"4711 (a) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 18446744073709551614 1",
		"4711 (a) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 99999999999999999",
		"4711 a (b) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
	};
	char name[400];
	struct procfs_sample sample;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		sample.pid = -7;
		const int result = procfs_parse_stat(&plain, texts[i], strlen(texts[i]), &sample);

		/* the one with a huge size of the address space is no fault: it is not looked at */
		CHECK_EQ(result == 0, i == 13);
		CHECK(result == 0 || sample.pid == -7);
	}
	memset(name, ')', sizeof(name));
	memcpy(name, "1 (", 3);
	memcpy(name + 300, ") S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", 48);
	CHECK_EQ(procfs_parse_stat(&plain, name, strlen(name), &sample), 0);
	CHECK_EQ(strlen(sample.name), PROCFS_NAME_BYTES - 1);
}

static void sums_of_smaps(void)
{
	struct procfs_sample sample = {.figures = {[PROCFS_RSS] = 5,
						   [PROCFS_USS] = PROCFS_UNKNOWN,
						   [PROCFS_PSS] = PROCFS_UNKNOWN}};

	procfs_parse_smaps(good_smaps, &sample);
	CHECK_EQ(sample.figures[PROCFS_RSS], 1736 * 1024);
	CHECK_EQ(sample.figures[PROCFS_USS], (40 + 108 + 2048) * 1024);
	CHECK_EQ(sample.figures[PROCFS_PSS], 366 * 1024);
	CHECK_EQ(sample.figures[PROCFS_SWAP], 12 * 1024);
}

/* Of a cut text no USS that lacks a part. */
static void cut_smaps(void)
{
	const size_t last = (size_t)(strstr(good_smaps, "Swap:") - good_smaps);
	char text[sizeof(good_smaps)];

	for (size_t size = 0; size <= strlen(good_smaps); size++) {
		struct procfs_sample sample = {0};

		for (size_t i = 0; i < PROCFS_FIGURES; i++)
			sample.figures[i] = PROCFS_UNKNOWN;
		memcpy(text, good_smaps, size);
		text[size] = '\0';
		procfs_parse_smaps(text, &sample);
		const uint64_t uss = sample.figures[PROCFS_USS], rss = sample.figures[PROCFS_RSS];

		CHECK_EQ(uss, size >= last ? (40 + 108 + 2048) * 1024 : PROCFS_UNKNOWN);
		CHECK(rss == 1736 * 1024 || rss == PROCFS_UNKNOWN);
	}
}

static void hostile_lines(void)
{
	struct procfs_sample sample = {.figures = {[PROCFS_RSS] = 5,
						   [PROCFS_PSS] = 6,
						   [PROCFS_SWAP] = PROCFS_UNKNOWN,
						   [PROCFS_PEAK_RSS] = 7}};

	procfs_parse_smaps("Rss: -1 kB\nRss: 12 MB\nRss:\nRss: 99999999999999999999 kB\n"
			   "Rss: 18014398509481983 kB\nxRss: 1 kB\nPss: 5kB\n\n\n",
			   &sample);
	CHECK_EQ(sample.figures[PROCFS_RSS], 5);
	CHECK_EQ(sample.figures[PROCFS_PSS], 6);
	/* a name with a line end in it is written by the kernel as \n, within its line */
	procfs_parse_status("Name:\ta\\nVmHWM:\t1 kB\nVmHWM:\t 17 kB\nVmSwap:\t 3 kB\nVmRSS:\t1 kB",
			    &sample);
	CHECK_EQ(sample.figures[PROCFS_PEAK_RSS], 17 * 1024);
	CHECK_EQ(sample.figures[PROCFS_SWAP], 3 * 1024);
	/* what smaps said is better */
	procfs_parse_status("VmSwap:\t 9 kB\n", &sample);
	CHECK_EQ(sample.figures[PROCFS_SWAP], 3 * 1024);
}

static void put_whole(struct procfs *procfs)
{
	fake_begin();
	fake_process(&(struct fake_process){
		.pid = 12, .parent = 3, .start = 50, .rss_pages = 10, .name = "it"});
	fake_write("12/smaps_rollup", good_smaps, strlen(good_smaps));
	fake_write("12/cmdline", "it\0-x\0", 6);
	fake_folder("12/fd");
	fake_put("12/fd/0", "%s", "");
	fake_put("12/fd/7", "%s", "");
	CHECK_EQ(procfs_init(procfs, fake_root), 0);
}

static void whole_process(void)
{
	struct procfs procfs;
	struct procfs_sample sample;
	char command[100];

	put_whole(&procfs);
	CHECK_EQ(procfs_read(&procfs, 12, PROCFS_WANT_ALL, &sample), 0);
	CHECK_EQ(sample.figures[PROCFS_RSS], 1736 * 1024);
	CHECK_EQ(sample.figures[PROCFS_PEAK_RSS], 900 * 1024);
	CHECK_EQ(sample.figures[PROCFS_SWAP], 12 * 1024);
	CHECK_EQ(sample.figures[PROCFS_FILES], 2);
	CHECK_EQ(procfs_read(&procfs, 12, PROCFS_WANT_STATUS, &sample), 0);
	CHECK_EQ(sample.figures[PROCFS_RSS], 10 * procfs.page_bytes);
	CHECK_EQ(sample.figures[PROCFS_USS], PROCFS_UNKNOWN);
	CHECK_EQ(sample.figures[PROCFS_SWAP], 8 * 1024);
	CHECK_EQ(sample.figures[PROCFS_FILES], PROCFS_UNKNOWN);
	CHECK_EQ(procfs_command(&procfs, 12, command, sizeof(command)), 6);
	CHECK(memcmp(command, "it\0-x", 6) == 0);
	CHECK_EQ(procfs_command(&procfs, 12, command, 4), 3);
	CHECK(procfs_is_process(&procfs, 12));
	CHECK(procfs_read(&procfs, 13, PROCFS_WANT_ALL, &sample) == -ESRCH);
	procfs_fini(&procfs);
	fake_end();
}

static void incomplete_process(void)
{
	struct procfs procfs;
	struct procfs_sample sample;

	put_whole(&procfs);
	fake_remove("12/smaps_rollup");
	fake_remove("12/fd");
	CHECK_EQ(procfs_read(&procfs, 12, PROCFS_WANT_ALL, &sample), 0);
	CHECK_EQ(sample.figures[PROCFS_USS], PROCFS_UNKNOWN);
	CHECK_EQ(sample.figures[PROCFS_FILES], PROCFS_UNKNOWN);
	CHECK_EQ(sample.figures[PROCFS_SWAP], 8 * 1024);
	fake_put("12/stat", "13 (other) S 3 1 1 0 -1 4 1 0 3 0 1 7 0 0 20 0 4 0 50 5 5 1");
	CHECK(procfs_read(&procfs, 12, PROCFS_WANT_ALL, &sample) == -EBADMSG);
	fake_put("12/stat", "12 (it) Z 3 1 1 0 -1 4 1 0 3 0 1 7 0 0 20 0 4 0 50 5 0 1");
	CHECK_EQ(procfs_read(&procfs, 12, PROCFS_WANT_ALL, &sample), 0);
	CHECK_EQ(sample.figures[PROCFS_USS], 0);
	fake_put("12/stat", "%s", "");
	CHECK(procfs_read(&procfs, 12, PROCFS_WANT_ALL, &sample) == -ESRCH);
	procfs_fini(&procfs);
	fake_end();
}

/* Not as root, who may read everything. */
static void denied_files(void)
{
	struct procfs procfs;
	struct procfs_sample sample;
	char path[200];

	put_whole(&procfs);
	snprintf(path, sizeof(path), "%s/12/smaps_rollup", fake_root);
	CHECK_EQ(chmod(path, 0), 0);
	snprintf(path, sizeof(path), "%s/12/fd", fake_root);
	CHECK_EQ(chmod(path, 0), 0);
	CHECK_EQ(chmod(fake_root, 0755), 0);
	const uid_t before = geteuid();

	CHECK(before != 0 || seteuid(65534) == 0);
	CHECK_EQ(procfs_read(&procfs, 12, PROCFS_WANT_ALL, &sample), 0);
	CHECK(seteuid(before) == 0);
	CHECK_EQ(sample.figures[PROCFS_USS], PROCFS_DENIED);
	CHECK_EQ(sample.figures[PROCFS_PSS], PROCFS_DENIED);
	CHECK_EQ(sample.figures[PROCFS_FILES], PROCFS_DENIED);
	CHECK_EQ(sample.figures[PROCFS_RSS], 10 * procfs.page_bytes);
	CHECK_EQ(sample.figures[PROCFS_SWAP], 8 * 1024);
	procfs_fini(&procfs);
	fake_end();
}

int main(void)
{
	static const struct check_test tests[] = {
		{"all of stat", all_of_stat},
		{"stat, cut anywhere", cut_stat},
		{"stat, hostile", hostile_stat},
		{"sums of smaps_rollup", sums_of_smaps},
		{"smaps_rollup, cut anywhere", cut_smaps},
		{"lines that are no figures", hostile_lines},
		{"a whole process", whole_process},
		{"a process that lacks something", incomplete_process},
		{"files that may not be read", denied_files},
		{0},
	};

	return check_run(tests);
}
