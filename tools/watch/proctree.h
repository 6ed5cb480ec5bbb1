/* SPDX-License-Identifier: MIT */
/*
 * A process and those that come from it: who is a child of whom, their figures now and before,
 * their peaks, and the sums. One that outlives its parent stays, under its nearest ancestor.
 */
#ifndef PMT_TOOLS_PROCTREE_H
#define PMT_TOOLS_PROCTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "newpids.h"
#include "procfs.h"

/* The figures of /proc, and what is made of them. */
enum proctree_value {
	PROCTREE_FAULTS = PROCFS_FIGURES, /* minor and major */
	PROCTREE_FAULT_RATE,		  /* of these, a thousand seconds */
	PROCTREE_CPU,			  /* thousandths of a percent of one core */
	PROCTREE_VALUES,
};

#define PROCTREE_COMMAND_BYTES 4096

struct proctree_state {
	uint64_t time_ns; /* since the watch began */
	uint64_t values[PROCTREE_VALUES];
};

struct proctree_process {
	struct proctree_process
		*parent; /* lives, if this one does; NULL: the root, and in `ended` */
	pid_t pid;
	pid_t parent_pid; /* as the kernel has it */
	uint64_t start_ticks;
	char state;
	char name[PROCFS_NAME_BYTES];
	char *command; /* if wanted: words ended by '\0', cut; NULL: none, or not known */
	size_t command_size;
	bool command_new; /* since the last sample: it is new, or runs another program */
	bool gone;
	uint64_t samples;
	uint64_t first_ns; /* when it was found */
	struct proctree_state now;
	struct proctree_state before;
	uint64_t peaks[PROCTREE_VALUES]; /* of the samples; PROCFS_UNKNOWN: none was known */
};

/* Processes that ended before a sample of them was taken, by name. */
struct proctree_brief {
	char name[PROCFS_NAME_BYTES];
	uint64_t count;
	uint64_t fresh;	 /* of these, between the last two samples */
	uint64_t marked; /* count at the last sample */
};

struct proctree_list {
	struct proctree_process **items;
	size_t count;
};

struct proctree {
	const struct procfs *procfs;
	struct newpids newpids;
	unsigned want;	   /* enum procfs_want */
	uint64_t least_ns; /* no rate over less time */
	uint64_t begin_ns; /* CLOCK_MONOTONIC */
	uint64_t born_ns;  /* when the newest process was found, besides the root; 0: none was */
	struct proctree_process *root;
	struct proctree_list live;  /* the root first, each before its children */
	struct proctree_list ended; /* those of which there are samples */
	struct proctree_list found; /* not known yet whether they belong to the tree */
	struct proctree_brief *briefs;
	size_t brief_count;
	uint64_t brief_total;
	struct proctree_state now; /* sums */
	struct proctree_state before;
	bool partial[PROCTREE_VALUES]; /* the sum lacks what was unknown or denied */
	uint64_t peaks[PROCTREE_VALUES];
	uint64_t ended_values[PROCTREE_VALUES]; /* counters of processes that ended, as last seen */
	uint64_t ticks;
	size_t most; /* processes at once */
};

/*
 * Begin to watch a process; PROCFS must outlive the tree. Returns 0, or -errno: -ESRCH when there
 * is no such process, or it is a thread. One that ended and was not waited for is there.
 * proctree_fini() also after a failure.
 */
int proctree_init(struct proctree *tree, const struct procfs *procfs, pid_t root);
void proctree_fini(struct proctree *tree);

/* Take a sample of all. False when the root is gone: then there is no new sample. */
bool proctree_sample(struct proctree *tree);
/* Between samples: notice new processes, and what became of them since. Cheap. */
void proctree_look(struct proctree *tree);

/* Nanoseconds since the watch began. */
uint64_t proctree_clock(const struct proctree *tree);
/* How deep a process stands; the root: 0. */
unsigned proctree_depth(const struct proctree_process *process);

#endif
