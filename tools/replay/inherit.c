/* SPDX-License-Identifier: MIT */
/* The parent's log, replayed up to the fork. */
#include "inherit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "names.h"
#include "replay.h"

/* A child of a child of a child ...: further ones have nothing from before. */
#define GENERATIONS 16

struct fork {
	struct replay *replay; /* of the parent */
	uint32_t child;
	uint64_t until_ns; /* the child's log begins */
};

static int on_event(void *context, const struct reader_event *event)
{
	struct fork *fork = context;

	if (event->time_ns > fork->until_ns)
		return 1;
	replay_event(fork->replay, event);
	return event->record.type == PMT_REC_process &&
	       event->record.process.what == PMT_LIFE_FORK &&
	       event->record.process.value == fork->child;
}

/*
 * The parent's log, in NAME: only beside the child's own, whatever the child's log says. Returns 0,
 * or -1 when there is none.
 */
static int find_log(const struct reader *reader, const char *path, char name[4096])
{
	const char *slash = strrchr(path, '/'), *text, *base;
	const long size = reader_text(reader, PMT_TEXT_PARENT_LOG, &text);
	const int folder = slash == NULL ? 0 : (int)(slash - path) + 1;

	if (size <= 0)
		return -1;
	base = memrchr(text, '/', (size_t)size);
	base = base == NULL ? text : base + 1;
	if (snprintf(name, 4096, "%.*s%.*s", folder, path, (int)(text + size - base), base) >= 4096)
		return -1;
	return access(name, R_OK);
}

static bool is_parent(const struct pmt_header *child, const struct pmt_header *parent)
{
	return parent->pid == child->parent_pid && parent->start_ns <= child->start_ns &&
	       parent->start_realtime_ns <= child->start_realtime_ns;
}

static void inherit_from(struct account *account, const struct reader *reader, const char *path,
			 unsigned generation)
{
	const struct pmt_header *child = reader_header(reader);
	struct fork fork = {NULL, child->pid, child->start_ns};
	struct reader *parent;
	struct replay replay;
	char name[4096];

	if (!account->forked || generation == GENERATIONS || find_log(reader, path, name) != 0 ||
	    reader_open(name, &parent) != 0)
		return;
	if (is_parent(child, reader_header(parent))) {
		replay_init(&replay, reader_header(parent));
		inherit_from(&replay.account, parent, name, generation + 1);
		replay_begin(&replay, parent);
		fork.replay = &replay;
		if (reader_run(parent, on_event, &fork) >= 0)
			account_inherit(account, &replay.account);
		replay_fini(&replay);
	}
	reader_close(parent);
}

void inherit(struct account *account, const struct reader *reader, const char *path)
{
	inherit_from(account, reader, path, 0);
}
