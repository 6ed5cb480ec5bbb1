/* SPDX-License-Identifier: MIT */
/* Module `callbacks`: sets a callback that does nothing, which is the floor for any that does
 * something. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static int event(PyObject *unused, PyFrameObject *frame, int what, PyObject *arg)
{
	(void)unused, (void)frame, (void)what, (void)arg;
	return 0;
}

static PyObject *set_profile(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	PyEval_SetProfile(event, NULL);
	Py_RETURN_NONE;
}

static PyObject *set_trace(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	PyEval_SetTrace(event, NULL);
	Py_RETURN_NONE;
}

#if PY_VERSION_HEX >= 0x030d0000
static int object_event(PyObject *object, PyRefTracerEvent what, void *data)
{
	(void)object, (void)what, (void)data;
	return 0;
}

static PyObject *set_objects(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	if (PyRefTracer_SetTracer(object_event, NULL))
		return NULL;
	Py_RETURN_NONE;
}
#endif

static PyMethodDef methods[] = {
	{"profile", set_profile, METH_NOARGS, "An empty profile callback, for this thread."},
	{"trace", set_trace, METH_NOARGS, "An empty trace callback, for this thread."},
#if PY_VERSION_HEX >= 0x030d0000
	{"objects", set_objects, METH_NOARGS, "An empty reference tracer."},
#endif
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
	.m_base = PyModuleDef_HEAD_INIT,
	.m_name = "callbacks",
	.m_size = -1,
	.m_methods = methods,
};

/* Named by the interpreter, so there is no earlier declaration. */
PyMODINIT_FUNC PyInit_callbacks(void)
{
	return PyModule_Create(&module);
}
