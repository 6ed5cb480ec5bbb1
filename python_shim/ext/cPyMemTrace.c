/* SPDX-License-Identifier: MIT */
/* pymemtrace.cPyMemTrace: contexts that trace what happens in them into a log of their own. */
#include "module.h"

#include <stdlib.h>
#include <string.h>

#include "cpm_context.h"
#include "cpm_read.h"
#include "cpm_rss.h"
#include "cpm_simple.h"

#define HAS_REFERENCES (PY_VERSION_HEX >= 0x030D0000)

static struct cpm_context *context_of(PyObject *self)
{
	return (struct cpm_context *)self;
}

static PyObject *none_or_null(int rc)
{
	if (rc < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* Without a global lock, what the contexts share is guarded by this one. */
static PyTypeObject profile_type;
#define ALL_LOCK() OBJECT_LOCK((PyObject *)&profile_type)
#define ALL_UNLOCK() OBJECT_UNLOCK()

/* --- making --- */

static PyObject *context_new(PyTypeObject *type, enum cpm_kind kind)
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

static PyObject *profile_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kw))
{
	return context_new(type, CPM_PROFILE);
}

static PyObject *trace_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kw))
{
	return context_new(type, CPM_TRACE);
}

static void context_dealloc(PyObject *self)
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

static void replace(PyObject **field, PyObject *value)
{
	PyObject *old = *field;

	*field = value;
	Py_XDECREF(old);
}

/* MESSAGE and FILEPATH as they were given, NULL or None: none. */
static int set_texts(struct cpm_context *c, PyObject *message, PyObject *filepath)
{
	PyObject *bytes = NULL;

	if (message != NULL && message != Py_None && PyUnicode_AsUTF8(message) == NULL)
		return -1;
	if (filepath != NULL && filepath != Py_None && !PyUnicode_FSConverter(filepath, &bytes))
		return -1;
	if (message == Py_None)
		message = NULL;
	Py_XINCREF(message);
	replace(&c->message, message);
	replace(&c->filepath, bytes);
	return 0;
}

static int is_text_or_none(PyObject *value, const char *name)
{
	if (value == NULL || value == Py_None || PyUnicode_Check(value))
		return 1;
	PyErr_Format(PyExc_TypeError, "argument '%s' must be str or None, not %s", name,
		     Py_TYPE(value)->tp_name);
	return 0;
}

/* The arguments that only this package has come by name; the others are parsed as they always were.
 */
static int parse_own(struct cpm_context *c, PyObject *keywords)
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

static int parse_calls(struct cpm_context *c, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"d_rss_trigger", "message", "filepath", NULL};
	PyObject *message = NULL, *filepath = NULL;
	long long trigger = -1;

	if (parse_own(c, keywords) < 0 ||
	    !PyArg_ParseTupleAndKeywords(args, keywords, "|LOO", names, &trigger, &message,
					 &filepath) ||
	    !is_text_or_none(message, "message") || set_texts(c, message, filepath) < 0)
		return -1;
	c->trigger = trigger;
	return 0;
}

static int calls_init(PyObject *self, PyObject *args, PyObject *keywords)
{
	PyObject *copy = keywords == NULL ? NULL : PyDict_Copy(keywords);
	int rc;

	if (keywords != NULL && copy == NULL)
		return -1;
	rc = parse_calls(context_of(self), args, copy);
	Py_XDECREF(copy);
	return rc;
}

/* --- methods of all contexts that have a log --- */

static PyObject *context_enter(PyObject *self, PyObject *Py_UNUSED(unused))
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

static PyObject *context_exit(PyObject *self, PyObject *args)
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

static PyObject *put(struct cpm_context *c, PyObject *text, const char *function, int raw)
{
	PyObject *bytes = encode(text, function);
	const char *utf8 = bytes == NULL ? NULL : PyBytes_AsString(bytes);
	int rc = -1;

	if (utf8 != NULL && is_open(c))
		rc = raw ? cpm_line(c, utf8) : cpm_message(c, utf8);
	Py_XDECREF(bytes);
	return none_or_null(rc);
}

static PyObject *context_message(PyObject *self, PyObject *text)
{
	PyObject *result;

	ALL_LOCK();
	result = put(context_of(self), text, "write_message_to_log", 0);
	ALL_UNLOCK();
	return result;
}

static PyObject *context_line(PyObject *self, PyObject *text)
{
	PyObject *result;

	ALL_LOCK();
	result = put(context_of(self), text, "write_to_log", 1);
	ALL_UNLOCK();
	return result;
}

static PyObject *path_of(const struct cpm_context *c)
{
	if (c == NULL || c->path == NULL)
		Py_RETURN_NONE;
	return PyUnicode_DecodeFSDefault(c->path);
}

static PyObject *context_path(PyObject *self, PyObject *Py_UNUSED(unused))
{
	const struct cpm_context *c = context_of(self);
	PyObject *path;

	ALL_LOCK();
	path = path_of(cpm_is_entered(c) || (c->kind == CPM_REFERENCES && c->state == CPM_LEFT)
			       ? c
			       : NULL);
	ALL_UNLOCK();
	return path;
}

#define CONTEXT_METHODS                                                                            \
	{"__enter__", context_enter, METH_NOARGS,                                                  \
	 PyDoc_STR("Begin to trace, and return this object.")},                                    \
		{"__exit__", context_exit, METH_VARARGS,                                           \
		 PyDoc_STR("End tracing and complete the log. Exceptions go on.")},                \
		{"write_message_to_log", context_message, METH_O,                                  \
		 PyDoc_STR("write_message_to_log(message: str) -> None\n\n"                        \
			   "Put a line MSG: into the log.")},                                      \
	{                                                                                          \
		"log_file_path", context_path, METH_NOARGS,                                        \
			PyDoc_STR("log_file_path() -> Optional[str]\n\n"                           \
				  "The absolute path of this object's log.")                       \
	}

static PyMethodDef calls_methods[] = {
	CONTEXT_METHODS,
	{"write_to_log", context_line, METH_O,
	 PyDoc_STR("write_to_log(text: str) -> None\n\nPut a line of your own into the log.")},
	{NULL, NULL, 0, NULL},
};

#define CALLS_ARGUMENTS                                                                            \
	"(d_rss_trigger=-1, message=None, filepath=None, *, all_threads=True, "                    \
	"keep_binary_log=False)\n\n"                                                               \
	"d_rss_trigger: 0: a line for every event; n: for events at which the resident set is at " \
	"least n bytes away from that at the last one with a line; -1: a page.\n"                  \
	"message: first line of the log.\n"                                                        \
	"filepath: of the log; the default is a new file in the current folder.\n"                 \
	"all_threads: trace all threads, not only the one that enters.\n"                          \
	"keep_binary_log: keep it, beside the log with .pmt behind the name.\n"

static PyTypeObject profile_type = {
	.ob_base = PyVarObject_HEAD_INIT(NULL, 0).tp_name = "cPyMemTrace.Profile",
	.tp_doc = PyDoc_STR("Profile" CALLS_ARGUMENTS
			    "\nA context that logs the resident set at calls and returns of Python "
			    "and C functions."),
	.tp_basicsize = sizeof(struct cpm_context),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_new = profile_new,
	.tp_init = calls_init,
	.tp_dealloc = context_dealloc,
	.tp_methods = calls_methods,
};

static PyTypeObject trace_type = {
	.ob_base = PyVarObject_HEAD_INIT(NULL, 0).tp_name = "cPyMemTrace.Trace",
	.tp_doc = PyDoc_STR("Trace" CALLS_ARGUMENTS
			    "\nA context that logs the resident set at calls and returns of Python "
			    "functions, lines and exceptions."),
	.tp_basicsize = sizeof(struct cpm_context),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_new = trace_new,
	.tp_init = calls_init,
	.tp_dealloc = context_dealloc,
	.tp_methods = calls_methods,
};

/* --- objects --- */

#if HAS_REFERENCES

static PyObject *references_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
				PyObject *Py_UNUSED(kw))
{
	return context_new(type, CPM_REFERENCES);
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
			PyErr_Format(PyExc_TypeError,
				     "cpyReferenceTracing_init() %s must be a sequence, not type "
				     "%s.",
				     argument, Py_TYPE(given)->tp_name);
			return -1;
		}
		names = PyUnicode_Check(given) ? PyTuple_Pack(1, given) : PySequence_Tuple(given);
		if (names == NULL || check_names(names, argument) < 0) {
			Py_XDECREF(names);
			return -1;
		}
	}
	replace(field, names);
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

	if (parse_own(c, keywords) < 0 ||
	    !PyArg_ParseTupleAndKeywords(args, keywords, "|OOpOOi", names, &message, &filepath,
					 &builtins, &exclude, &include, &generation) ||
	    !is_text_or_none(message, "message") ||
	    set_names(&c->exclude, exclude, "exclude_tp_names") < 0 ||
	    set_names(&c->include, include, "include_tp_names") < 0)
		return -1;
	if (generation < -1 || generation > 2) {
		PyErr_Format(PyExc_ValueError, "gc_collect_on_exit must be -1, 0, 1 or 2, not %d",
			     generation);
		return -1;
	}
	c->builtins = builtins;
	c->collect = generation;
	return set_texts(c, message, filepath);
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
	return none_or_null(rc);
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

static PyObject *live_of(struct cpm_context *c)
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
	return live_of(context_of(self));
}

static PyMethodDef references_methods[] = {
	CONTEXT_METHODS,
	{"suspend", references_suspend, METH_NOARGS,
	 PyDoc_STR("suspend() -> None\n\nLog no objects for now.")},
	{"resume", references_resume, METH_NOARGS, PyDoc_STR("resume() -> None\n\nGo on.")},
	{"count_new", references_new_count, METH_NOARGS,
	 PyDoc_STR("count_new() -> int\n\nObjects made, of those that are logged. Reads the log.")},
	{"count_del", references_del_count, METH_NOARGS,
	 PyDoc_STR("count_del() -> int\n\nObjects destroyed, of those that are logged. Reads the "
		   "log.")},
	{"live_object_counts", references_live, METH_NOARGS,
	 PyDoc_STR("live_object_counts() -> Dict[str, int]\n\n"
		   "How many of the objects that were made in this context live, by the name of "
		   "their type. Reads the log.")},
	{NULL, NULL, 0, NULL},
};

static PyTypeObject references_type = {
	.ob_base = PyVarObject_HEAD_INIT(NULL, 0).tp_name = "cPyMemTrace.ReferenceTracing",
	.tp_doc =
		PyDoc_STR("ReferenceTracing(message=None, filepath=None, include_builtins=False, "
			  "exclude_tp_names=None, include_tp_names=None, gc_collect_on_exit=2, *, "
			  "all_threads=True, keep_binary_log=False)\n\n"
			  "A context that logs each object made and destroyed.\n\n"
			  "include_builtins: types of the interpreter itself, too.\n"
			  "exclude_tp_names: names of types whose objects are not logged.\n"
			  "include_tp_names: of the others, only these.\n"
			  "gc_collect_on_exit: generation that is collected at the end, -1: none.\n"
			  "The other arguments are those of Profile."),
	.tp_basicsize = sizeof(struct cpm_context),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_new = references_new,
	.tp_init = references_init,
	.tp_dealloc = context_dealloc,
	.tp_methods = references_methods,
};

#endif

/* --- functions of the module --- */

static PyObject *bytes_or_error(long long bytes)
{
	if (bytes >= 0)
		return PyLong_FromLongLong(bytes);
	PyErr_SetString(PyExc_OSError, "the resident set of this process is not known");
	return NULL;
}

static PyObject *module_rss(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
	return bytes_or_error(cpm_rss());
}

static PyObject *module_rss_peak(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
	return bytes_or_error(cpm_rss_peak());
}

static PyObject *depth(enum cpm_kind kind)
{
	int value;

	ALL_LOCK();
	value = cpm_depth(kind);
	ALL_UNLOCK();
	return PyLong_FromLong(value);
}

static PyObject *top_path(enum cpm_kind kind)
{
	PyObject *path;

	ALL_LOCK();
	path = path_of(cpm_top(kind));
	ALL_UNLOCK();
	return path;
}

static PyObject *top_message(enum cpm_kind kind, const char *word, PyObject *text)
{
	PyObject *result = NULL;

	ALL_LOCK();
	if (cpm_top(kind) != NULL)
		result = put(cpm_top(kind), text, "write_message_to_log", 0);
	else
		PyErr_Format(PyExc_ValueError,
			     "Trying to write to a %s log file when no reference tracer is active.",
			     word);
	ALL_UNLOCK();
	return result;
}

#define KIND_FUNCTIONS(prefix, kind, word)                                                         \
	static PyObject *prefix##_depth(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))  \
	{                                                                                          \
		return depth(kind);                                                                \
	}                                                                                          \
	static PyObject *prefix##_path(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))   \
	{                                                                                          \
		return top_path(kind);                                                             \
	}                                                                                          \
	static PyObject *prefix##_message(PyObject *Py_UNUSED(module), PyObject *text)             \
	{                                                                                          \
		return top_message(kind, word, text);                                              \
	}
KIND_FUNCTIONS(profile, CPM_PROFILE, "profile")
KIND_FUNCTIONS(trace, CPM_TRACE, "trace")
#if HAS_REFERENCES
KIND_FUNCTIONS(references, CPM_REFERENCES, "reference tracing")

static PyObject *module_live(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
	return live_of(cpm_top(CPM_REFERENCES));
}

static PyObject *simple_depth(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
	return PyLong_FromLong(cpm_simple_depth());
}
#endif

#define KIND_METHODS(name, prefix)                                                                 \
	{name "_wrapper_depth", prefix##_depth, METH_NOARGS,                                       \
	 PyDoc_STR("() -> int\n\nHow many such contexts are entered.")},                           \
		{name "_log_path", prefix##_path, METH_NOARGS,                                     \
		 PyDoc_STR("() -> Optional[str]\n\nThe log of the innermost such context.")},      \
	{                                                                                          \
		name "_write_message_to_log", prefix##_message, METH_O,                            \
			PyDoc_STR("(message: str) -> None\n\n"                                     \
				  "Put a line MSG: into the log of the innermost such context.")   \
	}

static PyMethodDef functions[] = {
	{"rss", module_rss, METH_NOARGS,
	 PyDoc_STR("rss() -> int\n\nThe resident set of this process in bytes.")},
	{"rss_peak", module_rss_peak, METH_NOARGS,
	 PyDoc_STR("rss_peak() -> int\n\nThe largest resident set so far in bytes.")},
	KIND_METHODS("profile", profile),
	KIND_METHODS("trace", trace),
#if HAS_REFERENCES
	KIND_METHODS("reference_tracing", references),
	{"reference_tracing_live_object_counts", module_live, METH_NOARGS,
	 PyDoc_STR("() -> Dict[str, int]\n\nlive_object_counts() of the innermost such context.")},
	{"reference_tracing_simple_wrapper_depth", simple_depth, METH_NOARGS,
	 PyDoc_STR("() -> int\n\nHow many such contexts are entered.")},
#endif
	{NULL, NULL, 0, NULL},
};

static PyObject *at_exit(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
	ALL_LOCK();
	cpm_leave_all();
	ALL_UNLOCK();
	Py_RETURN_NONE;
}

static PyMethodDef at_exit_method = {"_cPyMemTrace_leave_all", at_exit, METH_NOARGS, NULL};

/* Contexts that are still entered when the interpreter ends get their logs, too. */
static int register_exit(void)
{
	PyObject *module = PyImport_ImportModule("atexit");
	PyObject *function = module == NULL ? NULL : PyCFunction_New(&at_exit_method, NULL);
	PyObject *done =
		function == NULL ? NULL : PyObject_CallMethod(module, "register", "O", function);

	Py_XDECREF(module);
	Py_XDECREF(function);
	Py_XDECREF(done);
	return done == NULL ? -1 : 0;
}

static int add_type(PyObject *module, const char *name, PyTypeObject *type)
{
	if (PyType_Ready(type) < 0)
		return -1;
	Py_INCREF(type);
	return PyModule_AddObject(module, name, (PyObject *)type);
}

static int execute(PyObject *module)
{
	if (cpm_log_init() < 0 || cpm_context_init() < 0 || register_exit() < 0 ||
	    add_type(module, "Profile", &profile_type) < 0 ||
	    add_type(module, "Trace", &trace_type) < 0)
		return -1;
#if HAS_REFERENCES
	if (add_type(module, "ReferenceTracing", &references_type) < 0 ||
	    add_type(module, "ReferenceTracingSimple", &cpm_simple_type) < 0)
		return -1;
#endif
	return 0;
}

static PyModuleDef_Slot slots[] = MODULE_SLOTS(execute);

static struct PyModuleDef definition = {
	.m_base = PyModuleDef_HEAD_INIT,
	.m_name = "cPyMemTrace",
	.m_doc = PyDoc_STR("Contexts that log the resident set at calls and lines, and objects."),
	.m_methods = functions,
	.m_slots = slots,
};

MODULE_ENTRY(cPyMemTrace)
{
	return PyModuleDef_Init(&definition);
}
