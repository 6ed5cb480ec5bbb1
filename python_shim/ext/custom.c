/* SPDX-License-Identifier: MIT */
/* pymemtrace.custom: a small type written in C, with names and a number, to trace births and deaths
 * of. */
#include "module.h"

#include <stddef.h>
#include <structmember.h>

struct custom {
	PyObject_HEAD PyObject *first;
	PyObject *last;
	int number;
};

static struct custom *custom_of(PyObject *self)
{
	return (struct custom *)self;
}

static PyObject *custom_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
			    PyObject *Py_UNUSED(keywords))
{
	allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
	PyObject *self = allocate(type, 0);

	if (self == NULL)
		return NULL;
	custom_of(self)->first = PyUnicode_FromString("");
	custom_of(self)->last = PyUnicode_FromString("");
	if (custom_of(self)->first == NULL || custom_of(self)->last == NULL) {
		Py_DECREF(self);
		return NULL;
	}
	return self;
}

/* Puts TEXT into *FIELD, and then releases the old text, whose finalizer may run any code. */
static void replace(PyObject *self, PyObject **field, PyObject *text)
{
	PyObject *old;

	Py_INCREF(text);
	OBJECT_LOCK(self);
	old = *field;
	*field = text;
	OBJECT_UNLOCK();
	Py_DECREF(old);
}

static PyObject *get(PyObject *self, PyObject *const *field)
{
	PyObject *text;

	OBJECT_LOCK(self);
	text = *field;
	Py_INCREF(text);
	OBJECT_UNLOCK();
	return text;
}

static int custom_init(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"first", "last", "number", NULL};
	PyObject *first = NULL;
	PyObject *last = NULL;
	int number = custom_of(self)->number;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "|UUi", names, &first, &last, &number))
		return -1;
	if (first != NULL)
		replace(self, &custom_of(self)->first, first);
	if (last != NULL)
		replace(self, &custom_of(self)->last, last);
	custom_of(self)->number = number;
	return 0;
}

static void custom_dealloc(PyObject *self)
{
	Py_XDECREF(custom_of(self)->first);
	Py_XDECREF(custom_of(self)->last);
	module_free_object(self);
}

/* CLOSURE: where in struct custom the field is. */
static PyObject **field_at(PyObject *self, void *closure)
{
	return (PyObject **)(void *)((char *)self + *(const size_t *)closure);
}

static PyObject *get_text(PyObject *self, void *closure)
{
	return get(self, field_at(self, closure));
}

static int set_text(PyObject *self, PyObject *value, void *closure)
{
	if (value == NULL || !PyUnicode_Check(value)) {
		PyErr_SetString(PyExc_TypeError, value == NULL ? "this attribute cannot be deleted"
							       : "this attribute must be a string");
		return -1;
	}
	replace(self, field_at(self, closure), value);
	return 0;
}

static PyObject *custom_name(PyObject *self, PyObject *Py_UNUSED(unused))
{
	PyObject *first = get(self, &custom_of(self)->first);
	PyObject *last = get(self, &custom_of(self)->last);
	PyObject *name = PyUnicode_FromFormat("%S %S", first, last);

	Py_DECREF(first);
	Py_DECREF(last);
	return name;
}

static PyMethodDef custom_methods[] = {
	{"name", custom_name, METH_NOARGS,
	 PyDoc_STR("name() -> str\n\nThe first and the last name, with a space between.")},
	{NULL, NULL, 0, NULL},
};

static size_t first_at = offsetof(struct custom, first);
static size_t last_at = offsetof(struct custom, last);

static PyGetSetDef custom_texts[] = {
	{"first", get_text, set_text, PyDoc_STR("First name."), &first_at},
	{"last", get_text, set_text, PyDoc_STR("Last name."), &last_at},
	{NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef custom_numbers[] = {
	{"number", T_INT, offsetof(struct custom, number), 0, PyDoc_STR("A number.")},
	{NULL, 0, 0, 0, NULL},
};

static PyType_Slot custom_slots[] = {
	{Py_tp_doc,
	 (void *)(uintptr_t) "Custom(first='', last='', number=0)\n\nAn object with names."},
	{Py_tp_new, (void *)custom_new},
	{Py_tp_init, (void *)custom_init},
	{Py_tp_dealloc, (void *)custom_dealloc},
	{Py_tp_methods, custom_methods},
	{Py_tp_getset, custom_texts},
	{Py_tp_members, custom_numbers},
	{0, NULL},
};

static PyType_Spec custom_spec = {
	.name = "custom.Custom",
	.basicsize = sizeof(struct custom),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.slots = custom_slots,
};

static int execute(PyObject *module)
{
	return module_add_type(module, "Custom", &custom_spec);
}

static PyModuleDef_Slot slots[] = MODULE_SLOTS(execute);

static struct PyModuleDef definition = {
	.m_base = PyModuleDef_HEAD_INIT,
	.m_name = "custom",
	.m_doc = PyDoc_STR("A small type written in C."),
	.m_slots = slots,
};

MODULE_ENTRY(custom)
{
	return PyModuleDef_Init(&definition);
}
