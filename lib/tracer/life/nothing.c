/* SPDX-License-Identifier: MIT */
/*
 * A program under `pymemtrace run` that has no Python in it: said when it ends.
 *
 * A shell has none, but may start programs that have. Whether one of these wrote a log shows in the
 * folder of the logs only: the program has no memory, descriptor or file in common with all its
 * children. In doubt nothing is said.
 */
#include "nothing.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "environment.h"
#include "log.h"
#include "names.h"
#include "options.h"
#include "proc.h"
#include "process_log.h"
#include "say.h"
#include "sys.h"
#include "tracing.h"

/* More entries of a folder are not looked at. */
#define ENTRIES_MAX 20000

static struct {
	int armed;
	struct text output; /* the template, a copy */
	size_t folder;	    /* size of its folder with the slash */
} nothing;

/* As the kernel gives it. */
struct entry {
	uint64_t inode;
	int64_t next;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

static void let_go(void)
{
	nothing.armed = 0;
	say_let_go();
}

void nothing_start(void)
{
	const char *output = getenv(PMT_OPTION_PREFIX "OUTPUT");
	const char *verbosity = getenv(PMT_OPTION_PREFIX "VERBOSITY");
	const char *slash;

	environment_read_run();
	if (!environment_is_run_itself() || output == NULL || output[0] != '/' ||
	    (verbosity != NULL && strcmp(verbosity, "0") == 0))
		return;
	text_add(&nothing.output, output);
	slash = strrchr(nothing.output.data, '/');
	nothing.folder = (size_t)(slash - nothing.output.data) + 1;
	nothing.armed = 1;
	say_keep();
	(void)pthread_atfork(NULL, NULL, let_go);
}

/* Whether the file PATH is a log of this run; FOLDER is what PATH is relative to. */
static int is_ours(int folder, const char *path)
{
	const char *run = environment_run(), *text;
	union {
		struct pmt_header header;
		uint8_t bytes[PMT_HEADER_BYTES]; /* with its texts */
	} head;
	struct stat st;
	long fd, got, size;

	if (SYS4(SYS_newfstatat, folder, path, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	fd = SYS4(SYS_openat, folder, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return 1;
	got = sys_pread((int)fd, &head, sizeof(head), 0);
	(void)sys_close((int)fd);
	if (got != (long)sizeof(head) ||
	    memcmp(head.header.magic, PMT_MAGIC, sizeof(head.header.magic)) != 0)
		return 0;
	size = pmt_header_get_text(&head.header, PMT_TEXT_RUN, &text);
	return size == (long)strlen(run) && memcmp(text, run, (size_t)size) == 0;
}

/* Whether a log of this run is among the entries of FOLDER that lie in DATA; *COUNT grows by them. */
static int has_ours(int folder, const char *data, long size, unsigned *count)
{
	const char *name = nothing.output.data + nothing.folder;
	const char *percent = strchr(name, '%');
	const size_t stem = percent != NULL ? (size_t)(percent - name) : strcspn(name, ".");

	for (long at = 0; at < size;) {
		const struct entry *e = (const struct entry *)(const void *)(data + at);

		if (strncmp(e->name, name, stem) == 0 && is_ours(folder, e->name))
			return 1;
		at += e->bytes;
		++*count;
	}
	return 0;
}

/* Whether a process of this run wrote a log; 1 also where that cannot be said. */
static int is_something(void)
{
	_Alignas(struct entry) char data[16384];
	struct text folder = {.used = 0};
	long fd, size;
	unsigned entries = 0;
	int found;

	text_add_bytes(&folder, nothing.output.data, nothing.folder);
	if (strchr(folder.data, '%') != NULL)
		return 1;
	fd = sys_open(folder.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return 1;
	do {
		size = SYS3(SYS_getdents64, fd, data, sizeof(data));
		found = size > 0 && has_ours((int)fd, data, size, &entries);
	} while (size > 0 && !found && entries < ENTRIES_MAX);
	(void)sys_close((int)fd);
	return found || size != 0;
}

void nothing_end(void)
{
	/* Also not in a child of vfork(), which has our memory. */
	if (!nothing.armed || !environment_is_run_itself() ||
	    atomic_load(&tracing_shared.mode) != TRACING_INERT || process.options_good)
		return;
	if (!is_something())
		say_problem(
			"no log: no Python ran in this command; pymemtrace run --non-python traces other programs, too",
			NULL, NULL);
	let_go();
}
