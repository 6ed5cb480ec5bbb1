/* SPDX-License-Identifier: MIT */
/* What `pymemtrace watch` shows of a process. */
#include "watch_columns.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "nearest.h"

#define SMAPS PROCFS_WANT_SMAPS
#define STATUS PROCFS_WANT_STATUS
#define FILES PROCFS_WANT_FILES

/* name, title, width, unit, value, key, want, level, axis */
const struct watch_column watch_columns[] = {
	{"rss", "RSS MiB", 8, WATCH_BYTES, PROCFS_RSS, "rss_bytes", 0, true, "RSS, MiB"},
	{"uss", "USS MiB", 8, WATCH_BYTES, PROCFS_USS, "uss_bytes", SMAPS, true, "USS, MiB"},
	{"pss", "PSS MiB", 8, WATCH_BYTES, PROCFS_PSS, "pss_bytes", SMAPS, true, NULL},
	{"swap", "swap", 8, WATCH_BYTES, PROCFS_SWAP, "swap_bytes", STATUS, true,
	 "swapped out, MiB"},
	{"peak", "top MiB", 8, WATCH_BYTES, PROCFS_PEAK_RSS, "kernel_peak_rss_bytes", STATUS, true,
	 NULL},
	{"faults", "faults/s", 9, WATCH_MILLI, PROCTREE_FAULT_RATE, "faults_per_s", 0, true,
	 "page faults/s"},
	{"minor", "minor", 10, WATCH_COUNT, PROCFS_MINOR, "minor_faults", 0, false, NULL},
	{"major", "major", 8, WATCH_COUNT, PROCFS_MAJOR, "major_faults", 0, false, NULL},
	{"cpu", "CPU %", 7, WATCH_MILLI, PROCTREE_CPU, "cpu_percent", 0, true, "CPU %"},
	{"user", "user s", 8, WATCH_SECONDS, PROCFS_USER_NS, "user_s", 0, false, NULL},
	{"system", "sys s", 8, WATCH_SECONDS, PROCFS_SYSTEM_NS, "system_s", 0, false, NULL},
	{"threads", "thr", 5, WATCH_COUNT, PROCFS_THREADS, "threads", 0, true, NULL},
	{"state", "st", 3, WATCH_STATE, 0, "state", 0, false, NULL},
	{"files", "files", 7, WATCH_COUNT, PROCFS_FILES, "open_files", FILES, true, NULL},
	{0},
};

static const struct watch_column *find_column(const char *name, size_t size)
{
	for (const struct watch_column *c = watch_columns; c->name != NULL; c++)
		if (strlen(c->name) == size && memcmp(c->name, name, size) == 0)
			return c;
	return NULL;
}

static int refuse_column(const char *text, size_t size)
{
	char name[40], all[300] = "";
	const char *near = NULL;

	snprintf(name, sizeof(name), "%.*s", (int)(size < 39 ? size : 39), text);
	struct nearest best = nearest_begin(name);

	for (const struct watch_column *c = watch_columns; c->name != NULL; c++) {
		const size_t at = strlen(all);

		snprintf(all + at, sizeof(all) - at, "%s%s", at == 0 ? "" : ", ", c->name);
		if (nearest_try(&best, c->name))
			near = c->name;
	}
	if (near != NULL)
		return error("--columns: no column '%s'; did you mean '%s'?", name, near);
	return error("--columns: no column '%s'; there are %s", name, all);
}

int watch_choose(const char *names, struct watch_choice *choice)
{
	choice->count = 0;
	for (const char *name = names;; name++) {
		const size_t size = strcspn(name, ",");
		const struct watch_column *column = find_column(name, size);

		if (column == NULL)
			return refuse_column(name, size);
		if (choice->count == WATCH_COLUMNS_MAX)
			return error("--columns: too many");
		choice->columns[choice->count++] = column;
		name += size;
		if (*name == '\0')
			return 0;
	}
}

unsigned watch_wanted(const struct watch_choice *choice)
{
	unsigned want = 0;

	for (size_t i = 0; i < choice->count; i++)
		want |= choice->columns[i]->want;
	return want;
}

double watch_number(const struct watch_column *column, uint64_t value)
{
	switch (column->unit) {
	case WATCH_SECONDS:
		return (double)value / 1e9;
	case WATCH_MILLI:
		return (double)value / 1e3;
	default:
		return (double)value;
	}
}

bool watch_is_whole(const struct watch_column *column)
{
	return column->unit == WATCH_BYTES || column->unit == WATCH_COUNT;
}
