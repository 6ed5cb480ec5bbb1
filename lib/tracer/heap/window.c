/* SPDX-License-Identifier: MIT */
/*
 * A replay of the log's oldest records, a part at a time.
 *
 * Chunks of different slots overlap in time, so a chunk's records are not all older than those that
 * stay: a block may have been freed by a thread whose chunk is not full yet. So the window begins
 * at a place in the order of all records, the end of the chunk that is dropped. Records of other
 * slots up to there are read in their chunks, which stay, and how far is said with what is held
 * (PMT_HELD_POSITION). Chunks are dropped in the order of their ends, so only one chunk of each
 * slot can lie across that place, and each record is taken in once.
 *
 *	slot 2  |---------A---------|------D---- 		A is dropped
 *	slot 3      |---B---|-----C-----|---			B was dropped before
 *	slot 4   |-----------------E-------------
 *	                            ^ up to here C and E are taken in
 */
#include "window.h"

#include <string.h>
#include <sys/mman.h>

#include "arena.h"
#include "held.h"
#include "logfile.h"
#include "order.h"
#include "places.h"
#include "record.h"
#include "sys.h"
#include "trace.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* Names of further threads are not kept. */
#define THREADS_MAX 65536U

/* A slot's records, as far as they have been taken in. Chunks are their numbers plus 1, 0: none. */
struct feed {
	uint32_t first; /* the one that is being read */
	uint32_t last;	/* the last one that was begun */
	uint32_t sequence;
	uint32_t offset; /* bytes of it that were taken in */
	uint32_t committed;
	uint32_t thread;
	uint32_t position; /* place of its entry + 1 */
	uint32_t active;   /* slot + 1 of the next feed that has records */
	uint32_t moved;	   /* since the last chunk was dropped */
	uint32_t late;	   /* the next alloc was made under an order number smaller by `back` */
	uint64_t back;
	struct pmt_state state;
	struct pmt_chunk *chunk; /* mapped, NULL: not */
};

static struct {
	struct feed *feeds; /* by slot */
	uint32_t room;
	uint32_t threads;
	struct places_key end; /* the window begins behind it */
	uint64_t live_bytes, live_count;
	struct pmt_totals_entry peak;
	uint32_t peak_place; /* + 1 */
	int peak_moved;
	int failed;
} window;

static int is_after(const struct places_key *a, const struct places_key *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns > b->time_ns;
	return a->order != b->order ? a->order > b->order : a->slot > b->slot;
}

static struct places_key key_of(const struct feed *f)
{
	return (struct places_key){f->state.time_ns, f->state.order, (uint32_t)(f - window.feeds)};
}

static struct feed *feed_of(uint32_t slot)
{
	if (slot >= window.room) {
		const uint32_t room = slot < 64 ? 64 : 2 * slot;
		struct feed *feeds = arena_pages(room * sizeof(*feeds), 0);

		if (feeds == NULL)
			return NULL;
		if (window.room != 0) {
			const uint64_t bytes = window.room * sizeof(*feeds);

			memcpy(feeds, window.feeds, bytes);
			arena_give_back(window.feeds, bytes);
		}
		window.feeds = feeds;
		window.room = room;
	}
	return &window.feeds[slot];
}

static void note_begun(uint32_t number, uint32_t slot)
{
	struct feed *f = feed_of(slot);

	if (f == NULL) {
		window.failed = 1;
		return;
	}
	if (f->first == 0) {
		f->first = number + 1;
		f->offset = f->committed = 0;
		f->sequence = UINT32_MAX;
	} else {
		*places_follow(f->last - 1) = number + 1;
	}
	f->last = number + 1;
}

static void unmap_feed(struct feed *f)
{
	if (f->chunk != NULL)
		logfile_unmap(f->chunk);
	f->chunk = NULL;
}

/* Begin with the chunk `first`. */
static void start_feed(struct feed *f)
{
	const struct pmt_chunk *chunk = f->chunk;

	f->sequence = chunk->sequence;
	f->offset = 0;
	f->thread = chunk->thread;
	f->late = 0;
	f->state = (struct pmt_state){.time_ns = chunk->time_ns, .order = chunk->order};
}

/* Records to take in are in F->chunk: 1; there are none now: 0; -1: the log has been stopped. */
static int refill_feed(struct feed *f)
{
	while (f->first != 0) {
		struct pmt_chunk head;

		if (f->chunk == NULL && f->sequence != UINT32_MAX &&
		    logfile_peek(f->first - 1, &head) == 0 && head.committed <= f->offset &&
		    !head.sealed)
			return 0;
		if (f->chunk == NULL)
			f->chunk = logfile_map(f->first - 1);
		if (f->chunk == NULL)
			return -1;
		if (f->sequence == UINT32_MAX)
			start_feed(f);
		/* First: no record comes behind the seal. */
		const uint16_t sealed = __atomic_load_n(&f->chunk->sealed, __ATOMIC_ACQUIRE);

		f->committed = __atomic_load_n(&f->chunk->committed, __ATOMIC_ACQUIRE);
		if (f->offset < f->committed)
			return 1;
		if (!sealed || *places_follow(f->first - 1) == 0)
			return 0;
		f->first = *places_follow(f->first - 1);
		f->sequence = UINT32_MAX;
		unmap_feed(f);
	}
	return 0;
}

static void note_peak(uint64_t time_ns)
{
	if (window.live_bytes <= window.peak.addr)
		return;
	window.peak.addr = window.live_bytes;
	window.peak.what = pmt_held_what(PMT_HELD_PEAK, time_ns);
	window.peak.stack = (uint32_t)window.live_count;
	window.peak.thread = (uint32_t)(window.live_count >> 32);
	window.peak_moved = 1;
}

static void remove_block(uint32_t place)
{
	window.live_bytes -= pmt_held_value(held_at(place));
	window.live_count--;
	held_remove(place);
}

static void end_block(const struct feed *f, uint64_t addr, uint64_t order)
{
	const uint32_t place = held_block(addr);
	const struct pmt_totals_entry entry = {
		.addr = addr,
		.what = pmt_held_what(PMT_HELD_FREE, (uint64_t)(f - window.feeds)),
		.stack = (uint32_t)order,
		.thread = (uint32_t)(order >> 32),
	};

	if (place != HELD_NONE) {
		remove_block(place);
		return;
	}
	/* Perhaps of a block that another thread holds back. */
	if ((logfile_header()->features_incompatible & PMT_FEATURE_FOLDED) != 0 &&
	    atomic_load_explicit(&order_shared.several, memory_order_relaxed))
		(void)held_put(&entry);
}

static void add_block(const struct feed *f, const struct pmt_alloc *r, uint64_t order)
{
	const struct pmt_totals_entry entry = {
		.addr = r->addr,
		.what = pmt_held_what(PMT_HELD_BLOCK + (unsigned)r->allocator, r->size),
		.stack = (uint32_t)r->stack,
		.thread = f->thread,
	};
	uint32_t place;

	if (r->addr == 0)
		return;
	place = held_free(r->addr, order, (uint32_t)(f - window.feeds));
	if (place != HELD_NONE) {
		held_remove(place);
		return;
	}
	place = held_block(r->addr);
	if (place != HELD_NONE)
		remove_block(place);
	if (held_put(&entry) == HELD_NONE)
		return;
	window.live_bytes += pmt_held_value(&entry);
	window.live_count++;
}

static void take_realloc(const struct feed *f, const struct pmt_realloc *r,
			 const struct pmt_state *state)
{
	const struct pmt_alloc block = {trace_realloc_allocator((unsigned)r->reallocator), r->addr,
					r->size, r->stack};

	if (r->old_addr != 0)
		end_block(f, r->old_addr, state->order);
	add_block(f, &block, state->order);
	note_peak(state->time_ns);
}

static uint64_t whole_units(uint64_t size, uint64_t unit)
{
	return (size + unit - 1) & ~(unit - 1);
}

static void put_mapping(const struct pmt_totals_entry *from, uint64_t start, uint64_t end)
{
	struct pmt_totals_entry part = *from;
	const uint64_t flags = pmt_held_value(from) >> 48;

	part.addr = start;
	part.what = pmt_held_what(PMT_HELD_MAPPING, flags << 48 | (end - start));
	if (start < end)
		(void)held_put(&part);
}

static uint64_t end_of(const struct pmt_totals_entry *entry)
{
	return entry->addr + (pmt_held_value(entry) & ((1ULL << 48) - 1));
}

/* Nothing is mapped from START to END any more. What is left of a mapping lies outside. */
static void cut_range(uint64_t start, uint64_t end)
{
	uint32_t place;

	for (uint32_t i = 0; (place = held_mapping(i)) != HELD_NONE;) {
		const struct pmt_totals_entry old = *held_at(place);

		if (old.addr >= end || end_of(&old) <= start) {
			i++;
			continue;
		}
		held_remove(place);
		put_mapping(&old, old.addr, start < old.addr ? old.addr : start);
		put_mapping(&old, end > end_of(&old) ? end_of(&old) : end, end_of(&old));
	}
}

static uint64_t map_flags(const struct pmt_mmap *r)
{
	const uint64_t known = MAP_ANONYMOUS | MAP_PRIVATE | MAP_NORESERVE;

	return (r->prot & 7) | (r->arena != 0 ? PMT_HELD_MAP_ARENA : 0) |
	       (r->flags & MAP_ANONYMOUS ? PMT_HELD_MAP_ANONYMOUS : 0) |
	       (r->flags & MAP_PRIVATE ? PMT_HELD_MAP_PRIVATE : 0) |
	       (r->flags & MAP_NORESERVE ? PMT_HELD_MAP_NORESERVE : 0) |
	       (r->flags & ~known ? PMT_HELD_MAP_OTHER : 0);
}

static void take_mmap(const struct feed *f, const struct pmt_mmap *r)
{
	const unsigned shift = (r->flags >> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
	uint64_t size = whole_units(r->size, logfile_header()->page_bytes);
	const struct pmt_totals_entry entry = {
		.what = pmt_held_what(PMT_HELD_MAPPING, map_flags(r) << 48),
		.stack = (uint32_t)r->stack,
		.thread = f->thread,
	};

	if (r->flags & MAP_HUGETLB)
		size = whole_units(size, 1ULL << (shift == 0 ? 21 : shift));
	cut_range(r->addr, r->addr + size);
	put_mapping(&entry, r->addr, r->addr + size);
}

static void take_mremap(const struct feed *f, const struct pmt_mremap *r)
{
	const uint64_t page = logfile_header()->page_bytes;
	uint64_t flags = PROT_READ | PROT_WRITE | PMT_HELD_MAP_ANONYMOUS | PMT_HELD_MAP_PRIVATE;
	struct pmt_totals_entry entry = {.stack = (uint32_t)r->stack, .thread = f->thread};
	uint32_t place;

	for (uint32_t i = 0; (place = held_mapping(i)) != HELD_NONE; i++)
		if (held_at(place)->addr <= r->old_addr && r->old_addr < end_of(held_at(place)))
			flags = pmt_held_value(held_at(place)) >> 48;
	entry.what = pmt_held_what(PMT_HELD_MAPPING, flags << 48);
	if (r->old_size != 0 && !(r->flags & MREMAP_DONTUNMAP))
		cut_range(r->old_addr, r->old_addr + whole_units(r->old_size, page));
	cut_range(r->addr, r->addr + whole_units(r->size, page));
	put_mapping(&entry, r->addr, r->addr + whole_units(r->size, page));
}

static void take_thread(struct feed *f, const struct pmt_thread *r)
{
	const struct pmt_totals_entry entry = {
		.addr = r->thread,
		.what = pmt_held_what(PMT_HELD_THREAD, r->tid),
	};

	f->thread = (uint32_t)r->thread;
	if (held_thread(f->thread) != HELD_NONE || window.threads == THREADS_MAX)
		return;
	window.threads++;
	(void)held_put(&entry);
}

static void take_name(const struct pmt_thread_name *r)
{
	const uint32_t thread = (uint32_t)r->thread;
	uint32_t place;

	if (held_thread(thread) == HELD_NONE)
		return;
	for (uint32_t part = 0; (place = held_name(thread, part)) != HELD_NONE; part++)
		held_remove(place);
	for (uint32_t part = 0; part * PMT_HELD_NAME_BYTES < r->name.size; part++) {
		const uint8_t *from = r->name.data + part * PMT_HELD_NAME_BYTES;
		const uint32_t left = r->name.size - part * PMT_HELD_NAME_BYTES;
		const uint32_t size = left < PMT_HELD_NAME_BYTES ? left : PMT_HELD_NAME_BYTES;
		struct pmt_totals_entry entry = {.thread = thread};

		entry.what = pmt_held_what(PMT_HELD_NAME, part << 8 | size);
		memcpy(&entry.addr, from, size < 8 ? size : 8);
		if (size > 8)
			memcpy(&entry.stack, from + 8, size - 8);
		(void)held_put(&entry);
	}
}

static void take_alloc(struct feed *f, const struct pmt_alloc *r, const struct pmt_state *state)
{
	const uint64_t order = state->order;

	add_block(f, r, !f->late ? order : f->back < order ? order - f->back : 0);
	f->late = 0;
	note_peak(state->time_ns);
}

static void take_record(struct feed *f, const struct pmt_record *r, const struct pmt_state *state)
{
	switch (r->type) {
	case PMT_REC_alloc:
		take_alloc(f, &r->alloc, state);
		break;
	case PMT_REC_free:
		if (r->free.addr != 0)
			end_block(f, r->free.addr, state->order);
		break;
	case PMT_REC_realloc:
		take_realloc(f, &r->realloc, state);
		break;
	case PMT_REC_birth:
		f->late = 1;
		f->back = r->birth.back;
		break;
	case PMT_REC_mmap:
		take_mmap(f, &r->mmap);
		break;
	case PMT_REC_munmap:
		cut_range(r->munmap.addr,
			  r->munmap.addr +
				  whole_units(r->munmap.size, logfile_header()->page_bytes));
		break;
	case PMT_REC_mremap:
		take_mremap(f, &r->mremap);
		break;
	case PMT_REC_thread:
		take_thread(f, &r->thread);
		break;
	case PMT_REC_thread_name:
		take_name(&r->thread_name);
		break;
	default:
		break;
	}
}

/* Take in records of F until one would come after LIMIT, or there are no more. */
static void run_feed(struct feed *f, const struct places_key *limit)
{
	const uint8_t *begin = (const uint8_t *)(f->chunk + 1);
	struct pmt_decoder d = {begin + f->offset, begin + f->committed, f->state};
	struct pmt_record r;
	int rc;

	f->moved = 1;
	while ((rc = pmt_get_record(&d, &r)) > 0) {
		take_record(f, &r, &d.state);
		if (r.type != PMT_REC_time && r.type != PMT_REC_order)
			continue;
		f->state = d.state;
		const struct places_key key = key_of(f);

		if (is_after(&key, limit))
			break;
	}
	f->state = d.state;
	f->offset = rc < 0 ? f->committed : (uint32_t)(d.cur - begin);
}

/* Make a list of the feeds that have records up to the end. 0 is none, UINT32_MAX a failure. */
static uint32_t find_active(void)
{
	uint32_t list = 0;

	for (uint32_t slot = 0; slot < window.room; slot++) {
		struct feed *f = &window.feeds[slot];
		const struct places_key key = key_of(f);
		int rc;

		if (f->first == 0 || (f->sequence != UINT32_MAX && is_after(&key, &window.end)))
			continue;
		rc = refill_feed(f);
		if (rc < 0)
			return UINT32_MAX;
		if (rc == 0)
			continue;
		f->active = list;
		list = slot + 1;
	}
	return list;
}

/* The link to the earliest feed of the list; LIMIT: where the next one, or the end, comes. */
static uint32_t *earliest_feed(uint32_t *list, struct places_key *limit)
{
	struct places_key best = {UINT64_MAX, UINT64_MAX, UINT32_MAX};
	uint32_t *found = NULL;

	*limit = window.end;
	for (uint32_t *link = list; *link != 0; link = &window.feeds[*link - 1].active) {
		const struct places_key key = key_of(&window.feeds[*link - 1]);

		if (is_after(&key, &best) || found == NULL) {
			if (found != NULL && is_after(limit, &key))
				*limit = key;
			if (found != NULL)
				continue;
		} else if (is_after(limit, &best)) {
			*limit = best;
		}
		best = key;
		found = link;
	}
	return found == NULL || is_after(&best, &window.end) ? NULL : found;
}

static int merge_feeds(void)
{
	uint32_t list = find_active();
	struct places_key limit;
	uint32_t *link;

	if (list == UINT32_MAX)
		return -1;
	while ((link = earliest_feed(&list, &limit)) != NULL) {
		struct feed *f = &window.feeds[*link - 1];
		int rc;

		run_feed(f, &limit);
		rc = refill_feed(f);
		if (rc < 0)
			return -1;
		if (rc == 0)
			*link = f->active;
	}
	return 0;
}

/* Say how far the records of F have been taken in. */
static void put_position(struct feed *f)
{
	const struct pmt_totals_entry entry = {
		.addr = (uint64_t)(f - window.feeds),
		.what = pmt_held_what(PMT_HELD_POSITION, f->offset),
		.stack = f->sequence,
	};

	f->moved = 0;
	if (f->sequence == UINT32_MAX)
		return;
	if (f->position != 0)
		held_remove(f->position - 1);
	/* Without a place (HELD_NONE) it is 0. */
	f->position = held_put(&entry) + 1;
}

static void put_peak(void)
{
	if (!window.peak_moved)
		return;
	window.peak_moved = 0;
	if (window.peak_place != 0)
		held_remove(window.peak_place - 1);
	window.peak_place = held_put(&window.peak) + 1;
}

/* The chunk NUMBER goes; it has been taken in. */
static void leave_block(uint32_t number, uint32_t slot)
{
	struct feed *f = slot < window.room ? &window.feeds[slot] : NULL;

	if (f == NULL || f->first != number + 1)
		return;
	put_position(f);
	f->first = *places_follow(number);
	if (f->first == 0)
		f->last = 0;
	f->sequence = UINT32_MAX;
	f->offset = 0;
}

int window_take_in(uint32_t number, uint32_t drop)
{
	struct places_key end;
	int rc;

	places_end(number, &end);
	if (is_after(&end, &window.end))
		window.end = end;
	held_begin(drop);
	places_visit_begun(note_begun);
	rc = window.failed ? -1 : merge_feeds();
	if (rc == 0)
		leave_block(number, end.slot);
	for (uint32_t slot = 0; slot < window.room; slot++) {
		struct feed *f = &window.feeds[slot];

		if (rc == 0 && f->moved)
			put_position(f);
		unmap_feed(f);
	}
	if (rc == 0)
		put_peak();
	return rc;
}

void window_reset(void)
{
	if (window.room != 0) {
		arena_give_back(window.feeds, window.room * sizeof(struct feed));
	}
	memset(&window, 0, sizeof(window));
}
