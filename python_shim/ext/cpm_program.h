/* SPDX-License-Identifier: MIT */
/* Running the program `pymemtrace` without a trace of it in this process. */
#ifndef PMT_EXT_CPM_PROGRAM_H
#define PMT_EXT_CPM_PROGRAM_H

/*
 * Run PROGRAM with ARGUMENTS (the first is its name, NULL ends them); its standard output goes to
 * the descriptor OUT. Waits for its end, and is to be called without the interpreter's lock.
 * Returns its exit status; or -1, with errno set, when it could not be run or was killed.
 */
int cpm_program_run(const char *program, char *const *arguments, int out);

#endif
