/* SPDX-License-Identifier: MIT */
/* Small texts of /proc, read by system calls only. */
#ifndef PMT_TRACER_PROC_H
#define PMT_TRACER_PROC_H

#include <stddef.h>
#include <stdint.h>

/*
 * The beginning of a file, terminated, into TEXT of SIZE bytes; from the descriptor KEPT if that is
 * above 0, else PATH is opened for it. Returns its length, 0 when it cannot be read.
 */
size_t proc_read(int kept, const char *path, char *text, size_t size);
/* The decimal number at *TEXT, behind blanks; moves *TEXT behind it. 0 when there is none. */
uint64_t proc_number(const char **text);
/* The value of a line "NAME:   123 kB" of STATUS, in bytes; 0 if there is none. NAME: "\nVmHWM:".
 */
uint64_t proc_kilobytes(const char *status, const char *name);

#endif
