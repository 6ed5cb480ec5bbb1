/* SPDX-License-Identifier: MIT */
/* pymemtrace.cPyMemTrace: contexts that trace what happens in them into a log of their own. */
#include "cpm_methods.h"
#include "cpm_rss.h"
#include "cpm_simple.h"

/* --- Profile and Trace --- */

static PyObject *profile_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kw))
{
	return cpm_new(type, CPM_PROFILE);
}

static PyObject *trace_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kw))
{
	return cpm_new(type, CPM_TRACE);
}

static int parse_calls(struct cpm_context *c, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"d_rss_trigger", "message", "filepath", NULL};
	PyObject *message = NULL, *filepath = NULL;
	long long trigger = -1;

	if (cpm_parse_own(c, keywords) < 0 ||
	    !PyArg_ParseTupleAndKeywords(args, keywords, "|LOO", names, &trigger, &message,
					 &filepath) ||
	    !cpm_is_text(message, 2) || cpm_set_texts(c, message, filepath) < 0)
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

static PyObject *context_line(PyObject *self, PyObject *text)
{
	PyObject *result;

	ALL_LOCK();
	result = cpm_put(context_of(self), text, "write_to_log", 1);
	ALL_UNLOCK();
	return result;
}

static PyMethodDef calls_methods[] = {
	CONTEXT_METHODS,
	{"write_to_log", context_line, METH_O,
	 PyDoc_STR("write_to_log(text: str) -> None\n\nPut a line of your own into the log.")},
	{NULL, NULL, 0, NULL},
};

#define CALLS_ARGUMENTS                                                                                                                                                   \
	"(d_rss_trigger=-1, message=None, filepath=None, *, all_threads=True, keep_binary_log=False)\n\n"                                                                 \
	"d_rss_trigger: 0: a line for every event; n: for events at which the resident set is at least n bytes away from that at the last one with a line; -1: a page.\n" \
	"message: first line of the log.\n"                                                                                                                               \
	"filepath: of the log; the default is a new file in the current folder.\n"                                                                                        \
	"all_threads: trace all threads, not only the one that enters.\n"                                                                                                 \
	"keep_binary_log: keep it, beside the log with .pmt behind the name.\n"

PyTypeObject cpm_profile_type = {
	.ob_base = PyVarObject_HEAD_INIT(NULL, 0).tp_name = "cPyMemTrace.Profile",
	.tp_doc = PyDoc_STR(
		"Profile" CALLS_ARGUMENTS
		"\nA context that logs the resident set at calls and returns of Python and C functions."),
	.tp_basicsize = sizeof(struct cpm_context),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_new = profile_new,
	.tp_init = calls_init,
	.tp_dealloc = cpm_dealloc,
	.tp_methods = calls_methods,
};

static PyTypeObject trace_type = {
	.ob_base = PyVarObject_HEAD_INIT(NULL, 0).tp_name = "cPyMemTrace.Trace",
	.tp_doc = PyDoc_STR(
		"Trace" CALLS_ARGUMENTS
		"\nA context that logs the resident set at calls and returns of Python functions, lines and exceptions."),
	.tp_basicsize = sizeof(struct cpm_context),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_new = trace_new,
	.tp_init = calls_init,
	.tp_dealloc = cpm_dealloc,
	.tp_methods = calls_methods,
};

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
	path = cpm_path_of(cpm_top(kind));
	ALL_UNLOCK();
	return path;
}

static PyObject *top_message(enum cpm_kind kind, const char *word, PyObject *text)
{
	PyObject *result = NULL;

	ALL_LOCK();
	if (cpm_top(kind) != NULL)
		result = cpm_put(cpm_top(kind), text, "write_message_to_log", 0);
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
	return cpm_live(cpm_top(CPM_REFERENCES));
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
	    add_type(module, "Profile", &cpm_profile_type) < 0 ||
	    add_type(module, "Trace", &trace_type) < 0)
		return -1;
#if HAS_REFERENCES
	if (add_type(module, "ReferenceTracing", &cpm_references_type) < 0 ||
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
