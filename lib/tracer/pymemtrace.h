/* SPDX-License-Identifier: MIT */
/*
 * What a traced program can ask of pymemtrace. The functions are in libpymemtrace.so, which is
 * preloaded, so a program that is to run without it as well looks them up: dlsym(RTLD_DEFAULT,
 * "pymemtrace_snapshot"), or in Python ctypes.PyDLL(None).pymemtrace_snapshot.
 */
#ifndef PYMEMTRACE_H
#define PYMEMTRACE_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Put a mark with the text LABEL (at most 1000 bytes) into the log, and tell Python's
 * live objects by their types as they are now: see `pymemtrace top --by type --census LABEL`.
 *
 * The caller holds the interpreter's lock (in Python: ctypes.PyDLL, not CDLL). Returns 0; or -1
 * when types could not be told: the process is not traced, or not with the word pymem, or
 * PYMEMTRACE_TYPES is off, or the lock is not held. The mark is put in the last three cases all the
 * same. Leaves errno alone.
 */
int pymemtrace_snapshot(const char *label);

#ifdef __cplusplus
}
#endif

#endif
