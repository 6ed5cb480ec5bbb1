/* SPDX-License-Identifier: MIT */
/* ReferenceTracing: a context that logs objects made and destroyed. */
#include "cpm_methods.h"

#include <stdlib.h>
#include <string.h>

#include "cpm_read.h"

#if HAS_REFERENCES

static PyObject *references_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
				PyObject *Py_UNUSED(kw))
{
	return cpm_new(type, CPM_REFERENCES);
}

/* A name alone stands for a list of it. */
static int check_names(PyObject *names, const char *argument)
{
	const Py_ssize_t count = PyTuple_Size(names);

	for (Py_ssize_t i = 0; i < count; i++) {
		PyObject *name = PyTuple_GetItem(names, i);

		if (!PyUnicode_Check(name)) {
			PyErr_Format(PyExc_TypeError,
				     "cpyReferenceTracing_init() %s must hold str, not type %s.",
				     argument, Py_TYPE(name)->tp_name);
			return -1;
		}
		if (PyUnicode_AsUTF8(name) == NULL)
			return -1;
	}
	return 0;
}

static int set_names(PyObject **field, PyObject *given, const char *argument)
{
	PyObject *names = NULL;

	if (given != NULL && given != Py_None) {
		if (!PySequence_Check(given)) {
			PyErr_Format(
				PyExc_TypeError,
				"cpyReferenceTracing_init() %s must be a sequence, not type %s.",
				argument, Py_TYPE(given)->tp_name);
			return -1;
		}
		names = PyUnicode_Check(given) ? PyTuple_Pack(1, given) : PySequence_Tuple(given);
		if (names == NULL || check_names(names, argument) < 0) {
			Py_XDECREF(names);
			return -1;
		}
	}
	cpm_replace(field, names);
	return 0;
}

static int parse_references(struct cpm_context *c, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"message",
				"filepath",
				"include_builtins",
				"exclude_tp_names",
				"include_tp_names",
				"gc_collect_on_exit",
				NULL};
	PyObject *message = NULL, *filepath = NULL, *exclude = NULL, *include = NULL;
	int builtins = 0, generation = 2;

	if (cpm_parse_own(c, keywords) < 0 ||
	    !PyArg_ParseTupleAndKeywords(args, keywords, "|OOpOOi", names, &message, &filepath,
					 &builtins, &exclude, &include, &generation) ||
	    !cpm_is_text(message, 1) || set_names(&c->exclude, exclude, "exclude_tp_names") < 0 ||
	    set_names(&c->include, include, "include_tp_names") < 0)
		return -1;
	if (generation < -1 || generation > 2) {
		PyErr_Format(
			PyExc_ValueError,
			"cpyReferenceTracing_init() gc_collect_on_exit must be -1, 0, 1, 2 not %d.",
			generation);
		return -1;
	}
	c->builtins = builtins;
	c->collect = generation;
	return cpm_set_texts(c, message, filepath);
}

static int references_init(PyObject *self, PyObject *args, PyObject *keywords)
{
	PyObject *copy = keywords == NULL ? NULL : PyDict_Copy(keywords);
	int rc;

	if (keywords != NULL && copy == NULL)
		return -1;
	rc = parse_references(context_of(self), args, copy);
	Py_XDECREF(copy);
	return rc;
}

/* RuntimeError for what needs an active tracer. */
static int is_active(const struct cpm_context *c)
{
	if (c != NULL && cpm_is_entered(c))
		return 1;
	PyErr_SetString(PyExc_RuntimeError, "this reference tracer is not active");
	return 0;
}

static PyObject *suspend(PyObject *self, int suspended)
{
	int rc = -1;

	ALL_LOCK();
	if (is_active(context_of(self)))
		rc = cpm_suspend(context_of(self), suspended);
	ALL_UNLOCK();
	return cpm_none(rc);
}

static PyObject *references_suspend(PyObject *self, PyObject *Py_UNUSED(unused))
{
	return suspend(self, 1);
}

static PyObject *references_resume(PyObject *self, PyObject *Py_UNUSED(unused))
{
	return suspend(self, 0);
}

/* The counts of C as the reader tells them; NULL with an exception set. */
static char *counts_of(struct cpm_context *c)
{
	char *text = NULL;

	ALL_LOCK();
	if (is_active(c))
		text = cpm_counts(c);
	ALL_UNLOCK();
	return text;
}

/* The number behind LABEL, which stands at the beginning of a line. */
static PyObject *number_of(struct cpm_context *c, const char *label)
{
	char *text = counts_of(c);
	const char *at = text == NULL ? NULL : strstr(text, label);
	PyObject *number = NULL;

	if (text != NULL)
		number = PyLong_FromLongLong(at == NULL ? 0 : atoll(at + strlen(label)));
	free(text);
	return number;
}

static PyObject *references_new_count(PyObject *self, PyObject *Py_UNUSED(unused))
{
	return number_of(context_of(self), "NEW: ");
}

static PyObject *references_del_count(PyObject *self, PyObject *Py_UNUSED(unused))
{
	return number_of(context_of(self), "DEL: ");
}

/* One line, "LIVE: 12 name". */
static int add_live(PyObject *dict, const char *line, size_t size)
{
	char *behind;
	const long long live = strtoll(line + 6, &behind, 10);
	PyObject *name =
		PyUnicode_DecodeUTF8(behind + 1, (Py_ssize_t)(line + size - behind - 1), "replace");
	PyObject *number = name == NULL ? NULL : PyLong_FromLongLong(live);
	const int rc = number == NULL ? -1 : PyDict_SetItem(dict, name, number);

	Py_XDECREF(name);
	Py_XDECREF(number);
	return rc;
}

PyObject *cpm_live(struct cpm_context *c)
{
	char *text = counts_of(c);
	PyObject *dict = text == NULL ? NULL : PyDict_New();

	for (char *line = text; dict != NULL && line != NULL && *line != '\0';) {
		const size_t size = strcspn(line, "\n");

		if (strncmp(line, "LIVE: ", 6) == 0 && add_live(dict, line, size) < 0)
			Py_CLEAR(dict);
		line += size + (line[size] != '\0');
	}
	free(text);
	return dict;
}

static PyObject *references_live(PyObject *self, PyObject *Py_UNUSED(unused))
{
	return cpm_live(context_of(self));
}

static PyMethodDef references_methods[] = {
	CONTEXT_METHODS,
	{"suspend", references_suspend, METH_NOARGS,
	 PyDoc_STR("suspend() -> None\n\nLog no objects for now.")},
	{"resume", references_resume, METH_NOARGS, PyDoc_STR("resume() -> None\n\nGo on.")},
	{"count_new", references_new_count, METH_NOARGS,
	 PyDoc_STR("count_new() -> int\n\nObjects made, of those that are logged. Reads the log.")},
	{"count_del", references_del_count, METH_NOARGS,
	 PyDoc_STR(
		 "count_del() -> int\n\nObjects destroyed, of those that are logged. Reads the log.")},
	{"live_object_counts", references_live, METH_NOARGS,
	 PyDoc_STR(
		 "live_object_counts() -> Dict[str, int]\n\n"
		 "How many of the objects that were made in this context live, by the name of their type. Reads the log.")},
	{NULL, NULL, 0, NULL},
};

PyTypeObject cpm_references_type = {
	.ob_base = PyVarObject_HEAD_INIT(NULL, 0).tp_name = "cPyMemTrace.ReferenceTracing",
	.tp_doc = PyDoc_STR(
		"ReferenceTracing(message=None, filepath=None, include_builtins=False, exclude_tp_names=None, include_tp_names=None, gc_collect_on_exit=2, *, all_threads=True, keep_binary_log=False)\n\n"
		"A context that logs each object made and destroyed.\n\n"
		"include_builtins: the interpreter's own values, functions and exceptions, too.\n"
		"exclude_tp_names: names of types whose objects are not logged.\n"
		"include_tp_names: of the others only these, whatever types they are.\n"
		"gc_collect_on_exit: generation that is collected at the end, -1: none.\n"
		"The other arguments are those of Profile."),
	.tp_basicsize = sizeof(struct cpm_context),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_new = references_new,
	.tp_init = references_init,
	.tp_dealloc = cpm_dealloc,
	.tp_methods = references_methods,
};

#endif
