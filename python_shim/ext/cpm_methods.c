/* SPDX-License-Identifier: MIT */
/* What the types of contexts that have a log share. */
#include "cpm_methods.h"

PyObject *cpm_none(int rc)
{
	if (rc < 0)
		return NULL;
	Py_RETURN_NONE;
}

PyObject *cpm_new(PyTypeObject *type, enum cpm_kind kind)
{
	struct cpm_context *c = (struct cpm_context *)type->tp_alloc(type, 0);

	if (c == NULL)
		return NULL;
	c->kind = kind;
	c->fd = -1;
	c->all_threads = 1;
	c->collect = 2;
	return (PyObject *)c;
}

void cpm_dealloc(PyObject *self)
{
	cpm_fini(context_of(self));
	Py_TYPE(self)->tp_free(self);
}

/* Takes a switch out of KEYWORDS, if it is there. */
static int take_switch(PyObject *keywords, const char *name, int *value)
{
	PyObject *given = keywords == NULL ? NULL : PyDict_GetItemString(keywords, name);

	if (given == NULL)
		return 0;
	*value = PyObject_IsTrue(given);
	return *value < 0 ? -1 : PyDict_DelItemString(keywords, name);
}

void cpm_replace(PyObject **field, PyObject *value)
{
	PyObject *old = *field;

	*field = value;
	Py_XDECREF(old);
}

/* MESSAGE and FILEPATH as they were given, NULL or None: none. */
int cpm_set_texts(struct cpm_context *c, PyObject *message, PyObject *filepath)
{
	PyObject *bytes = NULL;

	if (message != NULL && message != Py_None && PyUnicode_AsUTF8(message) == NULL)
		return -1;
	if (filepath != NULL && filepath != Py_None && !PyUnicode_FSConverter(filepath, &bytes))
		return -1;
	if (message == Py_None)
		message = NULL;
	Py_XINCREF(message);
	cpm_replace(&c->message, message);
	cpm_replace(&c->filepath, bytes);
	return 0;
}

int cpm_is_text(PyObject *value, int position)
{
	if (value == NULL || value == Py_None || PyUnicode_Check(value))
		return 1;
	PyErr_Format(PyExc_TypeError, "argument %d must be str, not %s", position,
		     Py_TYPE(value)->tp_name);
	return 0;
}

/* The arguments that only this package has come by name; the others are parsed as they always were.
 */
int cpm_parse_own(struct cpm_context *c, PyObject *keywords)
{
	int all_threads = 1, keep = 0;

	if (cpm_is_entered(c)) {
		PyErr_SetString(PyExc_RuntimeError, "this context is entered already");
		return -1;
	}
	if (take_switch(keywords, "all_threads", &all_threads) < 0 ||
	    take_switch(keywords, "keep_binary_log", &keep) < 0)
		return -1;
	c->all_threads = all_threads;
	c->keep = keep;
	return 0;
}

/* --- methods of all contexts that have a log --- */

PyObject *cpm_enter_method(PyObject *self, PyObject *Py_UNUSED(unused))
{
	int rc;

	ALL_LOCK();
	rc = cpm_enter(context_of(self));
	ALL_UNLOCK();
	if (rc < 0)
		return NULL;
	Py_INCREF(self);
	return self;
}

static int leave(struct cpm_context *c, int quiet)
{
	if (cpm_is_entered(c))
		return cpm_leave(c, quiet);
	if (c->state == CPM_ENTERED) { /* in a forked child: not its own */
		c->state = CPM_LEFT;
		return 0;
	}
	PyErr_SetString(PyExc_RuntimeError, c->state == CPM_NEW ? "this context was not entered"
								: "this context was left already");
	return -1;
}

PyObject *cpm_exit_method(PyObject *self, PyObject *args)
{
	PyObject *type = NULL, *value = NULL, *trace = NULL;
	int rc;

	if (!PyArg_UnpackTuple(args, "__exit__", 0, 3, &type, &value, &trace))
		return NULL;
	Py_INCREF(self);
	ALL_LOCK();
	rc = leave(context_of(self), type != NULL && type != Py_None);
	ALL_UNLOCK();
	Py_DECREF(self);
	if (rc < 0)
		return NULL;
	Py_RETURN_FALSE;
}

/* TEXT as UTF-8; lone surrogates as "?", so that no message is lost. NULL with an exception. */
static PyObject *encode(PyObject *text, const char *function)
{
	if (PyUnicode_Check(text))
		return PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
	PyErr_Format(PyExc_ValueError, "%s() requires a single string, not type %s", function,
		     Py_TYPE(text)->tp_name);
	return NULL;
}

static int is_open(const struct cpm_context *c)
{
	if (cpm_is_entered(c))
		return 1;
	PyErr_SetString(PyExc_OSError,
			c->state == CPM_NEW ? "Log file is not open: the context was not entered."
					    : "Log file is closed.");
	return 0;
}

PyObject *cpm_put(struct cpm_context *c, PyObject *text, const char *function, int raw)
{
	PyObject *bytes = encode(text, function);
	const char *utf8 = bytes == NULL ? NULL : PyBytes_AsString(bytes);
	int rc = -1;

	if (utf8 != NULL && is_open(c))
		rc = raw ? cpm_line(c, utf8) : cpm_message(c, utf8);
	Py_XDECREF(bytes);
	return cpm_none(rc);
}

PyObject *cpm_message_method(PyObject *self, PyObject *text)
{
	PyObject *result;

	ALL_LOCK();
	result = cpm_put(context_of(self), text, "write_message_to_log", 0);
	ALL_UNLOCK();
	return result;
}

PyObject *cpm_path_of(const struct cpm_context *c)
{
	if (c == NULL || c->path == NULL)
		Py_RETURN_NONE;
	return PyUnicode_DecodeFSDefault(c->path);
}

PyObject *cpm_path_method(PyObject *self, PyObject *Py_UNUSED(unused))
{
	const struct cpm_context *c = context_of(self);
	PyObject *path;

	ALL_LOCK();
	path = cpm_path_of(cpm_is_entered(c) || (c->kind == CPM_REFERENCES && c->state == CPM_LEFT)
				   ? c
				   : NULL);
	ALL_UNLOCK();
	return path;
}
