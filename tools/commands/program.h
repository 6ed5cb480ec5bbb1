/* SPDX-License-Identifier: MIT */
/* Whether a command can be traced: found, executable, dynamically linked, without privileges. */
#ifndef PMT_TOOLS_PROGRAM_H
#define PMT_TOOLS_PROGRAM_H

/* Exit statuses of `pymemtrace run` when the command cannot be run, as shells have them. */
enum {
	PROGRAM_NOT_EXECUTABLE = 126,
	PROGRAM_NOT_FOUND = 127,
};

/*
 * Find NAME as execvp does and check what the kernel would run, for scripts the interpreter too.
 * Returns 0 and PATH (free() it), or the exit status after a message.
 */
int program_find(const char *name, char **path);

#endif
