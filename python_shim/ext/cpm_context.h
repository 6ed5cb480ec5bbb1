/* SPDX-License-Identifier: MIT */
/*
 * Contexts that have a log: Profile, Trace and ReferenceTracing. Contexts of one kind form a stack,
 * of which only the top one sees events; kinds do not matter to each other.
 *
 * All functions are called with the interpreter's lock, or a lock of their own where there is none.
 */
#ifndef PMT_EXT_CPM_CONTEXT_H
#define PMT_EXT_CPM_CONTEXT_H

#include <Python.h>
#include <stdint.h>

#include "cpm_log.h"

enum cpm_kind { CPM_PROFILE, CPM_TRACE, CPM_REFERENCES, CPM_KINDS };

enum cpm_state { CPM_NEW, CPM_ENTERED, CPM_LEAVING, CPM_LEFT };

struct cpm_context {
	PyObject_HEAD enum cpm_kind kind;
	enum cpm_state state;
	int pid; /* of the process that entered it */
	/* What it was made with. */
	long long trigger;
	PyObject *message;  /* str or NULL */
	PyObject *filepath; /* bytes or NULL */
	int all_threads;
	int keep;
	int builtins;
	int collect;	   /* generation, -1: none */
	PyObject *include; /* tuples of str, or NULL */
	PyObject *exclude;
	/* While it is entered. */
	unsigned long long id; /* in the log */
	struct cpm_log *log;
	struct cpm_context *below; /* held */
	char *path;		   /* of the text log; stays */
	int fd;			   /* of it */
	int suspended;
};

/* Once, at the import. */
int cpm_context_init(void);

/* The top of a stack of this process, borrowed, or NULL. */
struct cpm_context *cpm_top(enum cpm_kind kind);
int cpm_depth(enum cpm_kind kind);

/* Those that return int return 0, or -1 with an exception set. */
int cpm_enter(struct cpm_context *c);
/* QUIET: what goes wrong is said on stderr, because an exception is on its way. */
int cpm_leave(struct cpm_context *c, int quiet);
/* Whether the context is entered, in this process. */
int cpm_is_entered(const struct cpm_context *c);
int cpm_message(struct cpm_context *c, const char *text);
int cpm_line(struct cpm_context *c, const char *text);
int cpm_suspend(struct cpm_context *c, int suspended);
void cpm_fini(struct cpm_context *c);
/* At the end of the interpreter: leave all, the last one first. */
void cpm_leave_all(void);

#endif
