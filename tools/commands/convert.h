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

/*
 * The options that both have, into SETTINGS, a struct convert_options. MADE and ORIGINAL say what a
 * file is made of which; NAME how it is called by default; CAUTION stands behind --remove.
 */
#define CONVERT_OPTIONS(settings, made, original, default_name, caution)                           \
	{.name = "output",                                                                         \
	 .letter = 'o',                                                                            \
	 .value = "FILE",                                                                          \
	 .kind = COMMAND_TEXT,                                                                     \
	 .target = &(settings).output,                                                             \
	 .doc = "name of the " made " (default: " default_name ")"},                               \
		{.name = "output-folder",                                                          \
		 .value = "DIR",                                                                   \
		 .kind = COMMAND_TEXT,                                                             \
		 .target = &(settings).folder,                                                     \
		 .doc = "folder for the " made                                                     \
			"s, made if there is none (default: that of each " original ")"},          \
		{.name = "keep",                                                                   \
		 .letter = 'k',                                                                    \
		 .kind = COMMAND_SWITCH,                                                           \
		 .target = &(settings).keep,                                                       \
		 .doc = "keep the " original "; this is the default"},                             \
		{.name = "remove",                                                                 \
		 .kind = COMMAND_SWITCH,                                                           \
		 .target = &(settings).remove,                                                     \
		 .doc = "remove the " original " once the " made                                   \
			" was read back and is the same" caution},                                 \
	{                                                                                          \
		.name = "force", .letter = 'f', .kind = COMMAND_SWITCH,                            \
		.target = &(settings).force, .doc = "replace files that exist"                     \
	}

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
