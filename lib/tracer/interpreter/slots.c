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

#include <stdatomic.h>
#include <string.h>

#include "events.h"
#include "names.h"
#include "python.h"
#include "say.h"
#include "slotplace.h"
#include "stack.h"
#include "tracing.h"

/* Arguments of a Py_tracefunc: Include/cpython/pystate.h. */
enum slot_event { CALL, EXCEPTION, LINE, RETURN, C_CALL, C_EXCEPTION, C_RETURN, OPCODE };

typedef int trace_function(void *object, void *frame, int what, void *arg);

enum slot { PROFILE, TRACE, SLOTS };

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
	const struct python_slots *layout;
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

/* Of a thread state. */
static uint32_t offset_of(enum slot slot)
{
	return slot == PROFILE ? slots.layout->profile : slots.layout->trace;
}

static trace_function *function_in(const void *state, enum slot slot)
{
	trace_function *function;

	memcpy(&function, (const char *)state + offset_of(slot), sizeof(function));
	return function;
}

/* The count of trace functions, NULL where there is none. */
static int *count_of(const void *state)
{
	const struct python_slots *l = slots.layout;
	char *interpreter;

	if (l->runtime_count != 0)
		return slots.runtime == NULL ? NULL : (int *)(slots.runtime + l->runtime_count);
	if (l->interpreter_count == 0)
		return NULL;
	memcpy(&interpreter, (const char *)state + l->interpreter, sizeof(interpreter));
	return (int *)(interpreter + l->interpreter_count);
}

/* Put FUNCTION in front; the object stays. Another thread's only with the interpreter's lock. */
static void put_function(void *state, enum slot slot, trace_function *function)
{
	const struct python_slots *l = slots.layout;
	const int added =
		slot == TRACE ? (function != NULL) - (function_in(state, TRACE) != NULL) : 0;
	char *flag = state;
	int on = l->use_tracing_bytes == 1 ? 255 : 1;

	memcpy((char *)state + offset_of(slot), &function, sizeof(function));
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
		say_once(
			PMT_NOTICE_FOREIGN,
			"the program's own profile or trace functions are in more threads than can be kept beside ours");
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

static void record_c(unsigned what, const struct slotplace *p, const void *callable)
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
		const struct slotplace p = slotplace_of(frame);

		switch (what) {
		case CALL:
			if (events_wants(PMT_TRACED_CALLS))
				(void)events_py(slotplace_call(&p), p.code, p.position);
			break;
		case RETURN:
			if (events_wants(PMT_TRACED_CALLS))
				(void)events_py(slotplace_return(&p, arg), p.code, p.position);
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
	const struct slotplace p = slotplace_of(frame);
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
	slots.layout = &python.known->slots;
	python_symbol(&slots.set_trace, "PyEval_SetTrace");
	python_symbol(&slots.runtime, "_PyRuntime");
	python_symbol(&slots.interpreter, "PyInterpreterState_Get");
	if (slots.interpreter == NULL) /* 3.8 */
		python_symbol(&slots.interpreter, "_PyInterpreterState_Get");
	python_symbol(&slots.first_state, "PyInterpreterState_ThreadHead");
	python_symbol(&slots.next_state, "PyThreadState_Next");
	return slots.layout->profile != 0 && slots.set_trace != NULL && slots.interpreter != NULL &&
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
static void apply_slots(void)
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
		apply_slots();
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
			apply_slots();
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
