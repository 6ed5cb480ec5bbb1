/* SPDX-License-Identifier: MIT */
/* Dropping chunks of events: what they held goes to the totals, what lives on to what is held. */
#include "recycle.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>

#include "fold.h"
#include "held.h"
#include "logfile.h"
#include "names.h"
#include "places.h"
#include "record.h"
#include "say.h"
#include "sys.h"
#include "table.h"
#include "totals.h"
#include "trace.h"
#include "window.h"
#include "writer.h"

/* Chunks of totals, those with entries included: 2 GiB of them with chunks of 64 KiB. */
#define CHUNKS_MAX 32768U

static struct {
	_Atomic int owner;  /* thread that drops a chunk; 0: none */
	_Atomic int closed; /* no more */
	uint32_t count;
	uint32_t used; /* sites of the chunk `sites_in` */
	uint32_t sites_in;
	uint32_t slot;
	struct pmt_chunk *chunks[CHUNKS_MAX];
	struct table sites; /* pmt_fold_key() -> address of the site */
	int said;
} totals;

/* One chunk that is being dropped. */
struct drop {
	uint32_t number;
	struct pmt_totals_numbers numbers; /* what is to be valid */
	int frees;			   /* it has frees */
};

/*
 * A lock that knows its owner: a signal handler that ends the process may find it held by its own
 * thread. Returns 0 with the lock; -1 when this thread holds it, or its owner is gone.
 */
static int take_totals(void)
{
	const struct timespec rest = {0, 100000000};
	const int self = sys_gettid(), pid = sys_getpid();
	int seen = 0;

	while (!atomic_compare_exchange_strong(&totals.owner, &seen, self)) {
		if (seen == self)
			return -1;
		if (SYS4(SYS_futex, &totals.owner, FUTEX_WAIT_PRIVATE, seen, &rest) == -ETIMEDOUT &&
		    /* An owner that has let go may have ended since. */
		    atomic_load(&totals.owner) == seen && SYS3(SYS_tgkill, pid, seen, 0) == -ESRCH)
			return -1;
		seen = 0;
	}
	return 0;
}

static void release_totals(void)
{
	atomic_store(&totals.owner, 0);
	(void)SYS3(SYS_futex, &totals.owner, FUTEX_WAKE_PRIVATE, 1);
}

static struct pmt_totals *totals_body(uint32_t i)
{
	return (struct pmt_totals *)(totals.chunks[i] + 1);
}

/* CHUNK, all zero, becomes one of totals, with room for so many sites and entries. */
static void begin_chunk(struct pmt_chunk *chunk, uint32_t sites, uint32_t entries)
{
	if (totals.count == 0)
		totals.slot = writer_new_slot();
	chunk->kind = PMT_CHUNK_TOTALS;
	chunk->slot = totals.slot;
	chunk->sequence = totals.count;
	chunk->committed = logfile_header()->chunk_bytes - (uint32_t)sizeof(struct pmt_chunk);
	totals.chunks[totals.count] = chunk;
	totals_body(totals.count)->sites = sites;
	totals_body(totals.count)->entries = entries;
	totals.count++;
	/* Last, so that a process killed above leaves no half-made head. */
	__atomic_store_n(&chunk->magic, PMT_CHUNK_MAGIC, __ATOMIC_RELEASE);
}

static uint32_t room_for(size_t bytes)
{
	const size_t heads = sizeof(struct pmt_chunk) + sizeof(struct pmt_totals);

	return (uint32_t)((logfile_header()->chunk_bytes - heads) / bytes);
}

static struct pmt_chunk *grow_log(void)
{
	uint64_t number;

	return totals.count == CHUNKS_MAX ? NULL : logfile_grow(&number);
}

/* Another chunk for sites. Returns 0, or -1 when the log cannot grow. */
static int more_sites(void)
{
	struct pmt_chunk *chunk = grow_log();

	if (chunk == NULL)
		return -1;
	totals.sites_in = totals.count;
	totals.used = 0;
	begin_chunk(chunk, room_for(sizeof(struct pmt_totals_site)), 0);
	return 0;
}

/* CHUNK, all zero, is there for entries from now on. */
static void give_entries(struct pmt_chunk *chunk)
{
	const uint32_t entries = room_for(sizeof(struct pmt_totals_entry));

	begin_chunk(chunk, 0, entries);
	held_give((struct pmt_totals_entry *)((struct pmt_totals *)(chunk + 1) + 1), entries);
}

/* Another chunk for entries, if the log can grow. */
static void more_entries(void)
{
	struct pmt_chunk *chunk = grow_log();

	if (chunk != NULL)
		give_entries(chunk);
}

static uint64_t key_of(uint64_t stack, uint64_t allocator)
{
	return pmt_fold_key((uint32_t)stack, (uint32_t)allocator);
}

/* Make the site of KEY, if there is none; it counts nothing yet. Returns 0, or -1. */
static int reserve_site(uint64_t key)
{
	struct pmt_totals *last;
	struct pmt_totals_site *site;

	if (table_get(&totals.sites, key) != 0)
		return 0;
	last = totals_body(totals.sites_in);
	if (totals.used == last->sites) {
		if (more_sites() != 0)
			return -1;
		last = totals_body(totals.sites_in);
	}
	site = (struct pmt_totals_site *)(last + 1) + totals.used;
	if (table_set(&totals.sites, key, (uintptr_t)site) != 0)
		return -1;
	site->stack = pmt_fold_key_stack(key);
	site->allocator = pmt_fold_key_allocator(key);
	totals.used++;
	return 0;
}

/* A realloc without a new block, and blocks at 0, are no allocations: the key is 0. */
static uint64_t record_key(const struct pmt_record *r)
{
	switch (r->type) {
	case PMT_REC_alloc:
		return key_of(r->alloc.stack, r->alloc.allocator);
	case PMT_REC_realloc:
		return r->realloc.addr == 0
			       ? 0
			       : key_of(r->realloc.stack,
					trace_realloc_allocator((unsigned)r->realloc.reallocator));
	case PMT_REC_folded:
		return key_of(r->folded.stack, r->folded.allocator);
	default:
		return 0;
	}
}

static void add_blocks(const struct drop *drop, uint64_t key, uint64_t count, uint64_t bytes)
{
	struct pmt_totals_site *site =
		(struct pmt_totals_site *)(uintptr_t)table_get(&totals.sites, key);
	const unsigned newer = site->dropped[1] > site->dropped[0], older = !newer;
	unsigned half = newer;

	if (site->dropped[newer] != drop->number) {
		half = older;
		site->halves[older] = site->halves[newer];
		site->dropped[older] = drop->number;
	}
	site->halves[half].count += count;
	site->halves[half].bytes += bytes;
}

static void add_folded(struct drop *drop, const struct pmt_folded *r)
{
	const uint64_t count = r->count0 + r->count1 + r->count;
	const uint64_t bytes = r->bytes0 + r->bytes1 + r->bytes;

	add_blocks(drop, key_of(r->stack, r->allocator), count, bytes);
	drop->numbers.frees += count;
	drop->numbers.folded += count;
	drop->numbers.folded_bytes += bytes;
}

static void add_record(struct drop *drop, const struct pmt_record *r)
{
	switch (r->type) {
	case PMT_REC_time:
	case PMT_REC_order:
	case PMT_REC_birth:
	case PMT_REC_soon:
		break;
	case PMT_REC_alloc:
		add_blocks(drop, record_key(r), 1, r->alloc.size);
		break;
	case PMT_REC_realloc:
		if (r->realloc.addr != 0)
			add_blocks(drop, record_key(r), 1, r->realloc.size);
		drop->numbers.frees += r->realloc.old_addr != 0;
		drop->numbers.reallocs += r->realloc.old_addr != 0 && r->realloc.addr != 0;
		drop->frees |= r->realloc.old_addr != 0;
		break;
	case PMT_REC_free:
		drop->numbers.frees++;
		drop->frees = 1;
		break;
	case PMT_REC_folded:
		add_folded(drop, &r->folded);
		break;
	case PMT_REC_mmap:
	case PMT_REC_munmap:
	case PMT_REC_mremap:
		drop->frees = 1; /* of mappings */
		drop->numbers.others++;
		break;
	case PMT_REC_lost:
		drop->numbers.lost += r->lost.count;
		drop->numbers.others++;
		break;
	default:
		drop->numbers.others++;
		break;
	}
}

static struct pmt_decoder decoder_of(const struct pmt_chunk *chunk)
{
	const uint8_t *start = (const uint8_t *)(chunk + 1);
	const uint32_t room = logfile_header()->chunk_bytes - (uint32_t)sizeof(*chunk);

	return (struct pmt_decoder){
		.cur = start,
		.end = start + (chunk->committed < room ? chunk->committed : room),
		.state = {.time_ns = chunk->time_ns, .order = chunk->order},
	};
}

/* Make all sites that CHUNK needs. Readers see no change. Returns 0, or -1. */
static int prepare_sites(const struct pmt_chunk *chunk)
{
	struct pmt_decoder decoder = decoder_of(chunk);
	struct pmt_record r;

	if (totals.count == 0 && more_sites() != 0)
		return -1;
	if (totals_body(0)->dropped == UINT32_MAX)
		return -1;
	while (pmt_get_record(&decoder, &r) > 0) {
		const uint64_t key = record_key(&r);

		if (key != 0 && reserve_site(key) != 0)
			return -1;
	}
	return 0;
}

static void note_frees(struct pmt_totals_numbers *numbers, uint32_t slot)
{
	if (numbers->frees_from == PMT_TOTALS_FREES_NONE) {
		numbers->frees_from = PMT_TOTALS_FREES_ONE;
		numbers->frees_slot = slot;
	} else if (numbers->frees_slot != slot) {
		numbers->frees_from = PMT_TOTALS_FREES_MORE;
	}
}

/* Add what CHUNK holds to the totals; nothing here can fail. */
static void count_chunk(const struct pmt_chunk *chunk)
{
	struct pmt_totals *first = totals_body(0);
	struct pmt_decoder decoder = decoder_of(chunk);
	struct drop drop = {
		.number = (uint32_t)first->dropped + 1,
		.numbers = first->numbers[first->dropped & 1],
	};
	struct pmt_totals_numbers *numbers = &drop.numbers;
	struct pmt_record r;

	while (pmt_get_record(&decoder, &r) > 0)
		add_record(&drop, &r);
	if (decoder.state.time_ns > numbers->time_ns)
		numbers->time_ns = decoder.state.time_ns;
	if (decoder.state.order > numbers->order)
		numbers->order = decoder.state.order;
	if (drop.frees)
		note_frees(numbers, chunk->slot);
	numbers->slot = chunk->slot;
	numbers->sequence = chunk->sequence;
	first->numbers[drop.number & 1] = *numbers;
	first->missing = held_missing();
	__atomic_store_n(&first->dropped, drop.number, __ATOMIC_RELEASE);
	atomic_signal_fence(memory_order_seq_cst);
}

/* Clear the head's magic number first, so that a reader that comes now finds no chunk here. */
static void clear_chunk(struct pmt_chunk *chunk)
{
	__atomic_store_n(&chunk->magic, 0, __ATOMIC_RELEASE);
	atomic_signal_fence(memory_order_seq_cst);
	memset(chunk, 0, logfile_header()->chunk_bytes);
	atomic_signal_fence(memory_order_seq_cst);
}

/* Drop the oldest chunk; the caller holds the lock. */
static struct pmt_chunk *drop_oldest(uint64_t keep, uint64_t *number)
{
	struct places_key key;
	struct pmt_chunk *chunk;

	if (atomic_load(&totals.closed) || places_count() <= keep)
		return NULL;
	*number = places_take();
	places_end((uint32_t)*number, &key);
	chunk = logfile_map(*number);
	if (chunk == NULL)
		return NULL;
	if (prepare_sites(chunk) != 0) {
		const struct pmt_state end = {.time_ns = key.time_ns, .order = key.order};

		places_add(*number, chunk, &end);
		logfile_unmap(chunk);
		return NULL;
	}
	if (window_take_in((uint32_t)*number, (uint32_t)totals_body(0)->dropped + 1) != 0) {
		logfile_unmap(chunk);
		return NULL;
	}
	count_chunk(chunk);
	held_committed();
	clear_chunk(chunk);
	return chunk;
}

/* Chunks that one dropping may turn into ones for entries. */
#define TURNED_MAX 8

/* What is held takes the places of events, as long as these have more than a quarter. */
static void drop_for_entries(void)
{
	const uint64_t least = logfile_max_chunks() / 4;

	for (int i = 0; i < TURNED_MAX && held_wants() && totals.count < CHUNKS_MAX; i++) {
		uint64_t number;
		struct pmt_chunk *chunk = drop_oldest(least, &number);

		if (chunk == NULL)
			break;
		give_entries(chunk);
	}
}

struct pmt_chunk *recycle_chunk(uint64_t keep, uint64_t *number)
{
	struct pmt_chunk *chunk;
	int say;

	if (take_totals() != 0)
		return NULL;
	held_init(more_entries);
	chunk = drop_oldest(keep, number);
	if (chunk != NULL)
		drop_for_entries();
	say = chunk != NULL && !totals.said;
	totals.said |= say;
	if (say)
		logfile_flag(PMT_FLAG_RECYCLED);
	release_totals();
	if (say)
		say_problem("size limit reached, older events are dropped from now on: ",
			    logfile_path(), NULL);
	return chunk;
}

void recycle_finish(void)
{
	if (take_totals() != 0)
		return;
	if (!atomic_exchange(&totals.closed, 1))
		for (uint32_t i = 0; i < totals.count; i++)
			logfile_seal(totals.chunks[i], 0, logfile_header()->chunk_bytes, NULL);
	release_totals();
}

void recycle_reset(void)
{
	atomic_store(&totals.owner, 0);
	atomic_store(&totals.closed, 0);
	totals.count = 0;
	totals.used = 0;
	totals.said = 0;
	totals.sites_in = 0;
	table_clear(&totals.sites);
	held_reset();
	window_reset();
	places_reset();
}
