/* SPDX-License-Identifier: MIT */
/* Events by sys.monitoring. */
#include "monitor.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "events.h"
#include "lock.h"
#include "names.h"
#include "python.h"
#include "say.h"
#include "stack.h"
#include "table.h"

/* Of Include/structmember.h, typeslots.h and object.h, frozen by the stable ABI. */
#define MEMBER_SSIZE 19
#define MEMBER_READ_ONLY 1
#define SLOT_CALL 50
#define SLOT_MEMBERS 72
#define FLAGS_DEFAULT (1UL << 18)
#define FLAGS_VECTORCALL (1UL << 11)

/* What is known of an interpreter; else 2 and more: our tool in it plus HAS_TOOL. */
enum { UNKNOWN = 0, HAS_NONE = 1, HAS_TOOL = 2, TOOL_BITS = 8 };

struct member {
	const char *name;
	int type;
	ptrdiff_t offset;
	int flags;
	const char *doc;
};

struct slot {
	int slot;
	void *value;
};

struct spec {
	const char *name;
	int bytes;
	int item_bytes;
	unsigned flags;
	struct slot *slots;
};

typedef void *vectorcall(void *self, void *const *args, size_t count, void *names);

static struct {
	void *(*get)(const char *name);
	void *(*attribute)(void *object, const char *name);
	void *(*call)(void *object, const char *name, const char *format, ...);
	void *(*make_type)(struct spec *spec);
	void *(*make)(void *type, ptrdiff_t items);
	long (*number)(void *object);
	int (*line)(void *code, int offset);
	int (*is_true)(void *object);
	void *(*error)(void);
	void (*clear)(void);
	void (*release)(void *object);
	void *(*interpreter)(void);
	int64_t (*interpreter_id)(void *interpreter);
	void *vectorcall_call;
	void *none;
	void *_Atomic disable; /* sys.monitoring.DISABLE, one object for all interpreters */
	void *missing;
	uint32_t head; /* bytes of an object's head */
	struct lock lock;
	/* Id of an interpreter plus 1 -> what is known of it, and above that which turn it has. */
	struct table interpreters;
	_Atomic uint32_t turn; /* one more each time that other events are wanted */
	int state;	       /* 0 not looked up, 1 usable, 2 not */
} monitor;

/*
 * This thread is installing the tool: the events that this raises are the tracer's own, and are
 * passed over.
 */
static __thread int installing __attribute__((tls_model("initial-exec")));

/* An int of the interpreter that is small and not negative, as all offsets and lines are. */
static inline uint32_t small_int(const void *object)
{
	uint64_t tag;
	uint32_t low, high;

	memcpy(&tag, (const char *)object + monitor.head, sizeof(tag));
	memcpy(&low, (const char *)object + monitor.head + 8, sizeof(low));
	if (tag >> 3 <= 1)
		return tag >> 3 == 0 ? 0 : low;
	memcpy(&high, (const char *)object + monitor.head + 12, sizeof(high));
	return low | high << 30;
}

static inline void *make_result(enum events_fate fate)
{
	return __builtin_expect(fate == EVENTS_NEVER, 0)
		       ? atomic_load_explicit(&monitor.disable, memory_order_relaxed)
		       : monitor.none;
}

/* Offsets are bytes. */
static inline uint32_t position_of(const void *offset)
{
	return small_int(offset) / 2 + 1;
}

/* What sys.monitoring calls: (code, offset, ...) or (code, line). Only some may be disabled. */
#define PY_EVENT(name, what)                                                                       \
	static void *name(void *self, void *const *args, size_t count, void *names)                \
	{                                                                                          \
		(void)self;                                                                        \
		(void)count;                                                                       \
		(void)names;                                                                       \
		return make_result(events_py(what, args[0], position_of(args[1])));                \
	}
/* Of an exception the frame says where it was raised first, the offset where it is raised again. */
#define PY_EVENT_ALWAYS(name, what)                                                                \
	static void *name(void *self, void *const *args, size_t count, void *names)                \
	{                                                                                          \
		(void)self;                                                                        \
		(void)count;                                                                       \
		(void)names;                                                                       \
		(void)events_py(what, args[0], stack_innermost(args[0], position_of(args[1])));    \
		return monitor.none;                                                               \
	}
PY_EVENT(on_start, PMT_PYEVENT_CALL)
PY_EVENT(on_resume, PMT_PYEVENT_RESUME)
PY_EVENT_ALWAYS(on_throw, PMT_PYEVENT_THROW)
PY_EVENT(on_return, PMT_PYEVENT_RETURN)
PY_EVENT(on_yield, PMT_PYEVENT_YIELD)
PY_EVENT_ALWAYS(on_unwind, PMT_PYEVENT_UNWIND)
PY_EVENT_ALWAYS(on_raise, PMT_PYEVENT_EXCEPTION)
PY_EVENT(on_instruction, PMT_PYEVENT_OPCODE)

static void *on_line(void *self, void *const *args, size_t count, void *names)
{
	(void)self;
	(void)count;
	(void)names;
	return make_result(events_line(args[0], small_int(args[1])));
}

/*
 * A jump back within a line is a new execution of it, as for sys.settrace(); to another line the
 * line event comes by itself.
 */
static void *on_jump(void *self, void *const *args, size_t count, void *names)
{
	const uint32_t from = small_int(args[1]), to = small_int(args[2]);
	int line;

	(void)self;
	(void)count;
	(void)names;
	if (to > from)
		return make_result(EVENTS_NEVER);
	line = monitor.line(args[0], (int)from);
	if (line < 0 || monitor.line(args[0], (int)to) != line)
		return make_result(EVENTS_NEVER);
	return make_result(events_line(args[0], (uint32_t)line));
}

static inline enum events_fate c_event(unsigned what, void *const *args)
{
	struct cfunction function;

	if (!cfunction_of(args[2], args[3] != monitor.missing, &function))
		return EVENTS_GO_ON;
	return events_c(what, args[0], position_of(args[1]), &function);
}

static void *on_c_call(void *self, void *const *args, size_t count, void *names)
{
	(void)self;
	(void)count;
	(void)names;
	return make_result(c_event(PMT_CEVENT_CALL, args));
}

static void *on_c_return(void *self, void *const *args, size_t count, void *names)
{
	(void)self;
	(void)count;
	(void)names;
	(void)c_event(PMT_CEVENT_RETURN, args);
	return monitor.none;
}

static void *on_c_raise(void *self, void *const *args, size_t count, void *names)
{
	(void)self;
	(void)count;
	(void)names;
	(void)c_event(PMT_CEVENT_EXCEPTION, args);
	return monitor.none;
}

/* The events of sys.monitoring, each with the word of TRACE that wants it, and what it calls. */
static const struct {
	unsigned word;
	const char *event;
	vectorcall *function;
} wanted[] = {
	{PMT_TRACED_CALLS, "PY_START", on_start},
	{PMT_TRACED_CALLS, "PY_RESUME", on_resume},
	{PMT_TRACED_CALLS, "PY_THROW", on_throw},
	{PMT_TRACED_CALLS, "PY_RETURN", on_return},
	{PMT_TRACED_CALLS, "PY_YIELD", on_yield},
	{PMT_TRACED_CALLS, "PY_UNWIND", on_unwind},
	{PMT_TRACED_C_CALLS, "CALL", on_c_call},
	{PMT_TRACED_C_CALLS, "C_RETURN", on_c_return},
	{PMT_TRACED_C_CALLS, "C_RAISE", on_c_raise},
	{PMT_TRACED_LINES, "LINE", on_line},
	{PMT_TRACED_LINES, "JUMP", on_jump},
	{PMT_TRACED_OPCODES, "INSTRUCTION", on_instruction},
	{PMT_TRACED_EXCEPTIONS, "RAISE", on_raise},
	{PMT_TRACED_EXCEPTIONS, "STOP_ITERATION", on_raise},
};

static int look_up(void)
{
	python_symbol(&monitor.get, "PySys_GetObject");
	python_symbol(&monitor.attribute, "PyObject_GetAttrString");
	python_symbol(&monitor.call, "PyObject_CallMethod");
	python_symbol(&monitor.make_type, "PyType_FromSpec");
	python_symbol(&monitor.make, "PyType_GenericAlloc");
	python_symbol(&monitor.number, "PyLong_AsLong");
	python_symbol(&monitor.line, "PyCode_Addr2Line");
	python_symbol(&monitor.error, "PyErr_Occurred");
	python_symbol(&monitor.clear, "PyErr_Clear");
	python_symbol(&monitor.release, "Py_DecRef");
	python_symbol(&monitor.interpreter, "PyInterpreterState_Get");
	python_symbol(&monitor.interpreter_id, "PyInterpreterState_GetID");
	python_symbol(&monitor.vectorcall_call, "PyVectorcall_Call");
	python_symbol(&monitor.none, "_Py_NoneStruct");
	monitor.head = python.layout.ob_type + 8;
	return monitor.get != NULL && monitor.attribute != NULL && monitor.call != NULL &&
			       monitor.make_type != NULL && monitor.make != NULL &&
			       monitor.number != NULL && monitor.line != NULL &&
			       monitor.error != NULL && monitor.clear != NULL &&
			       monitor.release != NULL && monitor.interpreter != NULL &&
			       monitor.interpreter_id != NULL && monitor.vectorcall_call != NULL &&
			       monitor.none != NULL && python.walkable && cfunction_init() == 0
		       ? 0
		       : -1;
}

/* A type whose objects are called without the checks that could raise RecursionError. */
static void *make_type(void)
{
	const ptrdiff_t place = (ptrdiff_t)monitor.head;
	struct member members[] = {
		{"__vectorcalloffset__", MEMBER_SSIZE, place, MEMBER_READ_ONLY, NULL},
		{NULL, 0, 0, 0, NULL}};
	struct slot slots[] = {
		{SLOT_CALL, monitor.vectorcall_call}, {SLOT_MEMBERS, members}, {0, NULL}};
	struct spec spec = {"pymemtrace.callback", (int)(monitor.head + sizeof(vectorcall *)), 0,
			    FLAGS_DEFAULT | FLAGS_VECTORCALL, slots};

	return monitor.make_type(&spec);
}

static long long_attribute(void *object, const char *name)
{
	void *value = object == NULL ? NULL : monitor.attribute(object, name);
	long number = value == NULL ? -1 : monitor.number(value);

	if (value != NULL)
		monitor.release(value);
	return number;
}

/* Drop the result of a call. Returns 0, or -1 for NULL. */
static int drop_result(void *object)
{
	if (object == NULL)
		return -1;
	monitor.release(object);
	return 0;
}

/* Have FUNCTION called for event number EVENT of the tool. */
static int listen_to_event(void *module, void *type, long tool, size_t i, long event)
{
	void *callback = monitor.make(type, 0);
	vectorcall *function = wanted[i].function;
	int rc;

	if (callback == NULL)
		return -1;
	memcpy((char *)callback + monitor.head, &function, sizeof(function));
	rc = drop_result(monitor.call(module, "register_callback", "llO", tool, event, callback));
	monitor.release(callback);
	return rc;
}

/* A tool number that nobody uses; -1: none. Those without a meaning of their own come first. */
static long take_tool(void *module)
{
	static const long order[] = {4, 3, 5, 2, 1, 0};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (drop_result(
			    monitor.call(module, "use_tool_id", "ls", order[i], "pymemtrace")) == 0)
			return order[i];
		monitor.clear();
	}
	return -1;
}

static int register_all(void *module, void *events, void *type, long tool)
{
	long set_of = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		long event;

		event = long_attribute(events, wanted[i].event);
		if (event <= 0 || listen_to_event(module, type, tool, i, event) != 0)
			return -1;
		if (events_wants(wanted[i].word))
			set_of |= event;
	}
	return drop_result(monitor.call(module, "set_events", "ll", tool, set_of));
}

static uint64_t this_interpreter(void)
{
	return (uint64_t)monitor.interpreter_id(monitor.interpreter()) + 1;
}

static void note_state(uint64_t interpreter, uint64_t known)
{
	const uint64_t turn = atomic_load(&monitor.turn);

	if (lock_take_soon(&monitor.lock) != 0)
		return;
	(void)table_set(&monitor.interpreters, interpreter,
			known == UNKNOWN ? 0 : known | turn << TOOL_BITS);
	lock_release(&monitor.lock);
}

/* Claim for this thread the installing in an interpreter where no thread has begun it. */
static int claim_interpreter(uint64_t interpreter)
{
	int claimed;

	if (lock_take_soon(&monitor.lock) != 0)
		return 0;
	claimed = table_get(&monitor.interpreters, interpreter) == UNKNOWN &&
		  table_set(&monitor.interpreters, interpreter, HAS_NONE) == 0;
	lock_release(&monitor.lock);
	return claimed;
}

/* Have TOOL of this interpreter raise what is wanted now. */
static void set_events(uint64_t interpreter, long tool)
{
	void *module = monitor.get("monitoring"), *events;
	long set_of = 0;

	if (module == NULL)
		return;
	note_state(interpreter, HAS_TOOL + (uint64_t)tool);
	events = monitor.attribute(module, "events");
	for (size_t i = 0; events != NULL && i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (events_wants(wanted[i].word))
			set_of |= long_attribute(events, wanted[i].event);
	(void)drop_result(monitor.call(module, "set_events", "ll", tool, set_of));
	/* Places that earlier filters passed over may be wanted now. */
	(void)drop_result(monitor.call(module, "restart_events", NULL));
	monitor.clear();
	if (events != NULL)
		monitor.release(events);
}

/*
 * In the interpreter of this thread. Returns 0 and TOOL, -1 when it cannot be done, 1 when not yet.
 */
static int install_tool(long *out)
{
	void *module = monitor.get("monitoring"); /* borrowed */
	void *events, *type, *disable, *missing;
	long tool = -1;
	int rc = -1;

	if (module == NULL)
		return 1;
	events = monitor.attribute(module, "events");
	disable = monitor.attribute(module, "DISABLE");
	missing = monitor.attribute(module, "MISSING");
	type = make_type();
	if (events != NULL && disable != NULL && missing != NULL && type != NULL) {
		/* These live as long as the interpreter; we keep our reference to them. */
		atomic_store(&monitor.disable, disable);
		monitor.missing = missing;
		tool = take_tool(module);
		rc = tool < 0 ? -1 : register_all(module, events, type, tool);
		if (rc != 0 && tool >= 0)
			(void)drop_result(monitor.call(module, "free_tool_id", "l", tool));
	}
	*out = rc == 0 ? tool : -1;
	monitor.clear();
	if (events != NULL)
		monitor.release(events);
	if (type != NULL)
		monitor.release(type);
	return rc;
}

/* Once in each interpreter. */
static void install_in(uint64_t interpreter)
{
	static const char *const problem =
		"no place for it beside the other tools of sys.monitoring";
	long tool;
	int rc;

	if (!claim_interpreter(interpreter))
		return;
	rc = install_tool(&tool);
	note_state(interpreter, rc > 0 ? UNKNOWN : rc < 0 ? HAS_NONE : HAS_TOOL + (uint64_t)tool);
	if (rc >= 0)
		return;
	say_problem("calls, lines and exceptions are not traced: ", problem, NULL);
	events_notice(PMT_NOTICE_FOREIGN, problem);
}

/* The interpreter of this thread raises the events that are wanted. */
static void see_to_interpreter(void)
{
	const uint64_t interpreter = this_interpreter();
	const uint64_t known = table_get(&monitor.interpreters, interpreter);
	const uint64_t state = known & ((1U << TOOL_BITS) - 1);

	if (monitor.error() != NULL)
		return;
	if (state == UNKNOWN)
		install_in(interpreter);
	else if (state >= HAS_TOOL && known >> TOOL_BITS != atomic_load(&monitor.turn))
		set_events(interpreter, (long)(state - HAS_TOOL));
}

void monitor_forget(void)
{
	if (lock_take_soon(&monitor.lock) != 0)
		return;
	table_clear(&monitor.interpreters);
	lock_release(&monitor.lock);
}

void monitor_change(void)
{
	atomic_fetch_add(&monitor.turn, 1);
	if (monitor.state != 1 || python.current() == NULL)
		return;
	installing = 1;
	see_to_interpreter();
	installing = 0;
}

void monitor_at_audit(int ready)
{
	if (installing || monitor.state == 2)
		return;
	if (monitor.state == 0 && ready) {
		monitor.state = look_up() == 0 ? 1 : 2;
		if (monitor.state == 2)
			say_problem("this Python's calls and lines cannot be traced: ", python.text,
				    NULL);
	}
	/*
	 * This is done at every audit event, because not every version raises one for a new
	 * interpreter.
	 */
	if (monitor.state != 1 || python.current() == NULL)
		return;
	installing = 1;
	see_to_interpreter();
	installing = 0;
}
