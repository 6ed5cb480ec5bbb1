/* SPDX-License-Identifier: MIT */
/* Being called at the interpreter's end. */
#include "ending.h"

#include <stdint.h>
#include <string.h>

#include "python.h"

/* The functions of the interpreter that are needed; looked up once. */
#define API(X)                                                                                     \
	X(void *, PyErr_Occurred, (void))                                                          \
	X(void, PyErr_Clear, (void))                                                               \
	X(void *, PyImport_GetModuleDict, (void))                                                  \
	X(void *, PyModule_GetDict, (void *))                                                      \
	X(void *, PySys_GetObject, (const char *))                                                 \
	X(void *, PyDict_New, (void))                                                              \
	X(void *, PyDict_GetItemString, (void *, const char *))                                    \
	X(int, PyDict_SetItemString, (void *, const char *, void *))                               \
	X(void, PyDict_Clear, (void *))                                                            \
	X(void *, PyTuple_New, (intptr_t))                                                         \
	X(void *, PyUnicode_FromString, (const char *))                                            \
	X(void *, PyObject_Call, (void *, void *, void *))                                         \
	X(void *, PyObject_CallFunctionObjArgs, (void *, ...))                                     \
	X(void *, PyObject_GetAttrString, (void *, const char *))                                  \
	X(int, PyObject_IsTrue, (void *))                                                          \
	X(void, Py_IncRef, (void *))                                                               \
	X(void, Py_DecRef, (void *))

static struct {
#define X(result, name, parameters) result(*name) parameters;
	API(X)
#undef X
} api;

static struct {
	int armed;
	void (*function)(void);
	void *none;
	/* 3.8 and 3.9 only: of the module atexit; which interpreter it is, and which comes first.
	 */
	int (*exec)(void *module);
	void *(*interpreter)(void);
	void *(*first_interpreter)(void);
	/*
	 * Our callable object and its type, which is never made ready: the interpreter needs no
	 * more than tp_call, and the garbage collector does not see it.
	 */
	_Alignas(16) char object[64];
	_Alignas(16) char type[1024];
} ending;

/* In a type, behind the head of an object; the same in all versions. */
#define TYPE_NAME 8
#define TYPE_BASICSIZE 16
#define TYPE_CALL 112

/* PyModuleDef: m_slots, pairs of a number and a pointer. */
#define DEF_SLOTS 72
#define SLOT_EXEC 2

static void put_pointer(char *object, uint32_t offset, const void *p)
{
	memcpy(object + offset, &p, sizeof(p));
}

static void *get_pointer(const void *object, uint32_t offset)
{
	void *p;

	memcpy(&p, (const char *)object + offset, sizeof(p));
	return p;
}

static void *on_call(void *self, void *args, void *keywords)
{
	(void)self;
	(void)args;
	(void)keywords;
	ending.function();
	api.Py_IncRef(ending.none);
	return ending.none;
}

/* The head of an object that nobody ever drops. */
static void make_head(char *object, const void *type)
{
	const uint32_t references = python.free_threaded ? UINT32_MAX : 1U << 30;

	memcpy(object + (python.free_threaded ? 12 : 0), &references, sizeof(references));
	put_pointer(object, python.layout.ob_type, type);
}

static void make_object(const void *type_type)
{
	const uint32_t head = python.layout.ob_type + 8;
	const uint64_t size = head;
	void *(*call)(void *, void *, void *) = on_call;

	make_head(ending.type, type_type);
	put_pointer(ending.type, head + TYPE_NAME, "pymemtrace");
	memcpy(ending.type + head + TYPE_BASICSIZE, &size, sizeof(size));
	memcpy(ending.type + head + TYPE_CALL, &call, sizeof(call));
	make_head(ending.object, ending.type);
}

static int find_api(void)
{
	const void *type_type;
	int missing = 0;

#define X(result, name, parameters)                                                                \
	python_symbol(&api.name, #name);                                                           \
	missing |= api.name == NULL;
	API(X)
#undef X
	python_symbol(&ending.none, "_Py_NoneStruct");
	python_symbol(&type_type, "PyType_Type");
	if (missing || ending.none == NULL || type_type == NULL)
		return -1;
	make_object(type_type);
	return 0;
}

static void drop_reference(void *object)
{
	if (object != NULL)
		api.Py_DecRef(object);
}

static void register_in(void *module)
{
	void *function = api.PyObject_GetAttrString(module, "register");

	if (function != NULL)
		drop_reference(
			api.PyObject_CallFunctionObjArgs(function, (void *)ending.object, NULL));
	drop_reference(function);
	api.PyErr_Clear();
}

/* `module.name(object)` */
static void *call_method(void *module, const char *name, void *object)
{
	void *function = api.PyObject_GetAttrString(module, name);
	void *result = NULL;

	if (function != NULL)
		result = api.PyObject_CallFunctionObjArgs(function, object, NULL);
	drop_reference(function);
	return result;
}

/* An object with the attribute name "atexit": of the type of sys.implementation. */
static void *make_spec(void)
{
	void *like = api.PySys_GetObject("implementation");
	void *none = api.PyTuple_New(0), *words = api.PyDict_New();
	void *name = api.PyUnicode_FromString("atexit");
	void *spec = NULL;

	if (like != NULL && none != NULL && words != NULL && name != NULL &&
	    api.PyDict_SetItemString(words, "name", name) == 0)
		spec = api.PyObject_Call(get_pointer(like, python.layout.ob_type), none, words);
	drop_reference(none);
	drop_reference(words);
	drop_reference(name);
	return spec;
}

/* Whether -v was given. */
static int is_verbose(void)
{
	void *flags = api.PySys_GetObject("flags");
	void *verbose = flags == NULL ? NULL : api.PyObject_GetAttrString(flags, "verbose");
	const int is = verbose == NULL || api.PyObject_IsTrue(verbose) != 0;

	drop_reference(verbose);
	return is;
}

/*
 * 3.10 and later keep the functions in the interpreter, so any module will do, and may go
 * afterwards. With -v its end would be told, so then it stays.
 */
static void register_by_new_module(void)
{
	void *imp = api.PyDict_GetItemString(api.PyImport_GetModuleDict(), "_imp");
	void *spec = imp == NULL ? NULL : make_spec();
	void *module = spec == NULL ? NULL : call_method(imp, "create_builtin", spec);

	if (module != NULL) {
		drop_reference(call_method(imp, "exec_builtin", module));
		register_in(module);
		if (!is_verbose()) {
			/* Its functions refer to it. */
			api.PyDict_Clear(api.PyModule_GetDict(module));
			drop_reference(module);
		}
	}
	drop_reference(spec);
	api.PyErr_Clear();
}

/* 3.8, 3.9: the program has imported atexit now; its module takes the place of our function. */
static int exec_atexit(void *module)
{
	const int rc = ending.exec(module);

	/*
	 * Another interpreter has its own functions and its own end, so ours is registered there,
	 * too.
	 */
	if (rc == 0 && ending.interpreter() == ending.first_interpreter())
		register_in(module);
	return rc;
}

static void call_at_exit(void *module)
{
	(void)module;
	ending.function();
}

/* 3.8 and 3.9 keep the functions in the module, and the interpreter has one that calls them. */
static void register_by_interpreter(void)
{
	void *(*init)(void);
	void (*at_exit)(void (*)(void *), void *);
	int (*exec)(void *) = exec_atexit;
	char *slot;

	python_symbol(&at_exit, "_Py_PyAtExit");
	python_symbol(&init, "PyInit_atexit");
	python_symbol(&ending.first_interpreter, "PyInterpreterState_Main");
	python_symbol(&ending.interpreter, "PyInterpreterState_Get");
	if (ending.interpreter == NULL) /* 3.8 */
		python_symbol(&ending.interpreter, "_PyInterpreterState_Get");
	if (at_exit == NULL || init == NULL || ending.interpreter == NULL ||
	    ending.first_interpreter == NULL)
		return;
	at_exit(call_at_exit, NULL);
	slot = get_pointer(init(), DEF_SLOTS);
	for (; slot != NULL && *(const int *)slot != 0; slot += 16)
		if (*(const int *)slot == SLOT_EXEC && ending.exec == NULL) {
			memcpy(&ending.exec, slot + 8, sizeof(ending.exec));
			memcpy(slot + 8, &exec, sizeof(exec));
		}
}

void ending_arm(void (*function)(void))
{
	void *module;

	if (ending.armed || !python.walkable || !python.is_initialized())
		return;
	ending.armed = 1;
	ending.function = function;
	if (find_api() != 0)
		return;
	if (api.PyErr_Occurred() != NULL) {
		ending.armed = 0;
		return;
	}
	module = api.PyDict_GetItemString(api.PyImport_GetModuleDict(), "atexit");
	if (module != NULL)
		register_in(module);
	else if (!python.known->keeps_exit_functions)
		register_by_interpreter();
	else
		register_by_new_module();
}
