/* SPDX-License-Identifier: MIT */
/*
 * Events by profile and trace functions, CPython 3.8 to 3.11.
 *
 * The thread state has two slots, one for a profile and one for a trace function, each a C function
 * and an object that it is called with. The object of ours is NULL, so sys.getprofile() says None.
 * When the program sets a function of its own, only the C function is replaced by ours, which calls
 * it with its object: the program sees no difference, and nor does whoever looks whether the
 * function in place is still theirs, because they look at the object.
 *
 * The audit event of sys.setprofile() and sys.settrace() comes before the change. So one of our
 * functions looks again at the thread's next event, until it sees the change. If there is none in
 * the other slot, one is put there for that time.
 *
 * The slots are written directly: the interpreter's functions that set them raise audit events, and
 * the program's hooks would hear of what it has not done.
 */
#include "slots.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

#include "events.h"
#include "names.h"
#include "python.h"
#include "say.h"
#include "stack.h"
#include "tracing.h"

/* Arguments of a Py_tracefunc: Include/cpython/pystate.h. */
enum slot_event { CALL, EXCEPTION, LINE, RETURN, C_CALL, C_EXCEPTION, C_RETURN, OPCODE };

typedef int trace_function(void *object, void *frame, int what, void *arg);

enum slot { PROFILE, TRACE, SLOTS };

/* Offsets in bytes: one row for each layout. */
struct slots_layout {
	uint32_t version;
	uint32_t function[SLOTS]; /* of a thread state; the object is two pointers behind */
	uint32_t cframe;	  /* 0: use_tracing is in the thread state itself */
	uint32_t use_tracing;	  /* of the C frame, or of the thread state */
	uint32_t use_tracing_bytes;
	/* Up to 3.9 an int counts trace functions; lines are only told of where it is not 0. */
	uint32_t runtime_count;	    /* of _PyRuntime; 0: not there */
	uint32_t interpreter_count; /* of an interpreter; 0: not there */
	uint32_t frame;	 /* of a frame object: pointer to the frame, 0: it is the frame */
	uint32_t lineno; /* of a frame object */
	uint32_t opcodes;
	uint32_t flags;	   /* of a code object */
	uint32_t bytecode; /* a bytes object; 0: python.layout.bytecode is right */
	uint8_t yields[2]; /* instructions at which a generator stops */
	/* Instructions where it goes on, argument not 0: plain and quickened; 0: the ones above. */
	uint8_t resumes[2];
};

static const struct slots_layout layouts[] = {
	{0x308, {56, 64}, 0, 48, 4, 588, 0, 0, 108, 89, 36, 48, {86, 72}, {0, 0}},
	{0x309, {56, 64}, 0, 48, 4, 0, 68, 0, 108, 89, 36, 48, {86, 72}, {0, 0}},
	{0x30a, {56, 64}, 48, 0, 4, 0, 0, 0, 100, 85, 36, 48, {86, 72}, {0, 0}},
	{0x30b, {64, 72}, 56, 0, 1, 0, 0, 24, 40, 45, 48, 0, {86, 86}, {151, 150}},
};

/* Of a thread state, where that is needed: pointer to the interpreter. */
#define INTERPRETER 16U

/* CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR. */
#define FLAGS_GENERATOR 0x2a0U

/* A mark in a frame of which only we want to hear the instructions; the program's is 1. */
#define OPCODES_OURS 2

/* Events after which an announced change is not waited for any more. */
#define PATIENCE 1000

#define SHARED_TEXT "the program set a profile or trace function"

#define FOREIGN_MAX 512

/* A function of the program's that ours stands before. */
struct foreign {
	const void *_Atomic state;
	trace_function *function[SLOTS];
};

static struct {
	const struct slots_layout *layout;
	void (*set_trace)(trace_function *function, void *object);
	char *runtime;
	void *(*interpreter)(void);
	void *(*first_state)(void *interpreter);
	void *(*next_state)(void *state);
	int state;	   /* 0 not looked up, 1 usable, 2 not */
	int started;	   /* ours are to be in all threads */
	int looks;	   /* new threads are to be looked for at each event */
	int wanted[SLOTS]; /* in which slots */
	int counted;	   /* the count of trace functions is where the layout has it */
	int has_foreign;   /* there is an entry below */
	int said;	   /* that the program has a function of its own */
	struct foreign foreign[FOREIGN_MAX];
} slots;

/* This thread sets a function: the audit event is our own. */
static __thread int setting __attribute__((tls_model("initial-exec")));
/* A slot of this thread may have changed. */
static __thread int repair __attribute__((tls_model("initial-exec")));
/* That slot is about to, and has ours in it before: so many times is it looked at at most. */
static __thread int patience __attribute__((tls_model("initial-exec")));
static __thread enum slot expected __attribute__((tls_model("initial-exec")));

static int on_profile(void *object, void *frame, int what, void *arg);
static int on_trace(void *object, void *frame, int what, void *arg);
/* As on_profile(), in a thread whose slots have not been filled yet. */
static int on_first(void *object, void *frame, int what, void *arg);

static trace_function *const ours[SLOTS] = {on_profile, on_trace};

static trace_function *function_in(const void *state, enum slot slot)
{
	trace_function *function;

	memcpy(&function, (const char *)state + slots.layout->function[slot], sizeof(function));
	return function;
}

/* The count of trace functions, NULL where there is none. */
static int *count_of(const void *state)
{
	const struct slots_layout *l = slots.layout;
	char *interpreter;

	if (l->runtime_count != 0)
		return slots.runtime == NULL ? NULL : (int *)(slots.runtime + l->runtime_count);
	if (l->interpreter_count == 0)
		return NULL;
	memcpy(&interpreter, (const char *)state + INTERPRETER, sizeof(interpreter));
	return (int *)(interpreter + l->interpreter_count);
}

/* Put FUNCTION in front; the object stays. Another thread's only with the interpreter's lock. */
static void put_function(void *state, enum slot slot, trace_function *function)
{
	const struct slots_layout *l = slots.layout;
	const int added =
		slot == TRACE ? (function != NULL) - (function_in(state, TRACE) != NULL) : 0;
	char *flag = state;
	int on = l->use_tracing_bytes == 1 ? 255 : 1;

	memcpy((char *)state + l->function[slot], &function, sizeof(function));
	if (slots.counted && added != 0)
		*count_of(state) += added;
	if (function_in(state, PROFILE) == NULL && function_in(state, TRACE) == NULL)
		on = 0;
	if (l->cframe != 0)
		memcpy(&flag, (char *)state + l->cframe, sizeof(flag));
	if (flag != NULL)
		memcpy(flag + l->use_tracing, &on, l->use_tracing_bytes);
}

/* Where the object is NULL. Of this thread. */
static void set_function(void *state, enum slot slot, trace_function *function)
{
	const int before = setting;

	if (slot == PROFILE || count_of(state) == NULL || slots.counted) {
		put_function(state, slot, function);
		return;
	}
	setting = 1;
	slots.set_trace(function, NULL);
	setting = before;
}

/* The entry of a thread state; TAKE: take one if there is none. NULL: none. */
static struct foreign *foreign_of(const void *state, int take)
{
	const unsigned start = (unsigned)((uintptr_t)state >> 6);

	for (unsigned i = 0; i < FOREIGN_MAX; i++) {
		struct foreign *f = &slots.foreign[(start + i) % FOREIGN_MAX];
		const void *found = atomic_load_explicit(&f->state, memory_order_acquire);
		const void *none = NULL;

		if (found == state)
			return f;
		if (found != NULL)
			continue;
		if (!take)
			return NULL;
		if (atomic_compare_exchange_strong(&f->state, &none, state))
			return f;
	}
	return NULL;
}

static int is_ours(trace_function *function)
{
	return function == on_profile || function == on_trace || function == on_first;
}

static void say_once(unsigned what, const char *text)
{
	if (slots.said & 1 << what)
		return;
	slots.said |= 1 << what;
	if (what == PMT_NOTICE_FOREIGN)
		say_problem(text, "", NULL);
	events_notice(what, text);
}

/* Keep what the program has in SLOT. Returns 0, or -1 when there is no room. */
static int keep_foreign(void *state, enum slot slot)
{
	struct foreign *f = foreign_of(state, 1);

	if (f == NULL)
		return -1;
	f->function[slot] = function_in(state, slot);
	slots.has_foreign = 1;
	return 0;
}

/* Ours in front of what is in SLOT of this thread now. Returns 0, or -1 when there is no room. */
static int stand_in_front(void *state, enum slot slot)
{
	trace_function *theirs = function_in(state, slot);
	struct foreign *f = foreign_of(state, 0);

	if (is_ours(theirs) && theirs != on_first)
		return 0;
	if (theirs == on_first) {
		put_function(state, slot, ours[slot]);
		return 0;
	}
	if (theirs == NULL) {
		if (f != NULL)
			f->function[slot] = NULL;
		set_function(state, slot, ours[slot]);
		return 0;
	}
	if (keep_foreign(state, slot) != 0) {
		say_once(PMT_NOTICE_FOREIGN, "the program's own profile or trace functions are in "
					     "more threads than can be kept beside ours");
		return -1;
	}
	put_function(state, slot, ours[slot]);
	say_once(PMT_NOTICE_SHARED, SHARED_TEXT);
	return 0;
}

/* Ours is not wanted in SLOT for good: what the program has there comes back. */
static void step_back(void *state, enum slot slot)
{
	struct foreign *f = foreign_of(state, 0);

	if (!is_ours(function_in(state, slot)))
		return;
	if (f != NULL && f->function[slot] != NULL)
		put_function(state, slot, f->function[slot]);
	else
		set_function(state, slot, NULL);
}

/* Has the change that was announced not come yet? An audit hook may run much before, or forbid it.
 */
static int is_pending(const void *state)
{
	if (patience == 0)
		return 0;
	patience = is_ours(function_in(state, expected)) ? patience - 1 : 0;
	return patience != 0;
}

/* Bring this thread's slots in order. */
static void repair_slots(void *state)
{
	if (is_pending(state))
		return;
	repair = 0;
	for (enum slot slot = PROFILE; slot < SLOTS; slot++) {
		if (slots.wanted[slot])
			(void)stand_in_front(state, slot);
		else
			step_back(state, slot);
	}
}

/* The program is about to change SLOT of this thread; the other one shows us when it has. */
static void expect_change(enum slot slot)
{
	const enum slot other = slot == PROFILE ? TRACE : PROFILE;
	void *state = python.current();

	if (state == NULL)
		return;
	patience = 0;
	repair_slots(state);
	if (!slots.wanted[slot])
		return;
	if (stand_in_front(state, other) == 0 && is_ours(function_in(state, slot))) {
		expected = slot;
		patience = PATIENCE;
		repair = 1;
	}
	say_once(PMT_NOTICE_SHARED, SHARED_TEXT);
}

/* Call what the program has in SLOT of this thread. */
static int call_foreign(enum slot slot, void *object, void *frame, int what, void *arg)
{
	struct foreign *f = !slots.has_foreign ? NULL : foreign_of(python.current(), 0);

	if (f == NULL || f->function[slot] == NULL)
		return 0;
	return f->function[slot](object, frame, what, arg);
}

/* Where an event is. */
struct place {
	const char *code;
	uint32_t position;
};

static struct place place_of(const char *frame)
{
	const struct python_layout *l = &python.layout;
	struct place p;
	uintptr_t raw = 0;
	int32_t index;

	if (slots.layout->frame != 0)
		memcpy(&frame, frame + slots.layout->frame, sizeof(frame));
	memcpy(&p.code, frame + l->executable, sizeof(p.code));
	if (l->position_kind == PYTHON_INDEX_BYTES || l->position_kind == PYTHON_INDEX_UNITS) {
		memcpy(&index, frame + l->position, sizeof(index));
		raw = (uintptr_t)(intptr_t)index;
	} else {
		memcpy(&raw, frame + l->position, sizeof(raw));
	}
	p.position = stack_position(p.code, raw);
	return p;
}

static int is_generator(const char *code)
{
	uint32_t flags;

	memcpy(&flags, code + slots.layout->flags, sizeof(flags));
	return (flags & FLAGS_GENERATOR) != 0;
}

/* The instruction of a position that is not 0, and its argument. */
static const unsigned char *instruction(const char *code, uint32_t position)
{
	const char *first = code + python.layout.bytecode;

	if (slots.layout->bytecode != 0) {
		memcpy(&first, code + slots.layout->bytecode, sizeof(first));
		first += python.layout.bytes_data;
	}
	return (const unsigned char *)first + 2 * (position - 1);
}

/* Does a generator stop at the position? YIELD_FROM is left with the one before as the last. */
static int at_yield(const struct place *p)
{
	const uint8_t *yields = slots.layout->yields;

	if (p->position == 0 || !is_generator(p->code))
		return 0;
	return instruction(p->code, p->position)[0] == yields[0] ||
	       instruction(p->code, p->position)[0] == yields[1] ||
	       (yields[1] != yields[0] && instruction(p->code, p->position + 1)[0] == yields[1]);
}

static unsigned call_kind(const struct place *p)
{
	const uint8_t *resumes = slots.layout->resumes;
	const unsigned char *at;

	if (resumes[0] == 0)
		return at_yield(p) ? PMT_PYEVENT_RESUME : PMT_PYEVENT_CALL;
	if (p->position == 0)
		return PMT_PYEVENT_CALL;
	at = instruction(p->code, p->position);
	return (at[0] == resumes[0] || at[0] == resumes[1]) && at[1] != 0 ? PMT_PYEVENT_RESUME
									  : PMT_PYEVENT_CALL;
}

static unsigned return_kind(const struct place *p, const void *arg)
{
	if (arg == NULL)
		return PMT_PYEVENT_UNWIND;
	return at_yield(p) ? PMT_PYEVENT_YIELD : PMT_PYEVENT_RETURN;
}

/* A thread that is there already fills its slots at its next call or return. */
static void ask_thread(void *state)
{
	trace_function *theirs = function_in(state, PROFILE);
	struct foreign *f = foreign_of(state, 0);

	if (is_ours(theirs) || (theirs != NULL && keep_foreign(state, PROFILE) != 0))
		return;
	if (theirs == NULL && f != NULL)
		f->function[PROFILE] = NULL;
	put_function(state, PROFILE, on_first);
}

/* The same with a thread state that is new, where that of another thread may have been before. */
static void new_state(void *state)
{
	struct foreign *f = foreign_of(state, 0);

	if (f != NULL)
		memset(f->function, 0, sizeof(f->function));
	ask_thread(state);
}

static void record_c(unsigned what, const struct place *p, const void *callable)
{
	struct cfunction function;

	if (events_wants(PMT_TRACED_C_CALLS) && cfunction_of(callable, 1, &function))
		(void)events_c(what, p->code, p->position, &function);
}

/*
 * Not preloaded, we hear nothing of new threads. Their states come to the head of the interpreter's
 * list, so those that are not known yet are before the first one that is.
 */
static void look_for_threads(const void *self)
{
	for (void *state = slots.first_state(slots.interpreter()); state != NULL;
	     state = slots.next_state(state)) {
		if (is_ours(function_in(state, PROFILE)) || is_ours(function_in(state, TRACE)))
			return;
		if (state != self)
			new_state(state);
	}
}

static void before_event(void)
{
	void *state = python.current();

	if (repair)
		repair_slots(state);
	if (slots.looks)
		look_for_threads(state);
}

static int on_profile(void *object, void *frame, int what, void *arg)
{
	if (__builtin_expect(repair | slots.looks, 0))
		before_event();
	if (slots.wanted[PROFILE]) {
		const struct place p = place_of(frame);

		switch (what) {
		case CALL:
			if (events_wants(PMT_TRACED_CALLS))
				(void)events_py(call_kind(&p), p.code, p.position);
			break;
		case RETURN:
			if (events_wants(PMT_TRACED_CALLS))
				(void)events_py(return_kind(&p, arg), p.code, p.position);
			break;
		case C_CALL:
			record_c(PMT_CEVENT_CALL, &p, arg);
			break;
		case C_RETURN:
			record_c(PMT_CEVENT_RETURN, &p, arg);
			break;
		case C_EXCEPTION:
			record_c(PMT_CEVENT_EXCEPTION, &p, arg);
			break;
		default:
			break;
		}
	}
	return call_foreign(PROFILE, object, frame, what, arg);
}

static int on_first(void *object, void *frame, int what, void *arg)
{
	repair = 1;
	return on_profile(object, frame, what, arg);
}

/* Instructions are only told of in frames that ask for it. */
static void ask_for_instructions(char *frame)
{
	if (frame[slots.layout->opcodes] == 0)
		frame[slots.layout->opcodes] = OPCODES_OURS;
}

static void record_trace(char *frame, int what)
{
	const struct place p = place_of(frame);
	int32_t line;

	if (events_wants(PMT_TRACED_OPCODES))
		ask_for_instructions(frame);
	switch (what) {
	case EXCEPTION:
		if (events_wants(PMT_TRACED_EXCEPTIONS))
			(void)events_py(PMT_PYEVENT_EXCEPTION, p.code, p.position);
		break;
	case LINE:
		memcpy(&line, frame + slots.layout->lineno, sizeof(line));
		if (events_wants(PMT_TRACED_LINES))
			(void)events_line(p.code, line < 0 ? 0 : (uint32_t)line);
		break;
	case OPCODE:
		if (events_wants(PMT_TRACED_OPCODES))
			(void)events_py(PMT_PYEVENT_OPCODE, p.code, p.position);
		break;
	default:
		break;
	}
}

static int on_trace(void *object, void *frame, int what, void *arg)
{
	if (__builtin_expect(repair | slots.looks, 0))
		before_event();
	if (slots.wanted[TRACE])
		record_trace(frame, what);
	if (what == OPCODE && ((char *)frame)[slots.layout->opcodes] == OPCODES_OURS)
		return 0;
	return call_foreign(TRACE, object, frame, what, arg);
}

static void find(void *place, const char *name)
{
	void *symbol = dlsym(python.scope, name);

	memcpy(place, &symbol, sizeof(symbol));
}

/*
 * Checks that the count of tracing functions lies where the layout says: sets a function of ours,
 * looks whether the count has grown, and takes the function back.
 */
static int check_count(void)
{
	void *state = python.current();
	const int *count;
	int before;

	if (slots.layout->runtime_count == 0 && slots.layout->interpreter_count == 0)
		return 0;
	count = state == NULL ? NULL : count_of(state);
	if (count == NULL || function_in(state, TRACE) != NULL)
		return 0;
	before = *count;
	setting = 1;
	slots.set_trace(on_trace, NULL);
	slots.counted = *count == before + 1;
	slots.set_trace(NULL, NULL);
	setting = 0;
	slots.counted &= *count == before;
	return slots.counted;
}

static int look_up(void)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].version <= python.version >> 16)
			slots.layout = &layouts[i];
	find(&slots.set_trace, "PyEval_SetTrace");
	find(&slots.runtime, "_PyRuntime");
	find(&slots.interpreter, "PyInterpreterState_Get");
	if (slots.interpreter == NULL) /* 3.8 */
		find(&slots.interpreter, "_PyInterpreterState_Get");
	find(&slots.first_state, "PyInterpreterState_ThreadHead");
	find(&slots.next_state, "PyThreadState_Next");
	return slots.layout != NULL && slots.set_trace != NULL && slots.interpreter != NULL &&
			       slots.first_state != NULL && slots.next_state != NULL &&
			       python.walkable && cfunction_init() == 0
		       ? 1
		       : 2;
}

/* Another thread goes without ours. */
static void leave_thread(void *state)
{
	const struct foreign *f = foreign_of(state, 0);

	for (enum slot slot = PROFILE; slot < SLOTS; slot++)
		if (is_ours(function_in(state, slot)))
			put_function(state, slot, f == NULL ? NULL : f->function[slot]);
}

/* Ours into or out of the slots of all threads of this interpreter. */
static void apply(void)
{
	void *self = python.current();

	slots.wanted[PROFILE] = events_wants(PMT_TRACED_CALLS) || events_wants(PMT_TRACED_C_CALLS);
	slots.wanted[TRACE] = events_wants(PMT_TRACED_LINES) || events_wants(PMT_TRACED_OPCODES) ||
			      events_wants(PMT_TRACED_EXCEPTIONS);
	slots.started = slots.wanted[PROFILE] || slots.wanted[TRACE];
	slots.looks = slots.started && tracing_is_late();
	for (void *state = slots.first_state(slots.interpreter()); state != NULL;
	     state = slots.next_state(state)) {
		if (state == self)
			continue;
		leave_thread(state);
		if (slots.started)
			ask_thread(state);
	}
	patience = 0;
	repair_slots(self);
}

void slots_change(void)
{
	if (slots.state == 1 && python.current() != NULL)
		apply();
}

void slots_at_audit(const char *event, int ready)
{
	if (setting || slots.state == 2)
		return;
	if (slots.state == 0 && ready) {
		slots.state = look_up();
		if (slots.state == 1)
			(void)check_count();
		if (slots.state == 2)
			say_problem("this Python's calls and lines cannot be traced: ", python.text,
				    NULL);
	}
	if (slots.state != 1 || python.current() == NULL)
		return;
	if (!slots.started) {
		if (ready)
			apply();
		return;
	}
	if (strcmp(event, "sys.setprofile") == 0)
		expect_change(PROFILE);
	else if (strcmp(event, "sys.settrace") == 0)
		expect_change(TRACE);
	else if (repair)
		repair_slots(python.current());
	else if (function_in(python.current(), PROFILE) == NULL &&
		 function_in(python.current(), TRACE) == NULL)
		repair_slots(python.current()); /* of another interpreter */
}

void slots_thread_state(void)
{
	void *state;

	if (!slots.started || !tracing_is_on())
		return;
	state = python.of_this_thread();
	if (state != NULL && !is_ours(function_in(state, PROFILE)) &&
	    !is_ours(function_in(state, TRACE)))
		new_state(state);
}
