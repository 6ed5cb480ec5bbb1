/* SPDX-License-Identifier: MIT */
/* A C extension between Python frames: with and without the GIL, calling back, from C threads. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

static PyObject *ext_valloc(PyObject *self, PyObject *argument)
{
	size_t size = PyLong_AsSize_t(argument);
	return PyLong_FromVoidPtr(valloc(size));
}

static PyObject *ext_valloc_released(PyObject *self, PyObject *argument)
{
	void *p;
	size_t size = PyLong_AsSize_t(argument);
	Py_BEGIN_ALLOW_THREADS;
	p = valloc(size);
	Py_END_ALLOW_THREADS;
	return PyLong_FromVoidPtr(p);
}

static PyObject *ext_call(PyObject *self, PyObject *function)
{
	return PyObject_CallObject(function, NULL);
}

/* Releases the GIL, takes it again by PyGILState_Ensure in the same thread, calls. */
static PyObject *ext_call_ensured(PyObject *self, PyObject *function)
{
	PyObject *result;
	Py_BEGIN_ALLOW_THREADS;
	PyGILState_STATE state = PyGILState_Ensure();
	result = PyObject_CallObject(function, NULL);
	PyGILState_Release(state);
	Py_END_ALLOW_THREADS;
	return result;
}

static void *thread_body(void *function)
{
	free(valloc(1901)); /* before Python knows this thread: no stack */
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *result = PyObject_CallObject(function, NULL);
	Py_XDECREF(result);
	PyGILState_Release(state);
	free(valloc(1902)); /* and after */
	return result;
}

/* A C thread that takes the GIL by PyGILState_Ensure. */
static PyObject *ext_call_in_thread(PyObject *self, PyObject *function)
{
	pthread_t thread;
	void *result = NULL;
	Py_BEGIN_ALLOW_THREADS;
	if (pthread_create(&thread, NULL, thread_body, function) || pthread_join(thread, &result))
		abort();
	Py_END_ALLOW_THREADS;
	if (!result)
		PyErr_SetString(PyExc_RuntimeError, "the call in the thread failed");
	else
		Py_INCREF(Py_None);
	return result ? Py_None : NULL;
}

/* dlopen without the GIL; the library's constructor allocates. */
static PyObject *ext_dlopen_released(PyObject *self, PyObject *path)
{
	void *handle;
	const char *text = PyUnicode_AsUTF8(path);
	Py_BEGIN_ALLOW_THREADS;
	handle = dlopen(text, RTLD_NOW);
	Py_END_ALLOW_THREADS;
	return PyBool_FromLong(handle != NULL);
}

static PyMethodDef methods[] = {
	{"valloc", ext_valloc, METH_O, NULL},
	{"valloc_released", ext_valloc_released, METH_O, NULL},
	{"call", ext_call, METH_O, NULL},
	{"call_ensured", ext_call_ensured, METH_O, NULL},
	{"call_in_thread", ext_call_in_thread, METH_O, NULL},
	{"dlopen_released", ext_dlopen_released, METH_O, NULL},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "extension", .m_size = -1,
				    .m_methods = methods};

PyMODINIT_FUNC PyInit_extension(void)
{
	return PyModule_Create(&module);
}
