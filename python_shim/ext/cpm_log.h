/* SPDX-License-Identifier: MIT */
/*
 * The binary log that the contexts of cPyMemTrace share, and the tracer that writes it: the library
 * that is preloaded, or else the package's, loaded when the first context is entered.
 *
 * The caller holds the interpreter's lock, or one of its own where there is none. Functions that
 * return int return 0, or -1 with an exception set.
 */
#ifndef PMT_EXT_CPM_LOG_H
#define PMT_EXT_CPM_LOG_H

#include <Python.h>

/* Events of the interpreter, as bits of what a context wants. */
enum {
	CPM_CALLS = 1,
	CPM_C_CALLS = 2,
	CPM_LINES = 4,
	CPM_EXCEPTIONS = 8,
	CPM_OBJECTS = 16,
};

/* A log: held by contexts that are in it, and by who reads it. */
struct cpm_log {
	char *path;
	int holders;
	int own;       /* begun for contexts; else the process is traced anyway */
	int keep;      /* the file stays */
	int all_types; /* objects of the interpreter's own types are recorded, too */
};

/* Where the package's library and program are; at the import. */
int cpm_log_init(void);
/* The file of the decorators, whose functions are nobody's business; NULL: not known. */
const char *cpm_decorators(void);
/* The program `pymemtrace`; NULL with an exception set. */
const char *cpm_program(void);

/*
 * The log that is being written, begun beside the file BESIDE with WORDS (CPM_*) if there is none.
 * One holder more.
 * NULL with an exception set.
 */
struct cpm_log *cpm_log_take(const char *beside, unsigned words);
/*
 * Gives up a hold on the log. Without a context in it the log is closed; without any holder it is
 * removed, unless it is to be kept.
 */
void cpm_log_release(struct cpm_log *log);
/* Bring what is traced to WORDS (CPM_*), besides what the process is traced for anyway. */
int cpm_log_words(unsigned words);
/*
 * When the last context has ended: close the log if it was begun for contexts. Its holders keep it.
 */
void cpm_log_close(struct cpm_log *log);
/* pymemtrace:ID:VERB:TEXT, in several marks where it is long. */
int cpm_log_mark(unsigned long long id, const char *verb, const char *text, size_t size);
/* In a forked child: there is no log. */
void cpm_log_forget(void);

#endif
