/* SPDX-License-Identifier: MIT */
/* What `pymemtrace compress` and `pymemtrace decompress` have in common. */
#ifndef PMT_TOOLS_CONVERT_H
#define PMT_TOOLS_CONVERT_H

#include "command.h"
#include "inputs.h"
#include "pack.h"

/* What the options set. */
struct convert_options {
	const char *output;
	const char *folder;
	bool keep;
	bool remove;
	bool force;
};

struct convert {
	enum inputs_kind kind; /* what is converted */
	const struct convert_options *options;
	/* The name of what is made of PATH, in the same folder; free() it. NULL after a message. */
	char *(*name)(const char *path);
	/*
	 * Convert into OUT, named PATH in messages. Returns 0; 1 after a message if something is
	 * missing in it; -1 after a message.
	 */
	int (*write)(struct pack *pack, FILE *out, const char *path);
};

/* Run it on all operands. Returns the exit status. */
int convert_run(const struct convert *convert, int count, char **operands);

#endif
