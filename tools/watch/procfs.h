/* SPDX-License-Identifier: MIT */
/*
 * One process's figures, read from /proc. Nothing is kept between two calls; the folder can be
 * another one than /proc.
 */
#ifndef PMT_TOOLS_PROCFS_H
#define PMT_TOOLS_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* In place of a figure: it cannot be known, or we may not read it. */
#define PROCFS_UNKNOWN UINT64_MAX
#define PROCFS_DENIED (UINT64_MAX - 1)

/* Memory in bytes, times in nanoseconds. */
enum procfs_figure {
	PROCFS_RSS,	 /* from smaps_rollup; without that, from stat */
	PROCFS_USS,	 /* the process's own: all Private_ lines of smaps_rollup */
	PROCFS_PSS,	 /* own, and a fair part of what is shared */
	PROCFS_SWAP,	 /* from smaps_rollup; without that, from status */
	PROCFS_PEAK_RSS, /* the kernel's, since the program began */
	PROCFS_MINOR,	 /* page faults without reading from a disk */
	PROCFS_MAJOR,
	PROCFS_USER_NS,
	PROCFS_SYSTEM_NS,
	PROCFS_THREADS,
	PROCFS_FILES, /* open descriptors */
	PROCFS_FIGURES,
};

/* Files to read besides stat; bits. */
enum procfs_want {
	PROCFS_WANT_SMAPS = 1,	/* USS, PSS; RSS and swap more exactly. Costs by the resident set */
	PROCFS_WANT_STATUS = 2, /* the peak; swap */
	PROCFS_WANT_FILES = 4,
	PROCFS_WANT_COMMAND = 8, /* for proctree.h; procfs_read() has no place for it */
	PROCFS_WANT_ALL = 15,
};

/* Longer than any name the kernel gives (15 bytes; 63 for its own threads). */
#define PROCFS_NAME_BYTES 64

struct procfs_sample {
	pid_t pid;
	pid_t parent;
	uint64_t start_ticks; /* since the machine's start; with the id, the process for certain */
	char state;	      /* 'R', 'S', ...; 'Z' for one that ended and was not waited for */
	char name[PROCFS_NAME_BYTES]; /* any bytes */
	uint64_t figures[PROCFS_FIGURES];
};

struct procfs {
	int root; /* descriptor of the folder */
	uint64_t tick_ns;
	uint64_t page_bytes;
};

static inline bool procfs_known(uint64_t figure)
{
	return figure < PROCFS_DENIED;
}

/* ROOT is "/proc", but for tests. Returns 0 or -errno. */
int procfs_init(struct procfs *procfs, const char *root);
void procfs_fini(struct procfs *procfs);

/*
 * Read a process; WANT are bits of enum procfs_want. All files are of the same process, even if its
 * id is given to another one meanwhile. Returns 0; -ESRCH when there is none; -EBADMSG when stat is
 * not understood; or another -errno. Figures that were not wanted are PROCFS_UNKNOWN.
 */
int procfs_read(const struct procfs *procfs, pid_t pid, unsigned want,
		struct procfs_sample *sample);

/* Whether the id is that of a process, not of a thread besides its first. */
bool procfs_is_process(const struct procfs *procfs, pid_t pid);

/* The command line, words ended by '\0', cut to SIZE. Returns its bytes, 0 if there is none. */
size_t procfs_command(const struct procfs *procfs, pid_t pid, char *command, size_t size);

/*
 * The texts of the files, SIZE bytes and a '\0' behind them. They set what they find in SAMPLE;
 * procfs_parse_stat() returns -1 when the text is damaged or cut, and then has set nothing.
 */
int procfs_parse_stat(const struct procfs *procfs, const char *text, size_t size,
		      struct procfs_sample *sample);
void procfs_parse_smaps(const char *text, struct procfs_sample *sample);
void procfs_parse_status(const char *text, struct procfs_sample *sample);

#endif
