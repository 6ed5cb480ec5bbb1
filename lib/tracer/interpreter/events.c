/* SPDX-License-Identifier: MIT */
/* Filters and records of the interpreter's events. */
#include "events.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

#include "cfunction.h"
#include "code.h"
#include "event.h"
#include "filter.h"
#include "monitor.h"
#include "order.h"
#include "python.h"
#include "pythreads.h"
#include "rss.h"
#include "slots.h"
#include "stack.h"
#include "sys.h"
#include "tracing.h"

/* The number of a code object whose events are not wanted. */
#define UNWANTED 0U

static struct {
	uint64_t traced;       /* bit set of PMT_TRACED_* that events are recorded of */
	uint64_t trigger;      /* least change of the resident set, 0: each event */
	uint32_t depth;	       /* frames whose events are recorded, 0: all */
	unsigned memory;       /* PMT_LINES_* */
	struct table verdicts; /* number of a code object -> 1 wanted, 2 not */
	_Atomic uint64_t last; /* resident set at the last event that passed the trigger */
} events;

static void take_options(const struct pmt_options *o)
{
	events.traced = o->trace;
	events.trigger = o->rss_trigger == PMT_TRIGGER_PAGE ? getauxval(AT_PAGESZ) : o->rss_trigger;
	events.depth = (uint32_t)o->call_depth;
	events.memory = (unsigned)o->lines;
}

void events_start(void)
{
	const struct pmt_options *o = tracing_options();

	take_options(o);
	atomic_store(&events.last, 0);
	table_clear(&events.verdicts);
	filter_start(o);
	cfunction_reset();
}

static inline int is_traced(unsigned word)
{
	return (events.traced >> word & 1) != 0;
}

int events_wants(unsigned word)
{
	return is_traced(word);
}

/* Do the filters want the code object of this NUMBER? */
static int is_wanted(const void *code, uint32_t number)
{
	uint64_t verdict = filter_is_open() ? 1 : table_get(&events.verdicts, number);

	if (verdict == 0) {
		verdict = filter_code(code) ? 1 : 2;
		(void)stack_definitions();
		(void)table_set(&events.verdicts, number, verdict);
		stack_definitions_done();
	}
	return verdict == 1;
}

static uint32_t look_up(struct thread *t, const void *code)
{
	const unsigned slot = (unsigned)((uintptr_t)code >> 5) % THREAD_CODES;
	const uint64_t epoch = atomic_load_explicit(&code_shared.deaths, memory_order_relaxed);
	uint32_t number = stack_code(code);

	if (t->events.epoch != epoch) {
		memset(t->events.codes, 0, sizeof(t->events.codes));
		t->events.epoch = epoch;
	}
	if (number == CODE_LEFT_OUT || !is_wanted(code, number))
		number = UNWANTED;
	t->events.codes[slot].code = code;
	t->events.codes[slot].number = number;
	return number;
}

static inline uint32_t number_of(struct thread *t, const void *code)
{
	const unsigned slot = (unsigned)((uintptr_t)code >> 5) % THREAD_CODES;

	if (__builtin_expect(t->events.codes[slot].code == code &&
				     t->events.epoch == atomic_load_explicit(&code_shared.deaths,
									     memory_order_relaxed),
			     1))
		return t->events.codes[slot].number;
	return look_up(t, code);
}

int events_thread_wanted(struct thread *t)
{
	char name[16] = "";

	if (t->events.wanted == 0) {
		(void)SYS2(SYS_prctl, PR_GET_NAME, name);
		name[sizeof(name) - 1] = '\0';
		t->events.wanted =
			filter_thread(name) || (t->tid == sys_getpid() && filter_thread("main"))
				? 1
				: 2;
	}
	return t->events.wanted == 1;
}

/*
 * Returns the thread, with room for an event, or NULL when the events of this thread are not
 * wanted.
 */
static inline struct thread *begin_event(void)
{
	struct thread *t = event_begin();

	if (t == NULL)
		return NULL;
	if (__builtin_expect(t->events.wanted != 1, 0) && !events_thread_wanted(t)) {
		event_end(t);
		return NULL;
	}
	return t;
}

/* An event as it goes into the log. */
static inline void put_event(struct thread *t, const struct thread_previous *e)
{
	struct pmt_encoder *enc = &t->writer.enc;

	rss_put(t, e->resident);
	if (e->type == PMT_REC_pyevent) {
		pmt_put_pyevent(enc, e->what, &(struct pmt_pyevent){0, e->code, e->place});
	} else if (e->type == PMT_REC_line) {
		pmt_put_line(enc, 0, &(struct pmt_line){e->code, e->place});
	} else {
		pmt_put_c_event(enc, e->what,
				&(struct pmt_c_event){0, e->code, e->place, e->function});
	}
}

/* The events that the trigger has passed over: the last one is written, the others counted. */
static void put_skipped(struct thread *t)
{
	struct pmt_skipped r = {0, t->events.skipped - 1};

	if (t->events.skipped == 0)
		return;
	pmt_put_skipped(&t->writer.enc, 1, &r);
	put_event(t, &t->events.previous);
	t->events.skipped = 0;
}

/* Does an event at this resident set pass? */
static inline int passes_trigger(uint64_t resident)
{
	const uint64_t last = atomic_load_explicit(&events.last, memory_order_relaxed);

	if ((resident > last ? resident - last : last - resident) < events.trigger)
		return 0;
	atomic_store_explicit(&events.last, resident, memory_order_relaxed);
	return 1;
}

static int has_events(struct thread *t, const void *code)
{
	return number_of(t, code) != UNWANTED;
}

/*
 * At the thread's first event, note the functions that it is in, because they began before. The
 * function that a call has just entered is left out, although its frame is there already.
 */
static void begin_thread(struct thread *t, const struct thread_previous *e)
{
	const int enters = e->type == PMT_REC_pyevent && e->what <= PMT_PYEVENT_THROW;
	const struct pmt_events_begin r = {
		stack_chosen(t, !enters, has_events),
		events.traced >> PMT_TRACED_CALLS << PMT_TRACED_CALLS,
	};

	t->events.begun = 1;
	pmt_put_events_begin(&t->writer.enc, 0, &r);
}

static inline void record_event(struct thread *t, struct thread_previous *e)
{
	if (__builtin_expect(!t->events.begun, 0))
		begin_thread(t, e);
	e->resident = rss_at_event(t);
	if (__builtin_expect(events.trigger != 0, 0)) {
		if (!passes_trigger(e->resident)) {
			t->events.previous = *e;
			t->events.skipped++;
			return;
		}
		order_pass(t, ORDER_MAPPINGS);
		put_skipped(t);
	} else {
		order_pass(t, ORDER_MAPPINGS);
	}
	if (__builtin_expect(events.memory != PMT_LINES_RSS, 0) && e->type == PMT_REC_line &&
	    (events.memory == PMT_LINES_USS || rss_first_line(t, e->code, e->place)))
		rss_put_memory(t);
	put_event(t, e);
}

/*
 * Events deeper than the option allows have no record. The frames are counted at each event,
 * because counting calls and returns would go wrong where the program switches between stacks, or
 * where events were not heard for a while.
 */
static inline int is_deep(void)
{
	return __builtin_expect(events.depth != 0, 0) && stack_is_deeper(events.depth);
}

static inline unsigned word_of(unsigned what)
{
	if (what <= PMT_PYEVENT_UNWIND)
		return PMT_TRACED_CALLS;
	return what == PMT_PYEVENT_EXCEPTION ? PMT_TRACED_EXCEPTIONS : PMT_TRACED_OPCODES;
}

enum events_fate events_py(unsigned what, const void *code, uint32_t position)
{
	struct thread *t = begin_event();
	enum events_fate fate = EVENTS_GO_ON;

	if (t == NULL)
		return EVENTS_GO_ON;
	struct thread_previous e = {PMT_REC_pyevent, what, number_of(t, code), position, 0, 0};

	if (e.code == UNWANTED)
		fate = EVENTS_NEVER;
	else if (is_traced(word_of(what)) && !is_deep())
		record_event(t, &e);
	event_end(t);
	return fate;
}

enum events_fate events_c(unsigned what, const void *code, uint32_t position,
			  const struct cfunction *function)
{
	struct thread *t = begin_event();
	enum events_fate fate = EVENTS_GO_ON;

	if (t == NULL)
		return EVENTS_GO_ON;
	struct thread_previous e = {PMT_REC_c_event, what, number_of(t, code), position, 0, 0};

	if (e.code == UNWANTED) {
		fate = EVENTS_NEVER;
	} else if (is_traced(PMT_TRACED_C_CALLS) && !is_deep()) {
		e.function = cfunction_number(t, function);
		record_event(t, &e);
	}
	event_end(t);
	return fate;
}

enum events_fate events_line(const void *code, uint32_t line)
{
	struct thread *t = begin_event();
	enum events_fate fate = EVENTS_GO_ON;

	if (t == NULL)
		return EVENTS_GO_ON;
	struct thread_previous e = {PMT_REC_line, 0, number_of(t, code), line, 0, 0};

	if (e.code == UNWANTED) {
		fate = EVENTS_NEVER;
	} else if (is_traced(PMT_TRACED_LINES) && !is_deep()) {
		record_event(t, &e);
	}
	event_end(t);
	return fate;
}

void events_notice(unsigned what, const char *text)
{
	struct pmt_notice r = {what, {(const uint8_t *)text, 0}};
	struct thread *t = event_begin();

	if (t == NULL)
		return;
	if (text != NULL)
		r.text.size = (uint32_t)strnlen(text, 255);
	if (writer_room(&t->writer, EVENT_ROOM + r.text.size) != 0) {
		thread_stop(t);
		return;
	}
	pmt_put_notice(&t->writer.enc, 0, &r);
	event_end(t);
}

void events_flush(void)
{
	struct thread *t = events.trigger == 0 ? NULL : event_begin();

	if (t == NULL)
		return;
	if (t->events.skipped != 0) {
		order_pass(t, ORDER_MAPPINGS);
		put_skipped(t);
	}
	event_end(t);
}

static int wants_any(void)
{
	for (unsigned word = PMT_TRACED_CALLS; word <= PMT_TRACED_EXCEPTIONS; word++)
		if (events_wants(word))
			return 1;
	return 0;
}

/*
 * The interpreter is about to run the program: what it imports for itself is over. An application
 * that embeds it has no such event; there the first code that is run on an empty stack is meant.
 */
static int is_ready(const char *event)
{
	return (strncmp(event, "cpython.run_", 12) == 0 ||
		(strcmp(event, "exec") == 0 && !stack_is_deeper(0))) &&
	       python.is_initialized();
}

void events_at_audit(const char *event)
{
	if (!wants_any())
		return;
	if (python.known->has_monitoring)
		monitor_at_audit(is_ready(event));
	else
		slots_at_audit(event, is_ready(event));
}

void events_python_ended(void)
{
	if (python.known->has_monitoring)
		monitor_forget();
}

static void change_engine(void)
{
	if (python.known->has_monitoring)
		monitor_change();
	else
		slots_change();
}

void events_begin(void)
{
	pythreads_begin();
	if (!wants_any())
		return;
	if (python.known->has_monitoring)
		monitor_at_audit(1);
	else
		slots_at_audit("", 1);
	change_engine();
}

void events_change(void)
{
	const int before = wants_any();

	take_options(tracing_options());
	if (!before)
		events_begin();
	else
		change_engine();
}

void events_end(void)
{
	if (!wants_any())
		return;
	events_flush();
	events.traced = 0;
	change_engine();
}
