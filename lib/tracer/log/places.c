/* SPDX-License-Identifier: MIT */
/* A binary heap of places; new ones come by lists without a lock. */
#include "places.h"

#include <stdatomic.h>
#include <stddef.h>

#include "arena.h"
#include "sys.h"

/* Links are numbers plus 1, 0 for none. */
struct place {
	uint64_t time_ns; /* these two of the chunk's last record */
	uint64_t order;
	uint32_t sequence;
	uint32_t slot;
	uint32_t next;	 /* in the list of sealed ones */
	uint32_t begun;	 /* in the list of those that have been begun */
	uint32_t follow; /* the next chunk of the slot */
	uint32_t heap;	 /* not of this place: the heap's entry of this index */
};

/* Chunks beyond the last block are never taken again: at 64 KiB a chunk, those beyond 1 TiB. */
#define BLOCK_PLACES 1024U
#define BLOCKS 16384U
#define BLOCK_BYTES (BLOCK_PLACES * sizeof(struct place))

static struct {
	struct place *_Atomic blocks[BLOCKS];
	_Atomic uint32_t added; /* the list of sealed ones, as in `next` */
	_Atomic uint32_t begun; /* the list of those that have been begun, as in `begun` */
	uint32_t count;		/* in the heap */
} places;

static struct place *find_place(uint32_t number)
{
	return atomic_load_explicit(&places.blocks[number / BLOCK_PLACES], memory_order_acquire) +
	       number % BLOCK_PLACES;
}

/* The place, made if it is not there. */
static struct place *make_place(uint64_t number)
{
	struct place *made, *block;

	if (number >= (uint64_t)BLOCKS * BLOCK_PLACES)
		return NULL;
	block = atomic_load_explicit(&places.blocks[number / BLOCK_PLACES], memory_order_acquire);
	if (block == NULL) {
		made = arena_pages(BLOCK_BYTES, 0);
		if (made == NULL)
			return NULL;
		if (!atomic_compare_exchange_strong(&places.blocks[number / BLOCK_PLACES], &block,
						    made)) {
			arena_give_back(made, BLOCK_BYTES);
		}
	}
	return find_place((uint32_t)number);
}

/* Heap entries lie in the places from 0 on, which are made as it grows. */
static uint32_t *heap_entry(uint32_t i)
{
	return &find_place(i)->heap;
}

static int is_before(uint32_t a, uint32_t b)
{
	const struct place *x = find_place(a), *y = find_place(b);

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns;
	if (x->order != y->order)
		return x->order < y->order;
	return x->sequence < y->sequence;
}

static void heap_push(uint32_t number)
{
	uint32_t i = places.count;

	if (make_place(i) == NULL)
		return;
	places.count++;
	for (; i != 0 && is_before(number, *heap_entry((i - 1) / 2)); i = (i - 1) / 2)
		*heap_entry(i) = *heap_entry((i - 1) / 2);
	*heap_entry(i) = number;
}

static uint32_t heap_pop(void)
{
	const uint32_t first = *heap_entry(0), moved = *heap_entry(--places.count);
	uint32_t i = 0;

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= places.count)
			break;
		if (child + 1 < places.count &&
		    is_before(*heap_entry(child + 1), *heap_entry(child)))
			child++;
		if (!is_before(*heap_entry(child), moved))
			break;
		*heap_entry(i) = *heap_entry(child);
		i = child;
	}
	*heap_entry(i) = moved;
	return first;
}

int places_begin(uint64_t number, uint32_t slot)
{
	struct place *p = make_place(number);
	uint32_t seen = atomic_load(&places.begun);

	if (p == NULL)
		return -1;
	p->slot = slot;
	p->follow = 0;
	do
		p->begun = seen;
	while (!atomic_compare_exchange_weak(&places.begun, &seen, (uint32_t)number + 1));
	return 0;
}

void places_visit_begun(void (*visit)(uint32_t number, uint32_t slot))
{
	uint32_t next = atomic_exchange(&places.begun, 0), first = 0;

	/* The last one comes first in the list. */
	while (next != 0) {
		struct place *p = find_place(next - 1);
		const uint32_t after = p->begun;

		p->begun = first;
		first = next;
		next = after;
	}
	for (; first != 0; first = next) {
		next = find_place(first - 1)->begun;
		visit(first - 1, find_place(first - 1)->slot);
	}
}

uint32_t *places_follow(uint32_t number)
{
	return &find_place(number)->follow;
}

void places_end(uint32_t number, struct places_key *end)
{
	const struct place *p = find_place(number);

	*end = (struct places_key){p->time_ns, p->order, p->slot};
}

void places_add(uint64_t number, const struct pmt_chunk *chunk, const struct pmt_state *end)
{
	struct place *p = make_place(number);
	uint32_t seen = atomic_load(&places.added);

	if (p == NULL)
		return;
	p->time_ns = end->time_ns;
	p->order = end->order;
	p->sequence = chunk->sequence;
	do
		p->next = seen;
	while (!atomic_compare_exchange_weak(&places.added, &seen, (uint32_t)number + 1));
}

uint64_t places_count(void)
{
	uint32_t next = atomic_exchange(&places.added, 0);

	while (next != 0) {
		const uint32_t number = next - 1;

		next = find_place(number)->next;
		heap_push(number);
	}
	return places.count;
}

uint64_t places_take(void)
{
	return places_count() == 0 ? PLACES_NONE : heap_pop();
}

void places_reset(void)
{
	for (uint32_t i = 0; i < BLOCKS; i++) {
		struct place *block = atomic_load(&places.blocks[i]);

		if (block == NULL)
			continue;
		atomic_store(&places.blocks[i], NULL);
		arena_give_back(block, BLOCK_BYTES);
	}
	atomic_store(&places.added, 0);
	atomic_store(&places.begun, 0);
	places.count = 0;
}
