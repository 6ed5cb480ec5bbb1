/* SPDX-License-Identifier: MIT */
/* What the extensions share: entry points, types, and locks where there is no global one. */
#ifndef PMT_EXT_MODULE_H
#define PMT_EXT_MODULE_H

#include <Python.h>

/* Says that a module is safe without the global lock, where an interpreter can be without one. */
#ifdef Py_MOD_GIL_NOT_USED
#define MODULE_NO_GIL {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#else
#define MODULE_NO_GIL
#endif

/*
 * Around what reads or changes the fields of SELF. With the global lock they are no more than
 * braces.
 */
#ifdef Py_BEGIN_CRITICAL_SECTION
#define OBJECT_LOCK(self)                                                                          \
	(void)(self);                                                                              \
	Py_BEGIN_CRITICAL_SECTION(self)
#define OBJECT_UNLOCK() Py_END_CRITICAL_SECTION()
#else
#define OBJECT_LOCK(self)                                                                          \
	{                                                                                          \
		(void)(self);
#define OBJECT_UNLOCK() }
#endif

/* The slots of a module whose one step of initialisation is EXECUTE. */
#define MODULE_SLOTS(EXECUTE)                                                                      \
	{                                                                                          \
		{Py_mod_exec, (void *)(EXECUTE)}, MODULE_NO_GIL                                    \
		{                                                                                  \
			0, NULL                                                                    \
		}                                                                                  \
	}

/* The one symbol of module NAME that is seen from outside. Python 3.8 does not say so by itself. */
#define MODULE_ENTRY(NAME)                                                                         \
	__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit_##NAME(void);                 \
	PyMODINIT_FUNC PyInit_##NAME(void)

/* Makes a type from SPEC and adds it to MODULE as NAME. -1 with an exception set on failure. */
static inline int module_add_type(PyObject *module, const char *name, PyType_Spec *spec)
{
	PyObject *type = PyType_FromSpec(spec);

	if (type == NULL)
		return -1;
	if (PyModule_AddObject(module, name, type) < 0) {
		Py_DECREF(type);
		return -1;
	}
	return 0;
}

/* Takes back an object of a heap type: its memory, and its hold on the type. */
static inline void module_free_object(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);
	freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

	release(self);
	Py_DECREF(type);
}

#endif
