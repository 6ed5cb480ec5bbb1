/* SPDX-License-Identifier: MIT */
/*
 * Which process ids were given out since the last look, at the cost of one small read when there
 * are none: the kernel gives out ids in turn and says in /proc/loadavg which was the last.
 */
#ifndef PMT_TOOLS_NEWPIDS_H
#define PMT_TOOLS_NEWPIDS_H

#include <stdbool.h>
#include <stdint.h>

#include "procfs.h"

struct newpids {
	const struct procfs *procfs;
	int loadavg;		/* descriptor; -1: there is none */
	uint64_t last;		/* newest id at the last look; 0: unknown */
	uint64_t limit;		/* ids are below it; 0: unknown */
	uint64_t full_next_ns;	/* not before that are all processes listed again */
	uint64_t cheap_next_ns; /* nor before that, for whatever reason */
};

typedef void newpids_visit(void *context, pid_t pid);

void newpids_init(struct newpids *newpids, const struct procfs *procfs);
void newpids_fini(struct newpids *newpids);

/*
 * Visit each id that may be new: also those of threads, of processes that are gone, and old ones.
 * With FULL, now and then all that there are: where /proc/loadavg is not the kernel's own, this
 * is what finds the new ones. They are listed so seldom that it takes 0.1 % of one core.
 */
void newpids_look(struct newpids *newpids, bool full, newpids_visit *visit, void *context);

#endif
