/* SPDX-License-Identifier: MIT */
/* Which log of a folder is of the newest run, by the headers alone. */
#include "newest.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "header.h"
#include "names.h"
#include "source.h"

/* What the header of a log says. */
struct candidate {
	const char *path; /* NULL: not a log */
	struct pmt_header header;
	char *parent; /* the name of the parent's log without its folder; NULL: none */
	char *run;    /* which `pymemtrace run`; NULL: none */
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* A copy of a text of HEADER; NULL: it has none. */
static char *copy_text(const struct pmt_header *header, unsigned key)
{
	const char *text;
	const long size = pmt_header_get_text(header, key, &text);

	if (size <= 0)
		return NULL;
	char *copy = strndup(text, (size_t)size);

	if (copy == NULL)
		die(EXIT_DATA, "out of memory");
	return copy;
}

static char *parent_name(const struct pmt_header *header)
{
	char *path = copy_text(header, PMT_TEXT_PARENT_LOG);

	if (path == NULL)
		return NULL;
	const char *base = base_name(path);

	memmove(path, base, strlen(base) + 1);
	return path;
}

static void read_candidate(struct candidate *candidate, const char *path)
{
	union header_bytes head;
	struct source *source;

	*candidate = (struct candidate){NULL};
	if (source_open(path, &source) != 0)
		return;
	memset(&head, 0, sizeof(head));
	const int64_t size = source_read(source, &head, sizeof(head), 0);

	if (size >= 0 && header_check(path, &head, size) == 0) {
		candidate->path = path;
		candidate->header = head.header;
		candidate->parent = parent_name(&head.header);
		candidate->run = copy_text(&head.header, PMT_TEXT_RUN);
	}
	source_close(source);
}

/* Whether NAME is that of PATH, which may be compressed. */
static bool is_named(const char *path, const char *name)
{
	const char *base = base_name(path);
	const size_t size = strlen(name);

	return strncmp(base, name, size) == 0 &&
	       (base[size] == '\0' || strcmp(base + size, ".zst") == 0);
}

/* Whether both are processes of one `pymemtrace run`. */
static bool is_same_run(const struct candidate *a, const struct candidate *b)
{
	return a->run != NULL && b->run != NULL && strcmp(a->run, b->run) == 0 &&
	       a->header.pid != b->header.pid;
}

/* Or one that came before it in the same run: a shell has no log that could be its parent. */
static bool is_parent(const struct candidate *child, const struct candidate *parent)
{
	const struct pmt_header *c = &child->header, *p = &parent->header;

	if (child == parent || parent->path == NULL)
		return false;
	if (is_same_run(child, parent) && p->start_realtime_ns < c->start_realtime_ns)
		return true;
	return child->parent != NULL && is_named(parent->path, child->parent) && p->pid != c->pid &&
	       p->start_realtime_ns <= c->start_realtime_ns;
}

static bool has_parent(const struct candidate *child, const struct candidate *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_parent(child, &all[i]))
			return true;
	return false;
}

/* Of equal times the first: a parent's name sorts before its children's. */
static const struct candidate *find_newest(const struct candidate *all, size_t count)
{
	const struct candidate *newest = NULL;

	for (size_t i = 0; i < count; i++)
		if (all[i].path != NULL && !has_parent(&all[i], all, count) &&
		    (newest == NULL ||
		     all[i].header.start_realtime_ns > newest->header.start_realtime_ns))
			newest = &all[i];
	return newest;
}

const char *newest_log(char *const *paths, size_t count)
{
	struct candidate *all = need_memory(count * sizeof(*all));

	for (size_t i = 0; i < count; i++)
		read_candidate(&all[i], paths[i]);
	const struct candidate *newest = find_newest(all, count);
	const char *path = newest != NULL ? newest->path : NULL;

	for (size_t i = 0; i < count; i++) {
		free(all[i].parent);
		free(all[i].run);
	}
	free(all);
	return path;
}
