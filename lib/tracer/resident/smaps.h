/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/smaps, read in pieces of any length, and what each mapping is for.
 *
 * No allocation, no system call, no thread-local storage: the sampler's thread uses it. A line that
 * is not understood is passed over, and one longer than SMAPS_LINE is cut. What a mapping is for
 * can depend on its neighbours, so it is told when the next one is known:
 *
 *	[r--p r-xp r--p rw-p FILE] rw-p		a library, told as one, and its data without a file
 *	rw-p, ---p to a multiple of 64 MiB	an arena of malloc
 *	---p, rw-p				a stack of a thread, behind its guard; newer kernels
 *						and C libraries show both in its flags
 */
#ifndef PMT_TRACER_SMAPS_H
#define PMT_TRACER_SMAPS_H

#include <stddef.h>
#include <stdint.h>

#define SMAPS_LINE 512

/* One mapping, or the neighbouring mappings of one file together. */
struct smaps_mapping {
	uint64_t start;
	uint64_t end;
	uint64_t size; /* bytes, as the next three */
	uint64_t resident;
	uint64_t copied; /* of these, pages that are no longer as in the file */
	uint64_t swap;
	uint64_t shared; /* of what is resident without a file: in other processes, too */
	uint64_t inode;	 /* 0: no file */
	uint32_t kind;	 /* PMT_MEMORY_*; of a file's, that of the pages that are not copied */
	char access[5];	 /* of the last mapping: "rw-p" */
	char name[SMAPS_LINE];
	uint8_t executable; /* some mapping is */
	uint8_t stack;	    /* mapped with MAP_STACK, or has guard pages */
	uint8_t own;	    /* the tracer's: the log, or its library */
};

/* Called for each mapping, by address. */
typedef void (*smaps_visit)(void *context, const struct smaps_mapping *mapping);

struct smaps {
	smaps_visit visit;
	void *context;
	const char *log;  /* path of the log, "" if there is none */
	uint64_t address; /* one in our library */
	char line[SMAPS_LINE];
	size_t used;
	int has_now;  /* lines go to `now` */
	int has_held; /* `held` waits for what follows */
	struct smaps_mapping now;
	struct smaps_mapping held;
	/* Of the mapping that was told last. */
	uint64_t last_end;
	uint32_t last_kind;
};

void smaps_init(struct smaps *s, smaps_visit visit, void *context);
void smaps_feed(struct smaps *s, const char *data, size_t size);
/*
 * The end of the file has been reached: report the mapping that was still waiting for its
 * neighbour.
 */
void smaps_finish(struct smaps *s);

#endif
