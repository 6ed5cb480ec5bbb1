/* SPDX-License-Identifier: MIT */
/* C functions: told apart by their method definitions, which are static in nearly all modules. */
#include "cfunction.h"

#include <string.h>

#include "code.h"
#include "python.h"
#include "pytext.h"
#include "stack.h"
#include "table.h"

/* Offsets behind the object's head, the same in all versions from 3.8 on. */
#define FUNCTION_METHOD 0U
#define FUNCTION_SELF 8U
#define FUNCTION_MODULE 16U
#define DESCRIPTOR_TYPE 0U
#define DESCRIPTOR_METHOD 24U
#define TYPE_NAME 8U
#define TYPE_METHODS 216U
#define TYPE_BASE 240U
/* PyMethodDef: name, function, flags, text. */
#define METHOD_BYTES 32U

#define TEXT_MAX 512
#define BASES_MAX 64
#define METHODS_MAX 4096

static struct {
	const void *function_type;
	const void *descriptor_type;
	const void *module_type;
	uint32_t head; /* bytes of an object's head */
	struct table numbers;
	uint32_t count;
	uint8_t scratch[TEXT_MAX + 8];
} cfunctions;

static const void *pointer_at(const void *object, uint32_t offset)
{
	const void *p;

	memcpy(&p, (const char *)object + offset, sizeof(p));
	return p;
}

static const void *type_of(const void *object)
{
	return pointer_at(object, python.layout.ob_type);
}

int cfunction_init(void)
{
	python_symbol(&cfunctions.function_type, "PyCFunction_Type");
	python_symbol(&cfunctions.descriptor_type, "PyMethodDescr_Type");
	python_symbol(&cfunctions.module_type, "PyModule_Type");
	cfunctions.head = python.layout.ob_type + 8;
	return cfunctions.function_type != NULL && cfunctions.descriptor_type != NULL ? 0 : -1;
}

void cfunction_reset(void)
{
	table_clear(&cfunctions.numbers);
	cfunctions.count = 0;
}

/* A builtin function or method, or one of a type made from it. */
static int is_function(const void *type)
{
	for (int i = 0; i < 3 && type != NULL; i++) {
		if (type == cfunctions.function_type)
			return 1;
		type = pointer_at(type, cfunctions.head + TYPE_BASE);
	}
	return 0;
}

int cfunction_of(const void *callable, int self, struct cfunction *function)
{
	const void *type = type_of(callable);
	uint32_t offset = FUNCTION_METHOD;

	if (type == cfunctions.descriptor_type && self)
		offset = DESCRIPTOR_METHOD;
	else if (!is_function(type))
		return 0;
	function->callable = callable;
	function->method = pointer_at(callable, cfunctions.head + offset);
	return 1;
}

static struct pmt_bytes text_of(const char *text)
{
	return (struct pmt_bytes){(const uint8_t *)text, (uint32_t)strnlen(text, TEXT_MAX)};
}

static struct pmt_bytes type_name(const void *type)
{
	return text_of(pointer_at(type, cfunctions.head + TYPE_NAME));
}

/* Is METHOD in the table of methods that TYPE brings itself? */
static int brings_method(const void *type, const void *method)
{
	const char *methods = pointer_at(type, cfunctions.head + TYPE_METHODS);

	for (int i = 0; methods != NULL && i < METHODS_MAX; i++, methods += METHOD_BYTES) {
		if (methods == method)
			return 1;
		if (pointer_at(methods, 0) == NULL)
			break;
	}
	return 0;
}

/* The type that METHOD of an object of TYPE comes from. */
static const void *home_of(const void *type, const void *method)
{
	const void *base = type;

	for (int i = 0; i < BASES_MAX && base != NULL; i++) {
		if (brings_method(base, method))
			return base;
		base = pointer_at(base, cfunctions.head + TYPE_BASE);
	}
	return type;
}

/* The module or type that the function belongs to; may be empty. */
static struct pmt_bytes owner_of(const void *method, const void *callable)
{
	const void *self, *module;

	if (type_of(callable) == cfunctions.descriptor_type)
		return type_name(pointer_at(callable, cfunctions.head + DESCRIPTOR_TYPE));
	module = pointer_at(callable, cfunctions.head + FUNCTION_MODULE);
	self = pointer_at(callable, cfunctions.head + FUNCTION_SELF);
	if (module == NULL && self != NULL && type_of(self) != cfunctions.module_type)
		return type_name(home_of(type_of(self), method));
	return (struct pmt_bytes){
		cfunctions.scratch,
		pytext_utf8(module, TEXT_MAX, cfunctions.scratch, TEXT_MAX),
	};
}

/* The caller holds the definitions' lock. */
static uint32_t define_function(struct writer *w, const void *method, const void *callable)
{
	struct pmt_c_function r = {.id = cfunctions.count + 1};
	struct pmt_bytes owner;

	r.name = code_define_string(w, text_of(pointer_at(method, 0)));
	owner = owner_of(method, callable);
	if (owner.size != 0)
		r.owner = code_define_string(w, owner);
	if (r.name == 0 || writer_room(w, PMT_RECORD_MAX) != 0)
		return 0;
	pmt_put_c_function(&w->enc, 0, &r);
	writer_commit(w);
	return ++cfunctions.count;
}

/* The slow part of cfunction_number(), for a function that this thread has not called lately. */
static uint32_t look_up(uint64_t key, const struct cfunction *function)
{
	uint32_t number = (uint32_t)table_get(&cfunctions.numbers, key);
	struct writer *w;

	if (number != 0)
		return number;
	w = stack_definitions();
	number = (uint32_t)table_get(&cfunctions.numbers, key);
	if (number == 0) {
		number = define_function(w, function->method, function->callable);
		if (number != 0 && table_set(&cfunctions.numbers, key, number) != 0)
			number = 0;
	}
	stack_definitions_done();
	return number;
}

uint32_t cfunction_number(struct thread *t, const struct cfunction *function)
{
	/* A definition that was freed and made anew elsewhere in the same place has another name.
	 */
	const uint64_t key = (uintptr_t)function->method * 0x9E3779B97F4A7C15ULL ^
			     (uintptr_t)pointer_at(function->method, 0);
	const unsigned slot = (unsigned)(key >> 40) % THREAD_CODES;

	if (__builtin_expect(t->events.functions[slot].key != key, 0)) {
		const uint32_t number = look_up(key, function);

		if (number == 0)
			return 0;
		t->events.functions[slot].key = key;
		t->events.functions[slot].number = number;
	}
	return t->events.functions[slot].number;
}
