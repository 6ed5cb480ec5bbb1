/* SPDX-License-Identifier: MIT */
/* Recording objects. */
#include "objects.h"

#include <string.h>

#include "event.h"
#include "events.h"
#include "folding.h"
#include "logfile.h"
#include "objlive.h"
#include "objtype.h"
#include "objwatch.h"
#include "order.h"
#include "python.h"
#include "reftracer.h"
#include "rss.h"
#include "say.h"
#include "stack.h"
#include "tracing.h"

static struct {
	const char *why;    /* objects cannot be recorded; NULL: they can, as far as is known */
	int chosen_threads; /* not all threads' objects are recorded */
	int told;	    /* the log says what there is to say about this Python */
	unsigned logs;	    /* goes up when another log begins */
	int inferred;	    /* the log says that there are ends that Python did not tell */
} objects;

int objects_running;
__thread struct objects_self objects_self __attribute__((tls_model("initial-exec")));

static const void *type_of(const void *object)
{
	const void *type;

	memcpy(&type, (const char *)object + python.layout.ob_type, sizeof(type));
	return type;
}

/* TEXT is short enough for the room that each event has. */
static void put_notice(struct thread *t, unsigned what, const char *text)
{
	const struct pmt_notice r = {what, {(const uint8_t *)text, (uint32_t)strlen(text)}};

	pmt_put_notice(&t->writer.enc, 0, &r);
}

void objects_notice(unsigned what, const char *text)
{
	struct thread *t = event_begin();

	if (t == NULL)
		return;
	order_pass(t, ORDER_MAPPINGS);
	put_notice(t, what, text);
	event_end(t);
}

static inline void put_destroy(struct thread *t, uintptr_t addr, uint32_t number, unsigned inferred)
{
	const struct pmt_destroy r = {0, addr, number, stack_current(t, 1)};

	order_pass(t, order_entry(addr));
	rss_put(t, rss_at_event(t));
	pmt_put_destroy(&t->writer.enc, inferred, &r);
}

static __attribute__((noinline)) void put_inferred(struct thread *t, uintptr_t addr,
						   uint32_t number)
{
	put_destroy(t, addr, number, 1);
	if (!objects.inferred)
		put_notice(t, PMT_NOTICE_OBJECTS,
			   "ends of objects that Python did not report are taken from its memory");
	objects.inferred = 1;
}

/* Not in this thread's list, or that is out of date. */
static __attribute__((noinline)) uint64_t look_up(const void *type, unsigned slot)
{
	const uint64_t epoch = atomic_load_explicit(&objtype_epoch, memory_order_acquire);
	const uint64_t word = objtype_find(type);
	struct thread *t = thread_self;

	/* Without a state of its own a thread shares one, in which nothing must be left. */
	if (word == 0 || atomic_load_explicit(&t->state, memory_order_relaxed) != THREAD_READY)
		return word;
	if (t->objects.epoch != epoch)
		memset(t->objects.types, 0, sizeof(t->objects.types));
	t->objects.epoch = epoch;
	t->objects.types[slot].type = type;
	t->objects.types[slot].word = word;
	return word;
}

/* The word of a type, 0: it is not known. */
static inline uint64_t word_of(const void *type)
{
	const unsigned slot =
		(unsigned)((uintptr_t)type >> 4 ^ (uintptr_t)type >> 10) % THREAD_TYPES;
	const struct thread_objects *seen = &thread_self->objects;

	if (__builtin_expect(seen->types[slot].type == type &&
				     seen->epoch == atomic_load_explicit(&objtype_epoch,
									 memory_order_acquire),
			     1))
		return seen->types[slot].word;
	return look_up(type, slot);
}

/* Bytes of an object that is being made. Its own words may not be there yet. */
static uint64_t size_of(uint64_t word, uintptr_t block)
{
	if (!(word & OBJTYPE_VARIABLE))
		return objtype_size(word);
	return objects_self.block == block ? objects_self.size - objtype_skip(word) : 0;
}

/*
 * Begin an event of an object whose type has WORD, which is looked up where it is not known, and
 * again if this is the first event of a forked child. NULL: none, or none that is wanted.
 */
static inline struct thread *begin_object(const void *type, uint64_t *word)
{
	const unsigned logs = objects.logs;
	struct thread *t = event_begin();

	if (t == NULL || __builtin_expect(*word != 0 && logs == objects.logs, 1))
		return t;
	*word = objtype_learn(type);
	if (*word != 0 && !(*word & OBJTYPE_REJECTED))
		return t;
	if (*word == 0)
		logfile_lost(1);
	event_end(t);
	return NULL;
}

static void put_create(struct thread *t, uintptr_t addr, uint64_t word)
{
	const uintptr_t block = addr - objtype_skip(word);
	const struct pmt_create r = {addr, objtype_number(word), size_of(word, block),
				     stack_current(t, 1)};
	_Atomic uint32_t *cell = objlive_make(block);
	uint32_t old = 0;

	/* Nobody else knows the block: it is this thread's until the object is there. */
	if (__builtin_expect(cell != NULL, 1)) {
		old = atomic_load_explicit(cell, memory_order_relaxed);
		atomic_store_explicit(cell, objtype_cell(word), memory_order_relaxed);
	}
	objects_self.block = 0;
	if (__builtin_expect(old != 0 && !(old & OBJLIVE_DYING), 0))
		put_inferred(t, addr, old & OBJLIVE_NUMBER);
	fold_reuse(t, block, (uint32_t)r.stack);
	order_pass(t, order_entry(addr));
	rss_put(t, rss_at_event(t));
	pmt_put_create(&t->writer.enc, 0, &r);
}

static inline void record_created(const void *object)
{
	const void *type = type_of(object);
	uint64_t word = word_of(type);
	struct thread *t;

	if (__builtin_expect(word & OBJTYPE_META, 0))
		objtype_gone(object); /* an earlier type was there */
	if (word & OBJTYPE_REJECTED || objects_self.paused)
		return;
	t = begin_object(type, &word);
	if (t == NULL)
		return;
	if (!objects.chosen_threads || events_thread_wanted(t))
		put_create(t, (uintptr_t)object, word);
	event_end(t);
}

/*
 * What is recorded is the end of an object under the type that it was made as. An object that lives
 * on because its finaliser saw to it ends a second time: that is not.
 */
static void end_object(struct thread *t, uintptr_t addr, uint64_t word)
{
	_Atomic uint32_t *cell = objlive_find(addr - objtype_skip(word));
	uint32_t old = cell == NULL ? 0 : atomic_load_explicit(cell, memory_order_relaxed);

	if (old & OBJLIVE_DYING && (old & OBJLIVE_NUMBER) != 0)
		return;
	if ((old & OBJLIVE_NUMBER) == 0 && objects.chosen_threads)
		return;
	if ((old & OBJLIVE_NUMBER) != 0)
		atomic_store_explicit(cell, old | OBJLIVE_DYING, memory_order_relaxed);
	else
		old = objtype_number(word);
	put_destroy(t, addr, old & OBJLIVE_NUMBER, 0);
}

static inline void record_destroyed(const void *object)
{
	const void *type = type_of(object);
	uint64_t word = word_of(type);
	struct thread *t;

	if (__builtin_expect(word & OBJTYPE_META, 0))
		objtype_gone(object);
	if (word & OBJTYPE_REJECTED)
		return;
	t = begin_object(type, &word);
	if (t == NULL)
		return;
	end_object(t, (uintptr_t)object, word);
	event_end(t);
}

/* The other one may have saved ours, and call it in turn. */
static __attribute__((noinline)) int tell_other(const struct reftracer_slot *other, void *object,
						int event)
{
	const void *before = objects_self.told;
	int rc;

	objects_self.told = object;
	rc = other->function(object, event, other->data);
	objects_self.told = before;
	return rc;
}

/* What the interpreter calls. */
static int on_event(void *object, int event, void *data)
{
	const struct reftracer_slot *link = data;

	if (objects_running && object != objects_self.told) {
		if (event == REFTRACER_CREATE)
			record_created(object);
		else if (event == REFTRACER_DESTROY)
			record_destroyed(object);
	}
	return link->function == NULL ? 0 : tell_other(link, object, event);
}

void objects_infer(uintptr_t block, uint32_t cell)
{
	const uintptr_t addr = block + (cell >> OBJLIVE_SKIP_SHIFT & 3) * 16;
	struct thread *t;

	objtype_gone((const void *)addr);
	if ((cell & OBJLIVE_NUMBER) == 0)
		return;
	t = event_begin();
	if (t == NULL)
		return;
	put_inferred(t, addr, cell & OBJLIVE_NUMBER);
	event_end(t);
}

/* Once in each log. */
static void tell_decision(void)
{
	const char *gap;

	if (objects.told)
		return;
	objects.told = 1;
	gap = python_bug(PYTHON_BUG_ENDS);
	if (objects.why != NULL)
		objects_notice(PMT_NOTICE_TOLD, objects.why);
	else if (gap != NULL)
		objects_notice(PMT_NOTICE_OBJECTS, gap);
}

/* Begin. Returns NULL, or why not. */
static const char *start_objects(void)
{
	if (!python.known->tells_objects)
		return "no objects are traced: this needs CPython 3.13 or later";
	if (objtype_start() != 0 || reftracer_start(on_event) != 0)
		return "no objects are traced: this Python's are not understood";
	objects.chosen_threads = tracing_options()->threads[0] != '\0';
	objwatch_start();
	return NULL;
}

void objects_end(void)
{
	if (!objects_running)
		return;
	objects_running = 0;
	reftracer_stop();
	/*
	 * What ends from now on is not seen, so nothing that is known now is good when objects are
	 * recorded again in this log. Without the interpreter's lock others may be at it.
	 */
	if (!python.free_threaded) {
		objlive_reset();
		objtype_forget();
	}
}

void objects_check(void)
{
	if (!tracing_wants(PMT_TRACED_OBJECTS)) {
		objects_end();
		return;
	}
	if (!python.is_initialized() || !tracing_is_own())
		return;
	if (objects_running) {
		reftracer_check();
	} else if (objects.why == NULL) {
		objects.why = start_objects();
		objects_running = objects.why == NULL;
		if (objects.why != NULL)
			say_problem(objects.why, NULL, NULL);
	}
	tell_decision();
}

void objects_look_again(void)
{
	objtype_forget();
}

void objects_reset(void)
{
	objlive_reset();
	objtype_reset();
	objects.logs++;
	objects.told = 0;
	objects.inferred = 0;
}

/* --- garbage collection at the end --- */

/* `gc.collect(generation)`; what the import of the module makes is not the program's. */
static void collect_garbage(long generation)
{
	void *(*import)(const char *name);
	void *(*call)(void *object, const char *name, const char *format, ...);
	void *(*raised)(void);
	void (*clear)(void);
	void (*release)(void *object);
	void *module, *result;

	python_symbol(&import, "PyImport_ImportModule");
	python_symbol(&call, "PyObject_CallMethod");
	python_symbol(&raised, "PyErr_Occurred");
	python_symbol(&clear, "PyErr_Clear");
	python_symbol(&release, "Py_DecRef");
	if (import == NULL || call == NULL || raised == NULL || clear == NULL || release == NULL)
		return;
	if (raised() != NULL)
		return;
	objects_self.paused = 1;
	module = import("gc");
	objects_self.paused = 0;
	result = module == NULL ? NULL : call(module, "collect", "l", generation);
	if (result != NULL)
		release(result);
	if (module != NULL)
		release(module);
	clear();
}

void objects_at_end(void)
{
	const uint64_t when = tracing_options()->gc_at_end;

	if (objects_running && when != PMT_GC_AT_END_NONE && tracing_is_own())
		collect_garbage((long)(when - PMT_GC_AT_END_YOUNG));
}
