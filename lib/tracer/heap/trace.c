/* SPDX-License-Identifier: MIT */
/* From events to records. */
#include "trace.h"

#include "event.h"
#include "folding.h"
#include "names.h"
#include "owner.h"
#include "stack.h"
#include "thread.h"

/* Leave the state INSIDE and record again. Returns the thread, with room for an event, or NULL. */
static inline struct thread *come_out(struct thread *t)
{
	if (t == NULL)
		return NULL;
	atomic_store_explicit(&t->state, THREAD_BUSY, memory_order_relaxed);
	if (__builtin_expect(!writer_has_room(&t->writer, EVENT_ROOM), 0))
		return thread_room(t, EVENT_ROOM);
	return t;
}

/* A new block of this thread, from STACK; its place in the order has been taken. */
static inline void add_block(struct thread *t, void *block, size_t size, unsigned allocator,
			     uint32_t stack)
{
	const struct pmt_alloc r = {0, (uintptr_t)block, size, stack};

	fold_note(t, r.addr);
	if (!fold_alloc(t, r.addr, size, allocator, stack))
		pmt_put_alloc(&t->writer.enc, allocator, &r);
}

static inline void put_alloc(struct thread *t, void *block, size_t size, unsigned allocator)
{
	const uint32_t stack = stack_current(t, allocator >= PMT_ALLOCATOR_PYMEM_MALLOC);

	order_pass(t, order_entry((uintptr_t)block));
	add_block(t, block, size, allocator, stack);
}

static inline void put_free(struct thread *t, void *block, unsigned deallocator)
{
	const struct pmt_free r = {.addr = (uintptr_t)block};

	if (fold_free(t, r.addr))
		return;
	order_pass(t, order_entry(r.addr));
	fold_put_soon(t, r.addr, 0);
	pmt_put_free(&t->writer.enc, deallocator, &r);
}

void trace_alloc(void *block, size_t size, unsigned allocator)
{
	struct thread *t = event_begin();

	if (t == NULL)
		return;
	put_alloc(t, block, size, allocator);
	event_end(t);
}

void trace_free(void *block, unsigned deallocator)
{
	struct thread *t = event_begin();

	if (t == NULL)
		return;
	put_free(t, block, deallocator);
	event_end(t);
}

struct thread *trace_inside_free(void *block, unsigned deallocator)
{
	struct thread *t = event_begin();

	if (t == NULL)
		return NULL;
	put_free(t, block, deallocator);
	event_end(t);
	atomic_store_explicit(&t->state, THREAD_INSIDE, memory_order_relaxed);
	return t;
}

void trace_inside_alloc(struct thread *t, void *block, size_t size, unsigned allocator)
{
	t = come_out(t);
	if (t == NULL)
		return;
	put_alloc(t, block, size, allocator);
	event_end(t);
}

void trace_leaving(unsigned entry)
{
	struct thread *t = event_begin();

	if (t == NULL)
		return;
	order_pass(t, entry);
	event_end(t);
}

void trace_left(void *old, unsigned deallocator)
{
	struct pmt_free r = {.addr = (uintptr_t)old};
	struct thread *t = event_begin();

	if (t == NULL)
		return;
	if (!fold_free(t, r.addr)) {
		fold_put_soon(t, r.addr, 0);
		pmt_put_free(&t->writer.enc, deallocator, &r);
	}
	event_end(t);
}

/* What a reallocator's record becomes when it must be split in two. */
static const struct {
	unsigned free;
	unsigned alloc;
} halves[] = {
	[PMT_REALLOCATOR_REALLOC] = {.free = PMT_DEALLOCATOR_REALLOC,
				     .alloc = PMT_ALLOCATOR_REALLOC},
	[PMT_REALLOCATOR_REALLOCARRAY] = {.free = PMT_DEALLOCATOR_REALLOC,
					  .alloc = PMT_ALLOCATOR_REALLOCARRAY},
	[PMT_REALLOCATOR_PYMEM_RAW_REALLOC] = {.free = PMT_DEALLOCATOR_PYMEM_RAW_FREE,
					       .alloc = PMT_ALLOCATOR_PYMEM_RAW_REALLOC},
	[PMT_REALLOCATOR_PYMEM_REALLOC] = {.free = PMT_DEALLOCATOR_PYMEM_FREE,
					   .alloc = PMT_ALLOCATOR_PYMEM_REALLOC},
	[PMT_REALLOCATOR_PYOBJECT_REALLOC] = {.free = PMT_DEALLOCATOR_PYOBJECT_FREE,
					      .alloc = PMT_ALLOCATOR_PYOBJECT_REALLOC},
};

unsigned trace_realloc_allocator(unsigned reallocator)
{
	return reallocator < sizeof(halves) / sizeof(halves[0]) ? halves[reallocator].alloc : 0;
}

/*
 * One record, under the order number that trace_leaving() took. When the new address came from
 * another thread its place is above that number, and the record is split. The new block counts
 * before the end of the old one, as if the program had copied it.
 */
static void put_realloc(struct thread *t, void *old, void *block, size_t size, unsigned reallocator)
{
	const unsigned entry = order_entry((uintptr_t)block);
	const struct pmt_free gone = {.addr = (uintptr_t)old};
	const struct pmt_realloc r = {
		0, gone.addr, (uintptr_t)block, size,
		stack_current(t, reallocator >= PMT_REALLOCATOR_PYMEM_REALLOC)};

	if (fold_realloc(t, gone.addr)) {
		order_pass(t, entry);
		add_block(t, block, size, halves[reallocator].alloc, (uint32_t)r.stack);
	} else if (!order_behind(t, entry)) {
		fold_put_soon(t, gone.addr, 1);
		fold_note(t, r.addr);
		pmt_put_realloc(&t->writer.enc, reallocator, &r);
		order_pass(t, entry); /* leaves the stamp of the new address */
	} else {
		fold_put_soon(t, gone.addr, 1);
		pmt_put_free(&t->writer.enc, halves[reallocator].free, &gone);
		order_pass(t, entry);
		add_block(t, block, size, halves[reallocator].alloc, (uint32_t)r.stack);
	}
}

void trace_realloc(void *old, void *block, size_t size, unsigned reallocator)
{
	struct thread *t = event_begin();

	if (t == NULL)
		return;
	put_realloc(t, old, block, size, reallocator);
	event_end(t);
}

void trace_inside_realloc(struct thread *t, void *old, void *block, size_t size,
			  unsigned reallocator)
{
	t = come_out(t);
	if (t == NULL)
		return;
	put_realloc(t, old, block, size, reallocator);
	event_end(t);
}

/*
 * Mappings that an allocator makes while it is inside are arenas: recorded all the same. Sets
 * INSIDE to where the thread has to go back to.
 */
static struct thread *begin_mapping(int *inside)
{
	struct thread *t = thread_self;

	*inside = atomic_load_explicit(&t->state, memory_order_relaxed) == THREAD_INSIDE;
	return *inside ? come_out(t) : event_begin();
}

static void end_mapping(struct thread *t, int inside)
{
	event_end(t);
	if (inside)
		atomic_store_explicit(&t->state, THREAD_INSIDE, memory_order_relaxed);
}

void trace_leaving_mapping(void)
{
	int inside;
	struct thread *t = begin_mapping(&inside);

	if (t == NULL)
		return;
	order_pass(t, ORDER_MAPPINGS);
	end_mapping(t, inside);
}

void trace_mmap(const struct pmt_mmap *given)
{
	struct pmt_mmap r = *given;
	int inside;
	struct thread *t = begin_mapping(&inside);

	if (t == NULL)
		return;
	r.stack = stack_current(t, 0);
	if (r.arena == OWNER_PROGRAM && inside)
		r.arena = OWNER_PYTHON;
	else if (r.arena == OWNER_PYTHON && !inside)
		r.arena = OWNER_PROGRAM;
	order_pass(t, ORDER_MAPPINGS);
	pmt_put_mmap(&t->writer.enc, 0, &r);
	end_mapping(t, inside);
}

/* The next two take no place in the order: trace_leaving_mapping() took it before the real call. */
void trace_munmap(const struct pmt_munmap *r)
{
	int inside;
	struct thread *t = begin_mapping(&inside);

	if (t == NULL)
		return;
	pmt_put_munmap(&t->writer.enc, 0, r);
	end_mapping(t, inside);
}

void trace_mremap(const struct pmt_mremap *given)
{
	struct pmt_mremap r = *given;
	int inside;
	struct thread *t = begin_mapping(&inside);

	if (t == NULL)
		return;
	r.stack = stack_current(t, 0);
	pmt_put_mremap(&t->writer.enc, 0, &r);
	end_mapping(t, inside);
}

void trace_thread_name(pthread_t handle, const char *name)
{
	struct thread *t = event_begin();
	uint32_t number;

	if (t == NULL)
		return;
	number = thread_number_of(handle);
	/*
	 * Names share the entry of the mappings, so that a later name that another thread gives
	 * has a later place in the order.
	 */
	order_pass(t, ORDER_MAPPINGS);
	if (number != 0)
		thread_put_name(t, number, name);
	if (number == t->number)
		t->events.wanted = 0;
	event_end(t);
}

/*
 * A thread counts a block of its table only while nobody else's stamp is at the block's entry. We
 * leave ours at all of them.
 */
int trace_moment(struct thread *t)
{
	if (fold_write_blocks(t) != 0 || writer_room(&t->writer, 2 * PMT_RECORD_MAX) != 0)
		return -1;
	order_pass_all(t);
	writer_commit(&t->writer);
	return 0;
}

void trace_life(unsigned what, uint64_t value)
{
	struct pmt_process r = {what, value};
	struct thread *t = event_begin();

	if (t == NULL)
		return;
	order_pass(t, ORDER_MAPPINGS);
	pmt_put_process(&t->writer.enc, 0, &r);
	event_end(t);
}

void trace_program_end(void)
{
	struct thread *t = event_begin();

	if (t == NULL)
		return;
	if (trace_moment(t) != 0) {
		thread_stop(t);
		return;
	}
	event_end(t);
	trace_life(PMT_LIFE_PROGRAM_END, 0);
}
