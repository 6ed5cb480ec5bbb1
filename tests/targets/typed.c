/* SPDX-License-Identifier: MIT */
/* An extension with types of its own: a static one and one made from a spec. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

struct thing {
	PyObject_HEAD double numbers[5];
};

static PyTypeObject static_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "typed.Static",
	.tp_basicsize = sizeof(struct thing),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_new = PyType_GenericNew,
};

static PyType_Slot slots[] = {{Py_tp_new, PyType_GenericNew}, {0, NULL}};
static PyType_Spec spec = {
	.name = "typed.sub.FromSpec",
	.basicsize = sizeof(struct thing),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = slots,
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "typed", NULL, -1};

PyMODINIT_FUNC PyInit_typed(void)
{
	PyObject *module = PyModule_Create(&definition);
	PyObject *made = PyType_FromSpec(&spec);

	if (module == NULL || made == NULL || PyType_Ready(&static_type) < 0)
		return NULL;
	Py_INCREF(&static_type);
	if (PyModule_AddObject(module, "Static", (PyObject *)&static_type) < 0 ||
	    PyModule_AddObject(module, "FromSpec", made) < 0)
		return NULL;
	return module;
}
