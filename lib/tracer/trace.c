/* SPDX-License-Identifier: MIT */
/* From events to records. */
#include "trace.h"

#include "names.h"
#include "process.h"
#include "stack.h"
#include "thread.h"

/* Room for a record with all that may precede it. */
#define EVENT_ROOM (5 * PMT_RECORD_MAX)

static void put_lost(struct thread *t)
{
	struct pmt_lost r = {t->lost, PMT_LOST_NESTED};

	t->lost = 0;
	pmt_put_lost(&t->writer.enc, 0, &r);
}

/* The thread with room for an event, or NULL when it is not to be recorded. */
static inline struct thread *begin(void)
{
	struct thread *t = thread_enter();

	if (__builtin_expect(t == NULL, 0))
		return NULL;
	if (__builtin_expect(writer_room(&t->writer, EVENT_ROOM) != 0, 0)) {
		thread_stop(t);
		return NULL;
	}
	return t;
}

static inline void end(struct thread *t)
{
	if (__builtin_expect(t->lost != 0, 0))
		put_lost(t);
	writer_commit(&t->writer);
	thread_leave(t);
}

void trace_alloc(void *block, size_t size, unsigned allocator)
{
	struct pmt_alloc r = {.addr = (uintptr_t)block, .size = size};
	struct thread *t;

	if (!process_traces(PMT_TRACED_MALLOC))
		return;
	t = begin();
	if (t == NULL)
		return;
	r.stack = stack_current(t);
	order_pass(t, order_entry((uintptr_t)block));
	pmt_put_alloc(&t->writer.enc, allocator, &r);
	end(t);
}

void trace_free(void *block, unsigned deallocator)
{
	struct pmt_free r = {.addr = (uintptr_t)block};
	struct thread *t;

	if (!process_traces(PMT_TRACED_MALLOC))
		return;
	t = begin();
	if (t == NULL)
		return;
	order_pass(t, order_entry((uintptr_t)block));
	pmt_put_free(&t->writer.enc, deallocator, &r);
	end(t);
}

void trace_leaving(unsigned entry)
{
	struct thread *t;

	if (!process_traced())
		return;
	t = begin();
	if (t == NULL)
		return;
	order_pass(t, entry);
	end(t);
}

void trace_left(void *old, unsigned deallocator)
{
	struct pmt_free r = {.addr = (uintptr_t)old};
	struct thread *t;

	if (!process_traces(PMT_TRACED_MALLOC))
		return;
	t = begin();
	if (t == NULL)
		return;
	pmt_put_free(&t->writer.enc, deallocator, &r);
	end(t);
}

/*
 * One record, under the order number that trace_leaving() took. When the new address came from
 * another thread its place is above that number, and the record is split.
 */
void trace_realloc(void *old, void *block, size_t size, unsigned reallocator)
{
	static const unsigned allocators[] = {
		[PMT_REALLOCATOR_REALLOC] = PMT_ALLOCATOR_REALLOC,
		[PMT_REALLOCATOR_REALLOCARRAY] = PMT_ALLOCATOR_REALLOCARRAY,
	};
	const unsigned entry = order_entry((uintptr_t)block);
	struct thread *t;
	uint64_t stack;

	if (!process_traces(PMT_TRACED_MALLOC))
		return;
	t = begin();
	if (t == NULL)
		return;
	stack = stack_current(t);
	if (!order_behind(t, entry)) {
		struct pmt_realloc r = {0, (uintptr_t)old, (uintptr_t)block, size, stack};

		pmt_put_realloc(&t->writer.enc, reallocator, &r);
		order_pass(t, entry); /* for the new address's stamp */
	} else {
		struct pmt_free gone = {.addr = (uintptr_t)old};
		struct pmt_alloc r = {0, (uintptr_t)block, size, stack};

		pmt_put_free(&t->writer.enc, PMT_DEALLOCATOR_REALLOC, &gone);
		order_pass(t, entry);
		pmt_put_alloc(&t->writer.enc, allocators[reallocator], &r);
	}
	end(t);
}

/* munmap and mremap have had their place since trace_leaving(). */
#define TRACE_MAPPING(name)                                                                        \
	void trace_##name(const struct pmt_##name *given)                                          \
	{                                                                                          \
		struct pmt_##name r = *given;                                                      \
		struct thread *t;                                                                  \
                                                                                                   \
		if (!process_traces(PMT_TRACED_MMAP))                                              \
			return;                                                                    \
		t = begin();                                                                       \
		if (t == NULL)                                                                     \
			return;                                                                    \
		SET_STACK_##name(t);                                                               \
		PLACE_##name(t);                                                                   \
		pmt_put_##name(&t->writer.enc, 0, &r);                                             \
		end(t);                                                                            \
	}
#define SET_STACK_mmap(t) r.stack = stack_current(t)
#define SET_STACK_mremap(t) r.stack = stack_current(t)
#define SET_STACK_munmap(t) (void)0
#define PLACE_mmap(t) order_pass(t, ORDER_MAPPINGS)
#define PLACE_mremap(t) (void)0
#define PLACE_munmap(t) (void)0

TRACE_MAPPING(mmap)
TRACE_MAPPING(munmap)
TRACE_MAPPING(mremap)

void trace_life(unsigned what, uint64_t value)
{
	struct pmt_process r = {what, value};
	struct thread *t;

	if (!process_traced())
		return;
	t = begin();
	if (t == NULL)
		return;
	order_pass(t, ORDER_MAPPINGS);
	pmt_put_process(&t->writer.enc, 0, &r);
	end(t);
}
