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

/*
 * Control while the program runs. For all of these the caller holds the interpreter's lock. Those
 * that return int return 0, or -1, and then pymemtrace_problem() says why, in words for the user.
 *
 * They also work in a process where the library was loaded by dlopen(), without LD_PRELOAD. Then
 * malloc and mmap are not seen, and nothing is traced before pymemtrace_start().
 */

/*
 * Begin a log. SETTINGS: texts "NAME=VALUE", NULL at the end, or NULL; NAME is that of an option as
 * in the environment without PYMEMTRACE_, and goes before what the environment says. Fails when the
 * process is traced already. The events of the interpreter that TRACE asks for come from all
 * threads from now on.
 */
int pymemtrace_start(const char *const *settings);
/* Close the log: it is complete when this returns. Another may be begun. */
int pymemtrace_stop(void);
/*
 * Change an option, "NAME=VALUE", of a log that is being written: TRACE (calls, c-calls, lines,
 * opcodes, exceptions, objects; its other words stay as they were), RSS_TRIGGER, CALL_DEPTH,
 * LINES; BUILTIN_TYPES can be turned on. Others have no effect before the next log.
 */
int pymemtrace_set(const char *setting);
/* Record nothing for now, and go on. Blocks that are freed in between seem to live on. */
int pymemtrace_suspend(void);
int pymemtrace_resume(void);
/* Put a mark with TEXT (at most 4096 bytes) on the time line. */
int pymemtrace_mark(const char *text);

#define PYMEMTRACE_OFF 0
#define PYMEMTRACE_ACTIVE 1
#define PYMEMTRACE_SUSPENDED 2
/* Is a log being written? One of these. */
int pymemtrace_is_active(void);
/* Absolute path of the log being written, or of the last one; "": none. Valid until the next one.
 */
const char *pymemtrace_log_path(void);
/* What is traced at present: a bit set, by the numbers of TRACED in docs/log-format.md; 0: nothing.
 */
unsigned long long pymemtrace_traced(void);
/* Why the last of these calls failed; valid until the next one. */
const char *pymemtrace_problem(void);

#ifdef __cplusplus
}
#endif

#endif
