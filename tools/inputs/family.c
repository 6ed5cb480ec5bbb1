/* SPDX-License-Identifier: MIT */
/* The logs of one run, by their names and what their headers say of the processes. */
#include "family.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "header.h"
#include "names.h"
#include "source.h"

#define ENDING ".pmt"
#define PACKED ".zst"

/* The tracer looks for a free name up to here. */
#define NUMBER_MAX 10000

/* A log that has such a name. */
struct relative {
	char *path;
	unsigned number; /* in its name; 0: the first one */
	bool taken;	 /* it is one of the run */
	/* The name of the parent's log, without its folder, in `head`; size 0: there is none. */
	size_t parent, parent_size;
	union header_bytes head;
};

struct family {
	const char *base;     /* the first one's name */
	size_t stem;	      /* its size up to the number */
	struct relative *all; /* the first one, then others */
	uint32_t count, room;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool ends_in(const char *name, size_t size, const char *ending)
{
	const size_t length = strlen(ending);

	return size > length && memcmp(name + size - length, ending, length) == 0;
}

/* The size of NAME without .pmt or .pmt.zst; 0: it has neither. */
static size_t stem_size(const char *name)
{
	size_t size = strlen(name);

	if (ends_in(name, size, PACKED))
		size -= strlen(PACKED);
	return ends_in(name, size, ENDING) ? size - strlen(ENDING) : 0;
}

/* The number in NAME, which is that of a child; 0: it is not, or is that of the first log. */
static unsigned number_of(const struct family *family, const char *name)
{
	const size_t size = stem_size(name);
	unsigned number = 0;

	if (size <= family->stem + 1 || memcmp(name, family->base, family->stem) != 0 ||
	    name[family->stem] != '.' || name[family->stem + 1] == '0')
		return 0;
	for (size_t i = family->stem + 1; i < size; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		number = number * 10 + (unsigned)(name[i] - '0');
		if (number >= NUMBER_MAX)
			return 0;
	}
	return number;
}

static int64_t read_plain(const char *path, union header_bytes *head)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int64_t size = -1;

	if (fd < 0)
		return -1;
	size = pread(fd, head, sizeof(*head), 0);
	close(fd);
	return size;
}

static int64_t read_packed(const char *path, union header_bytes *head)
{
	struct source *source;

	if (source_open(path, &source) != 0)
		return -1;
	const int64_t size = source_read(source, head, sizeof(*head), 0);

	source_close(source);
	return size;
}

/* Read the header of the file PATH. Whether it is a log; what is none gets no message. */
static bool read_head(const char *path, union header_bytes *head)
{
	struct stat st;

	/* To open anything else could take for ever, or do things. */
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	return (ends_in(path, strlen(path), PACKED)
			? read_packed(path, head)
			: read_plain(path, head)) == (int64_t)sizeof(*head) &&
	       memcmp(head->bytes, PMT_MAGIC, strlen(PMT_MAGIC)) == 0 &&
	       head->header.version_major == PMT_VERSION_MAJOR &&
	       head->header.checksum == pmt_header_checksum(&head->header);
}

/* Where in HEAD the name of the parent's log stands, without its folder. */
static size_t find_parent(const union header_bytes *head, size_t *parent_size)
{
	const char *text;
	const long size = pmt_header_get_text(&head->header, PMT_TEXT_PARENT_LOG, &text);
	const char *slash = size > 0 ? memrchr(text, '/', (size_t)size) : NULL;

	*parent_size = slash != NULL ? (size_t)(text + size - slash) - 1 : 0;
	return slash != NULL ? (size_t)(slash + 1 - (const char *)head->bytes) : 0;
}

/* PATH is the family's from here on, unless it is no log. */
static void add_relative(struct family *family, char *path, unsigned number)
{
	union header_bytes head;

	if (!read_head(path, &head)) {
		free(path);
		return;
	}
	family->all = need_room(family->all, family->count, &family->room, sizeof(*family->all));
	struct relative *new = &family->all[family->count++];

	*new = (struct relative){
		.path = path, .number = number, .taken = number == 0, .head = head};
	new->parent = find_parent(&head, &new->parent_size);
}

static bool has_plain(const char *path)
{
	char *plain = strndup(path, strlen(path) - strlen(PACKED));

	if (plain == NULL)
		die(EXIT_DATA, "out of memory");
	const bool found = access(plain, F_OK) == 0;

	free(plain);
	return found;
}

/* Read the headers of all logs in the folder of PATH whose names have a number. */
static void add_neighbours(struct family *family, const char *path)
{
	const size_t size = (size_t)(family->base - path);
	char *folder = strndup(path, size);
	const struct dirent *entry;

	if (folder == NULL)
		die(EXIT_DATA, "out of memory");
	DIR *entries = opendir(size != 0 ? folder : ".");

	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		const unsigned number = number_of(family, entry->d_name);
		char *name;

		if (number == 0)
			continue;
		if (asprintf(&name, "%s%s", folder, entry->d_name) < 0)
			die(EXIT_DATA, "out of memory");
		/* Of a log that is there in both forms the plain one counts. */
		if (ends_in(name, strlen(name), PACKED) && has_plain(name))
			free(name);
		else
			add_relative(family, name, number);
	}
	if (entries != NULL)
		closedir(entries);
	free(folder);
}

static int by_start(const void *a, const void *b)
{
	const struct relative *x = a, *y = b;

	if (x->head.header.start_realtime_ns != y->head.header.start_realtime_ns)
		return x->head.header.start_realtime_ns < y->head.header.start_realtime_ns ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static int by_number(const void *a, const void *b)
{
	const struct relative *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* When the process ended, on the clock that has the date; UINT64_MAX: not known. */
static uint64_t end_of(const struct pmt_header *header)
{
	if (header->live.end_ns < header->start_ns)
		return UINT64_MAX;
	return header->start_realtime_ns + (header->live.end_ns - header->start_ns);
}

/* Clocks of two processes: one reads a coarse clock where the other reads a fine one. */
#define SLACK_NS 100000000U

/* Whether CHILD says that its parent wrote PARENT, and could. */
static bool is_parent(const struct relative *parent, const struct relative *child)
{
	const char *base = base_name(parent->path);
	const char *name = (const char *)child->head.bytes + child->parent;
	const size_t size = child->parent_size;
	const uint64_t end = end_of(&parent->head.header);

	return size != 0 && strncmp(base, name, size) == 0 &&
	       (base[size] == '\0' || strcmp(base + size, PACKED) == 0) &&
	       (end == UINT64_MAX || child->head.header.start_realtime_ns <= end + SLACK_NS);
}

/* Whether NEXT is the program that the process of LOG went on with. */
static bool is_next_program(const struct relative *log, const struct relative *next)
{
	return log->head.header.pid == next->head.header.pid &&
	       log->head.header.live.state == PMT_STATE_EXECED &&
	       next->head.header.start_realtime_ns + SLACK_NS >= end_of(&log->head.header);
}

/* 1: the same `pymemtrace run`; 0: another one; -1: one of them does not say. */
static int compare_runs(const struct pmt_header *a, const struct pmt_header *b)
{
	const char *x, *y;
	const long m = pmt_header_get_text(a, PMT_TEXT_RUN, &x);
	const long n = pmt_header_get_text(b, PMT_TEXT_RUN, &y);

	if (m <= 0 || n <= 0)
		return -1;
	return m == n && memcmp(x, y, (size_t)m) == 0;
}

/*
 * Whether the log at POSITION is of the run; those of earlier processes are known. Logs that one
 * process began one after the other are reports of their own.
 */
static bool belongs(const struct family *family, uint32_t position)
{
	const struct relative *log = &family->all[position];
	const struct pmt_header *first = NULL;
	bool related = false;

	for (uint32_t i = position; i-- > 0;) {
		const struct relative *other = &family->all[i];

		if (!other->taken)
			continue;
		first = &other->head.header;
		if (other->head.header.pid != log->head.header.pid)
			related = related || is_parent(other, log);
		else if (is_next_program(other, log))
			related = true;
		else
			return false;
	}
	const int run = first != NULL ? compare_runs(first, &log->head.header) : 0;

	return run == 1 || (run < 0 && related);
}

static void choose(struct family *family)
{
	qsort(family->all, family->count, sizeof(*family->all), by_start);
	for (uint32_t i = 0; i < family->count; i++)
		if (family->all[i].number != 0)
			family->all[i].taken = belongs(family, i);
	qsort(family->all, family->count, sizeof(*family->all), by_number);
}

size_t family_find(const char *path, char ***paths)
{
	struct family family = {.base = base_name(path)};
	size_t taken = 0;

	family.stem = stem_size(family.base);
	if (family.stem != 0)
		add_relative(&family, strdup(path), 0);
	if (family.count != 0) {
		add_neighbours(&family, path);
		choose(&family);
	}
	*paths = need_memory((family.count + 1) * sizeof(**paths));
	if (family.count == 0)
		(*paths)[taken++] = strdup(path);
	for (uint32_t i = 0; i < family.count; i++) {
		if (family.all[i].taken)
			(*paths)[taken++] = family.all[i].path;
		else
			free(family.all[i].path);
	}
	free(family.all);
	return taken;
}
