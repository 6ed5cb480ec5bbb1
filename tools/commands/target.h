/* SPDX-License-Identifier: MIT */
/* What `pymemtrace run` runs: a command, or a script or module for which Python is put in front. */
#ifndef PMT_TOOLS_TARGET_H
#define PMT_TOOLS_TARGET_H

/*
 * Make the command line of COUNT OPERANDS: a file of Python's source, `-m MODULE` and `-c CODE`
 * get PYTHON (NULL: python3) in front; a script that says its interpreter itself and is given with
 * a folder keeps that one. PATH (free() it) is what to execute. Returns the command line, which
 * ends with NULL, or NULL after a message, and STATUS, the exit status.
 */
char **target_find(int count, char **operands, const char *python, char **path, int *status);

#endif
