/* SPDX-License-Identifier: MIT */
/*
 * A file that a command makes of another, of the same kind: written under a temporary name beside
 * its place, then put there whole. If the program ends before, no part of it is left.
 */
#ifndef PMT_TOOLS_OUTFILE_H
#define PMT_TOOLS_OUTFILE_H

#include <stdbool.h>
#include <stdio.h>

struct outfile {
	const char *path;
	char *temporary; /* its name until outfile_commit() */
	FILE *file;
	bool force; /* an existing file may be replaced */
};

/*
 * Begin a file, mode 0600. FROM is what it is made of, which it must not replace. PATH must outlive
 * it. One at a time. Returns 0, or -1 after a message: it exists, say, and FORCE is not set.
 */
int outfile_init(struct outfile *out, const char *path, const char *from, bool force);
/* Write everything to the disk and close `file`; it can be read as `temporary`. 0, or -1. */
int outfile_close(struct outfile *out);
/* Put it to its place. Returns 0, or -1 after a message. */
int outfile_commit(struct outfile *out);
/* Remove what was not put to its place. */
void outfile_fini(struct outfile *out);

#endif
