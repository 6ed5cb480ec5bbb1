/* SPDX-License-Identifier: MIT */
/* One process's figures, read from /proc. */
#include "procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Enough for status with a thousand groups, which stand before what we look for. */
enum { TEXT_BYTES = 16384 };

int procfs_init(struct procfs *procfs, const char *root)
{
	procfs->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	procfs->tick_ns = 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	procfs->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	return procfs->root < 0 ? -errno : 0;
}

void procfs_fini(struct procfs *procfs)
{
	if (procfs->root >= 0)
		close(procfs->root);
	procfs->root = -1;
}

/* The folder of a process: what is opened in it is of that process, or not there any more. */
static int open_process(const struct procfs *procfs, pid_t pid)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%d", (int)pid);
	fd = openat(procfs->root, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

/*
 * Read a file into TEXT, and a '\0' behind it. Returns its bytes (at most SIZE - 1) or -errno. All
 * of these files come in one piece, if there is room for it.
 */
static ssize_t read_text(int folder, const char *name, char *text, size_t size)
{
	const int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	do
		got = read(fd, text, size - 1);
	while (got < 0 && errno == EINTR);
	const int problem = got < 0 ? errno : 0;

	close(fd);
	text[got < 0 ? 0 : got] = '\0';
	return got < 0 ? -problem : got;
}

/* A decimal number at *TEXT, which is moved behind it. False when there is none, or too large. */
static bool get_number(const char **text, uint64_t *number)
{
	const char *p = *text;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		const uint64_t digit = (uint64_t)(*p - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*text = p;
	*number = value;
	return true;
}

/* --- stat: everything on one line, by position --- */

/* Positions behind the name, as proc(5) counts them; the first one is 3. */
enum {
	STAT_STATE = 3,
	STAT_PARENT = 4,
	STAT_MINOR = 10,
	STAT_MAJOR = 12,
	STAT_USER = 14,
	STAT_SYSTEM = 15,
	STAT_THREADS = 20,
	STAT_START = 22,
	STAT_RSS = 24,
	STAT_END,
};

/* The numbers up to the last that is needed; negative ones, which are none of ours, become 0. */
static bool get_fields(const char *text, uint64_t fields[STAT_END])
{
	for (int i = STAT_PARENT; i < STAT_END; i++) {
		fields[i] = 0;
		if (*text++ != ' ')
			return false;
		if (*text == '-')
			text += 1 + strspn(text + 1, "0123456789");
		else if (!get_number(&text, &fields[i]))
			return false;
	}
	return *text == ' ' || *text == '\n' || *text == '\0';
}

static void set_figures(const struct procfs *procfs, const uint64_t fields[STAT_END],
			struct procfs_sample *sample)
{
	uint64_t *figures = sample->figures;

	sample->parent = (pid_t)fields[STAT_PARENT];
	sample->start_ticks = fields[STAT_START];
	for (int i = 0; i < PROCFS_FIGURES; i++)
		figures[i] = PROCFS_UNKNOWN;
	figures[PROCFS_RSS] = fields[STAT_RSS] * procfs->page_bytes;
	figures[PROCFS_MINOR] = fields[STAT_MINOR];
	figures[PROCFS_MAJOR] = fields[STAT_MAJOR];
	figures[PROCFS_USER_NS] = fields[STAT_USER] * procfs->tick_ns;
	figures[PROCFS_SYSTEM_NS] = fields[STAT_SYSTEM] * procfs->tick_ns;
	figures[PROCFS_THREADS] = fields[STAT_THREADS];
}

/* What becomes a figure may not overflow, nor look like one of the two special values. */
static bool is_sane(const uint64_t fields[STAT_END])
{
	static const int figures[] = {STAT_MINOR,  STAT_MAJOR,	 STAT_USER,
				      STAT_SYSTEM, STAT_THREADS, STAT_RSS};

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		if (fields[figures[i]] > UINT64_MAX >> 30)
			return false;
	return fields[STAT_PARENT] <= INT_MAX;
}

/*
 * The name stands in parentheses and may itself hold any of these, spaces and line ends; behind it
 * there are only numbers, so the last parenthesis ends it.
 */
int procfs_parse_stat(const struct procfs *procfs, const char *text, size_t size,
		      struct procfs_sample *sample)
{
	const char *name = memchr(text, '(', size);
	const char *end = memrchr(text, ')', size);
	uint64_t fields[STAT_END], pid;

	if (!get_number(&text, &pid) || pid == 0 || pid > INT_MAX || name == NULL || end == NULL ||
	    end < name || name != text + 1 || end[1] != ' ' || end[2] < 'A' ||
	    !get_fields(end + 3, fields) || !is_sane(fields))
		return -1;
	const size_t length = (size_t)(end - name - 1);
	const size_t kept = length < PROCFS_NAME_BYTES - 1 ? length : PROCFS_NAME_BYTES - 1;

	sample->pid = (pid_t)pid;
	sample->state = end[2];
	memcpy(sample->name, name + 1, kept);
	sample->name[kept] = '\0';
	set_figures(procfs, fields, sample);
	return 0;
}

/* --- smaps_rollup and status: a line for each, "Key:   123 kB" --- */

/* The line's number in bytes, if the line begins with KEY. */
static bool get_kib(const char *line, const char *key, uint64_t *bytes)
{
	const size_t size = strlen(key);

	if (strncmp(line, key, size) != 0)
		return false;
	line += size;
	line += strspn(line, " \t");
	if (!get_number(&line, bytes) || strncmp(line, " kB\n", 4) != 0 ||
	    *bytes > (UINT64_MAX >> 20))
		return false;
	*bytes *= 1024;
	return true;
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end == NULL ? line + strlen(line) : end + 1;
}

/* A file that is cut has no USS: a sum that lacks a part would be a wrong one. */
void procfs_parse_smaps(const char *text, struct procfs_sample *sample)
{
	static const char *const private_keys[] = {
		"Private_Clean:", "Private_Dirty:", "Private_Hugetlb:"};
	uint64_t *figures = sample->figures;
	uint64_t bytes, own = 0;
	unsigned found = 0;

	for (const char *line = text; *line != '\0'; line = next_line(line)) {
		if (get_kib(line, "Rss:", &bytes))
			figures[PROCFS_RSS] = bytes;
		else if (get_kib(line, "Pss:", &bytes))
			figures[PROCFS_PSS] = bytes;
		else if (get_kib(line, "Swap:", &bytes))
			figures[PROCFS_SWAP] = bytes;
		for (unsigned i = 0; i < 3; i++)
			if (get_kib(line, private_keys[i], &bytes)) {
				own += bytes;
				found |= 1U << i;
			}
	}
	if (found == 7)
		figures[PROCFS_USS] = own;
}

void procfs_parse_status(const char *text, struct procfs_sample *sample)
{
	uint64_t *figures = sample->figures;
	uint64_t bytes;

	for (const char *line = text; *line != '\0'; line = next_line(line)) {
		if (get_kib(line, "VmHWM:", &bytes))
			figures[PROCFS_PEAK_RSS] = bytes;
		else if (get_kib(line, "VmSwap:", &bytes) && !procfs_known(figures[PROCFS_SWAP]))
			figures[PROCFS_SWAP] = bytes;
	}
}

/* --- files --- */

static bool is_denied(ssize_t result)
{
	return result == -EACCES || result == -EPERM;
}

static uint64_t count_files(int folder)
{
	const int fd = openat(folder, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *files = fd < 0 ? NULL : fdopendir(fd);
	uint64_t count = 0;

	if (files == NULL) {
		const int problem = errno;

		if (fd >= 0)
			close(fd);
		return is_denied(-problem) ? PROCFS_DENIED : PROCFS_UNKNOWN;
	}
	for (const struct dirent *entry; (entry = readdir(files)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(files);
	return count;
}

/* A process that has ended holds no memory, even where its files cannot be read. */
static void set_nothing(struct procfs_sample *sample)
{
	static const enum procfs_figure none[] = {PROCFS_RSS, PROCFS_USS, PROCFS_PSS, PROCFS_SWAP,
						  PROCFS_FILES};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		sample->figures[none[i]] = 0;
}

static void read_smaps(int folder, struct procfs_sample *sample)
{
	char text[TEXT_BYTES];

	if (is_denied(read_text(folder, "smaps_rollup", text, sizeof(text))))
		sample->figures[PROCFS_USS] = sample->figures[PROCFS_PSS] = PROCFS_DENIED;
	else
		procfs_parse_smaps(text, sample);
}

static void read_more(int folder, unsigned want, struct procfs_sample *sample)
{
	char text[TEXT_BYTES];

	if ((want & PROCFS_WANT_SMAPS) != 0)
		read_smaps(folder, sample);
	if ((want & PROCFS_WANT_STATUS) != 0 && read_text(folder, "status", text, sizeof(text)) > 0)
		procfs_parse_status(text, sample);
	if ((want & PROCFS_WANT_FILES) != 0)
		sample->figures[PROCFS_FILES] = count_files(folder);
}

int procfs_read(const struct procfs *procfs, pid_t pid, unsigned want, struct procfs_sample *sample)
{
	const int folder = open_process(procfs, pid);
	char text[2048];
	int result = 0;

	if (folder < 0)
		return folder;
	const ssize_t size = read_text(folder, "stat", text, sizeof(text));

	if (size <= 0)
		result = size == 0 || size == -ENOENT ? -ESRCH : (int)size;
	else if (procfs_parse_stat(procfs, text, (size_t)size, sample) != 0 || sample->pid != pid)
		result = -EBADMSG;
	else if (sample->state == 'Z' || sample->state == 'X')
		set_nothing(sample);
	else
		read_more(folder, want, sample);
	close(folder);
	return result;
}

bool procfs_is_process(const struct procfs *procfs, pid_t pid)
{
	const int folder = open_process(procfs, pid);
	char text[TEXT_BYTES];
	uint64_t group = 0;

	if (folder < 0)
		return false;
	read_text(folder, "status", text, sizeof(text));
	close(folder);
	for (const char *line = text; *line != '\0'; line = next_line(line))
		if (strncmp(line, "Tgid:\t", 6) == 0) {
			line += 6;
			return get_number(&line, &group) && group == (uint64_t)pid;
		}
	return false;
}

size_t procfs_command(const struct procfs *procfs, pid_t pid, char *command, size_t size)
{
	const int folder = open_process(procfs, pid);
	ssize_t got;

	if (folder < 0)
		return 0;
	got = read_text(folder, "cmdline", command, size);
	close(folder);
	return got < 0 ? 0 : (size_t)got;
}
