/* SPDX-License-Identifier: MIT */
/* Which types of the interpreter itself the classic log of objects leaves out by default. */
#include "classic_types.h"

#include <string.h>

/* By these a log would be long and say little: every program makes them all the time. */
static const char *const common_names[] = {
	"bool", "bytearray", "bytes", "cell", "complex", "dict", "dict_items", "dict_keys",
	"dict_values", "float", "frozenset", "int", "list", "memoryview", "range", "set", "slice",
	"str", "tuple", "collections.OrderedDict", "pickle.PickleBuffer",
	/* What runs, and what it is made of. */
	"FrameLocalsProxy", "builtin_function_or_method", "builtin_method", "function", "generator",
	"instancemethod", "method", "module", "traceback",
	/* Iterators that any sequence or callable can have. */
	"callable_iterator", "iterator",
	/* Weak references. */
	"weakref.CallableProxyType", "weakref.ProxyType", "weakref.ReferenceType",
	/* Exceptions whose names have none of the endings below. */
	"GeneratorExit", "KeyboardInterrupt", "StopAsyncIteration", "StopIteration", "SystemExit"};

static const char *const exception_endings[] = {"Error", "Exception", "ExceptionGroup", "Warning"};

static bool ends_in(const char *name, const char *ending)
{
	const size_t size = strlen(name), ending_size = strlen(ending);

	return size >= ending_size && strcmp(name + size - ending_size, ending) == 0;
}

bool classic_is_common_type(const char *name)
{
	for (size_t i = 0; i < sizeof(common_names) / sizeof(common_names[0]); i++)
		if (strcmp(name, common_names[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(exception_endings) / sizeof(exception_endings[0]); i++)
		if (ends_in(name, exception_endings[i]))
			return true;
	return false;
}
