/* SPDX-License-Identifier: MIT */
/* The logs named on a command line. */
#ifndef PMT_TOOLS_INPUTS_H
#define PMT_TOOLS_INPUTS_H

#include <stdbool.h>
#include <stddef.h>

struct inputs {
	char **paths;
	size_t count;
};

/* Which files of a folder are meant. */
enum inputs_kind {
	INPUTS_PLAIN = 1,      /* *.pmt */
	INPUTS_COMPRESSED = 2, /* *.pmt.zst */
	INPUTS_ANY = INPUTS_PLAIN | INPUTS_COMPRESSED,
};

/*
 * Turn operands into paths of logs: a folder stands for the *.pmt and *.pmt.zst files in it, sorted
 * by name. Of a log that is there in both forms only the plain one is taken.
 * No operand at all stands for the log of the newest run in the working folder, which is said on
 * stderr; newest.h. Returns 0, or the exit status after a message: no log there, a folder without
 * logs or not readable. A file that was named is not opened here.
 */
int inputs_init(struct inputs *inputs, int count, char **operands);
/* The same; a folder stands for files of KIND only, and without an operand there is no log. */
int inputs_init_only(struct inputs *inputs, enum inputs_kind kind, int count, char **operands);
/*
 * inputs_init() for a report about a run: unless ONLY is set, one log that is named stands for all
 * of its run (family.h), which is said on stderr.
 */
int inputs_init_run(struct inputs *inputs, bool only, int count, char **operands);
/* Also say what some of the logs lack (lacking.h). */
void inputs_fini(struct inputs *inputs);
/*
 * VISIT each log that the operands name. Returns what inputs_init() said; EXIT_DATA when no visit
 * returned EXIT_OK, so that nothing could be reported; else EXIT_OK.
 */
int inputs_each(int count, char **operands, int (*visit)(const char *path));

#endif
