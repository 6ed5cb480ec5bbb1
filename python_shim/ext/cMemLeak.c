/* SPDX-License-Identifier: MIT */
/*
 * pymemtrace.cMemLeak: blocks of each allocator, and reference counts that can be made wrong, to
 * try memory tools on.
 */
#include "module.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILL 0x4d /* each byte of a block */

struct block {
	PyObject_HEAD size_t size;
	void *buffer;
};

/* One type an allocator. */
struct allocator {
	void *(*allocate)(size_t size);
	void (*release)(void *block);
};

static int block_init(PyObject *self, PyObject *args, PyObject *keywords,
		      const struct allocator *allocator)
{
	static char *names[] = {"size", NULL};
	struct block *block = (struct block *)self;
	Py_ssize_t size;
	void *buffer;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "n", names, &size))
		return -1;
	if (size < 0) {
		PyErr_Format(PyExc_ValueError, "size must not be negative, not %zd", size);
		return -1;
	}
	if (block->buffer != NULL) {
		PyErr_SetString(PyExc_RuntimeError, "this object has its block already");
		return -1;
	}
	/* malloc(0) may return NULL. */
	size = size == 0 ? 1 : size;
	buffer = allocator->allocate((size_t)size);
	if (buffer == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	/* Resident, not only reserved. With zeros, compilers would make a calloc of it. */
	memset(buffer, FILL, (size_t)size);
	block->size = (size_t)size;
	block->buffer = buffer;
	return 0;
}

static void block_dealloc(PyObject *self, const struct allocator *allocator)
{
	struct block *block = (struct block *)self;

	if (block->buffer != NULL)
		allocator->release(block->buffer);
	module_free_object(self);
}

static PyObject *block_size(PyObject *self, void *Py_UNUSED(closure))
{
	return PyLong_FromSize_t(((struct block *)self)->size);
}

static PyObject *block_buffer(PyObject *self, void *Py_UNUSED(closure))
{
	return PyLong_FromVoidPtr(((struct block *)self)->buffer);
}

static PyObject *block_refcnt(PyObject *self, PyObject *Py_UNUSED(unused))
{
	return PyLong_FromSsize_t(Py_REFCNT(self));
}

static PyObject *block_inc_refcnt(PyObject *self, PyObject *args)
{
	Py_ssize_t count;

	if (!PyArg_ParseTuple(args, "n", &count))
		return NULL;
	/* One reference is the caller's: without it this very call has no object. */
	if (count <= -Py_REFCNT(self)) {
		PyErr_Format(PyExc_ValueError,
			     "cannot take %zd from a reference count of %zd: nothing would be left",
			     -count, (Py_ssize_t)Py_REFCNT(self));
		return NULL;
	}
	for (; count > 0; count--)
		Py_INCREF(self);
	for (; count < 0; count++)
		Py_DECREF(self);
	return block_refcnt(self, NULL);
}

static PyMethodDef block_methods[] = {
	{"refcnt", block_refcnt, METH_NOARGS,
	 PyDoc_STR("refcnt() -> int\n\nThe reference count, as sys.getrefcount() has it.")},
	{"inc_refcnt", block_inc_refcnt, METH_VARARGS,
	 PyDoc_STR(
		 "inc_refcnt(n, /) -> int\n\nAdd n to the reference count; n may be negative. Returns the new one.\n"
		 "ValueError if nothing would be left.")},
	{NULL, NULL, 0, NULL},
};

static PyGetSetDef block_fields[] = {
	{"size", block_size, NULL, PyDoc_STR("Bytes of the block; 1 if 0 were asked for."), NULL},
	{"buffer", block_buffer, NULL, PyDoc_STR("Address of the block."), NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

/* The three types differ in their allocator only. The name of a macro: grep for ALLOCATOR_TYPE. */
#define ALLOCATOR_TYPE(NAME, ALLOCATE, RELEASE)                                                    \
	static const struct allocator NAME##_allocator = {ALLOCATE, RELEASE};                      \
	static int NAME##_init(PyObject *self, PyObject *args, PyObject *keywords)                 \
	{                                                                                          \
		return block_init(self, args, keywords, &NAME##_allocator);                        \
	}                                                                                          \
	static void NAME##_dealloc(PyObject *self)                                                 \
	{                                                                                          \
		block_dealloc(self, &NAME##_allocator);                                            \
	}                                                                                          \
	static PyType_Slot NAME##_slots[] = {                                                      \
		{Py_tp_doc, (void *)(uintptr_t) #NAME "(size)\n\nA block of " #ALLOCATE "()."},    \
		{Py_tp_init, (void *)NAME##_init},                                                 \
		{Py_tp_dealloc, (void *)NAME##_dealloc},                                           \
		{Py_tp_methods, block_methods},                                                    \
		{Py_tp_getset, block_fields},                                                      \
		{0, NULL},                                                                         \
	};                                                                                         \
	static PyType_Spec NAME##_spec = {                                                         \
		.name = "cMemLeak." #NAME,                                                         \
		.basicsize = sizeof(struct block),                                                 \
		.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,                                 \
		.slots = NAME##_slots,                                                             \
	};

ALLOCATOR_TYPE(CMalloc, malloc, free)
ALLOCATOR_TYPE(PyRawMalloc, PyMem_RawMalloc, PyMem_RawFree)
ALLOCATOR_TYPE(PyMalloc, PyMem_Malloc, PyMem_Free)

static PyObject *py_incref(PyObject *Py_UNUSED(module), PyObject *object)
{
	Py_INCREF(object);
	Py_RETURN_NONE;
}

static PyObject *py_decref(PyObject *Py_UNUSED(module), PyObject *object)
{
	if (Py_REFCNT(object) <= 1) {
		PyErr_SetString(PyExc_ValueError, "the last reference is in use by this call");
		return NULL;
	}
	Py_DECREF(object);
	Py_RETURN_NONE;
}

static PyObject *py_bytes_of_size(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
	static char *names[] = {"size", NULL};
	Py_ssize_t size;
	PyObject *bytes;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "n", names, &size))
		return NULL;
	if (size < 0) {
		PyErr_Format(PyExc_ValueError, "size must not be negative, not %zd", size);
		return NULL;
	}
	bytes = PyBytes_FromStringAndSize(NULL, size);
	if (bytes != NULL)
		memset(PyBytes_AsString(bytes), 0, (size_t)size);
	return bytes;
}

static PyObject *py_refcnt_of_object(PyObject *Py_UNUSED(module), PyObject *object)
{
	return PyLong_FromSsize_t(Py_REFCNT(object));
}

/* Copy what an object has first from ADDRESS. Returns -1 if no memory is there. */
static int copy_head(uintptr_t address, PyObject *head)
{
	const struct iovec to = {head, sizeof(*head)};
	const struct iovec from = {(void *)address, sizeof(*head)};

	if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)sizeof(*head))
		return 0;
	/* Some containers forbid the call; then only what is there can be looked at. */
	if (errno != EPERM && errno != ENOSYS)
		return -1;
	memcpy(head, (const void *)address, sizeof(*head));
	return 0;
}

/*
 * The caller of py_refcnt_of_object() holds a reference for the call, in CPython before 3.14. Here
 * nobody does, so that the same number needs one more, but for objects that count none.
 */
static PyObject *py_refcnt_of_address(PyObject *Py_UNUSED(module), PyObject *number)
{
	const Py_ssize_t address = PyLong_AsSsize_t(number);
	PyObject head;

	if (address == -1 && PyErr_Occurred())
		return NULL;
	if (address <= 0 || copy_head((uintptr_t)address, &head) < 0) {
		PyErr_Format(PyExc_ValueError, "there is no object at address %zd", address);
		return NULL;
	}
#if PY_VERSION_HEX < 0x030e0000
	Py_INCREF(&head);
#endif
	return PyLong_FromSsize_t(Py_REFCNT(&head));
}

static PyMethodDef functions[] = {
	{"py_incref", py_incref, METH_O,
	 PyDoc_STR("py_incref(object, /)\n\nAdd 1 to the reference count, so that it leaks.")},
	{"py_decref", py_decref, METH_O,
	 PyDoc_STR(
		 "py_decref(object, /)\n\nTake 1 from the reference count. One too many, and the\n"
		 "object is freed while it is in use: the interpreter may crash.")},
	{"py_bytes_of_size", (PyCFunction)(void (*)(void))py_bytes_of_size,
	 METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR("py_bytes_of_size(size) -> bytes\n\nBytes of this size, all zero.")},
	{"py_refcnt_of_object", py_refcnt_of_object, METH_O,
	 PyDoc_STR("py_refcnt_of_object(object, /) -> int\n\n"
		   "The reference count, as sys.getrefcount() has it.")},
	{"py_refcnt_of_address", py_refcnt_of_address, METH_O,
	 PyDoc_STR(
		 "py_refcnt_of_address(address, /) -> int\n\nThe reference count of the object with this id(), as py_refcnt_of_object() has it.\n"
		 "ValueError where no memory is; other memory that holds no object is not noticed.")},
	{NULL, NULL, 0, NULL},
};

static int execute(PyObject *module)
{
	if (module_add_type(module, "CMalloc", &CMalloc_spec) < 0 ||
	    module_add_type(module, "PyRawMalloc", &PyRawMalloc_spec) < 0 ||
	    module_add_type(module, "PyMalloc", &PyMalloc_spec) < 0)
		return -1;
	return 0;
}

static PyModuleDef_Slot slots[] = MODULE_SLOTS(execute);

static struct PyModuleDef definition = {
	.m_base = PyModuleDef_HEAD_INIT,
	.m_name = "cMemLeak",
	.m_doc =
		PyDoc_STR("Blocks of each allocator, and reference counts that can be made wrong."),
	.m_methods = functions,
	.m_slots = slots,
};

MODULE_ENTRY(cMemLeak)
{
	return PyModuleDef_Init(&definition);
}
