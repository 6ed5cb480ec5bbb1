/* SPDX-License-Identifier: MIT */
/* The logs named on a command line. */
#ifndef PMT_TOOLS_INPUTS_H
#define PMT_TOOLS_INPUTS_H

#include <stddef.h>

struct inputs {
	char **paths;
	size_t count;
};

/*
 * Turn operands into paths of logs: a folder stands for the *.pmt files in it, sorted by name.
 * Returns 0, or the exit status after a message: no operand at all, a folder without logs or not
 * readable. A file is not opened here.
 */
int inputs_init(struct inputs *inputs, int count, char **operands);
void inputs_fini(struct inputs *inputs);

#endif
