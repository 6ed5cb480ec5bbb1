/* SPDX-License-Identifier: MIT */
/* What the types of contexts that have a log share: arguments, methods, the lock. */
#ifndef PMT_EXT_CPM_METHODS_H
#define PMT_EXT_CPM_METHODS_H

#include "module.h"

#include "cpm_context.h"

#define HAS_REFERENCES (PY_VERSION_HEX >= 0x030D0000)

extern PyTypeObject cpm_profile_type;
/* Python 3.13 and later. */
extern PyTypeObject cpm_references_type;
/* live_object_counts() of C, NULL: of none. */
PyObject *cpm_live(struct cpm_context *c);

/* Without a global lock, what the contexts share is guarded by this one. */
#define ALL_LOCK() OBJECT_LOCK((PyObject *)&cpm_profile_type)
#define ALL_UNLOCK() OBJECT_UNLOCK()

static inline struct cpm_context *context_of(PyObject *self)
{
	return (struct cpm_context *)self;
}

/* None, or NULL if RC is negative. */
PyObject *cpm_none(int rc);
/* An object of TYPE, not initialised; NULL with an exception set, as all that return objects. */
PyObject *cpm_new(PyTypeObject *type, enum cpm_kind kind);
void cpm_dealloc(PyObject *self);
/* VALUE is given away, the old one released. */
void cpm_replace(PyObject **field, PyObject *value);
/* MESSAGE and FILEPATH as they were given, NULL or None: none. Returns 0 or -1. */
int cpm_set_texts(struct cpm_context *c, PyObject *message, PyObject *filepath);
/* 1, or 0 with an exception set. */
int cpm_is_text(PyObject *value, int position);
/*
 * Take the arguments that only this package has out of KEYWORDS, a copy or NULL. Returns 0, or -1,
 * also when C is entered.
 */
int cpm_parse_own(struct cpm_context *c, PyObject *keywords);
/* The methods of all contexts that have a log. */
PyObject *cpm_enter_method(PyObject *self, PyObject *Py_UNUSED(unused));
PyObject *cpm_exit_method(PyObject *self, PyObject *args);
PyObject *cpm_message_method(PyObject *self, PyObject *text);
PyObject *cpm_path_method(PyObject *self, PyObject *Py_UNUSED(unused));
/* A message, or a RAW line, of the method FUNCTION. */
PyObject *cpm_put(struct cpm_context *c, PyObject *text, const char *function, int raw);
/* The log's path, None if there is none; C may be NULL. */
PyObject *cpm_path_of(const struct cpm_context *c);

#define CONTEXT_METHODS                                                                            \
	{"__enter__", cpm_enter_method, METH_NOARGS,                                               \
	 PyDoc_STR("Begin to trace, and return this object.")},                                    \
		{"__exit__", cpm_exit_method, METH_VARARGS,                                        \
		 PyDoc_STR("End tracing and complete the log. Exceptions go on.")},                \
		{"write_message_to_log", cpm_message_method, METH_O,                               \
		 PyDoc_STR("write_message_to_log(message: str) -> None\n\n"                        \
			   "Put a line MSG: into the log.")},                                      \
	{                                                                                          \
		"log_file_path", cpm_path_method, METH_NOARGS,                                     \
			PyDoc_STR("log_file_path() -> Optional[str]\n\n"                           \
				  "The absolute path of this object's log.")                       \
	}

#endif
