/* SPDX-License-Identifier: MIT */
/* Accounts of the resident set; the rules are in the header. */
#include "account.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "error.h"

/* A tracer writes a few thousand; a log may say what it likes. */
#define RANGES_MAX 100000U
/* An account that is taken this early tells what the process had before its log began. */
#define BEFORE_NS 1000000000U

const char *const account_part_names[ACCOUNT_PARTS] = {
	"C heap (malloc)",     "Python's arenas", "the program's mappings",
	"other anonymous",     "stacks",	  "programs, libraries",
	"their data",	       "file mappings",	  "written copies",
	"shared memory",       "the tracer",	  "other",
	"from before the log",
};

const char *const account_part_keys[ACCOUNT_PARTS] = {
	"c_heap", "python_arenas", "mapped", "anonymous", "stacks", "libraries", "library_data",
	"files",  "file_copies",   "shared", "tracer",	  "other",  "before",
};

/* The part of a kind of memory, as far as the kernel alone can tell. */
static enum account_part part_of(uint64_t kind)
{
	static const enum account_part parts[] = {
		[PMT_MEMORY_OTHER] = ACCOUNT_OTHER,
		[PMT_MEMORY_HEAP] = ACCOUNT_HEAP,
		[PMT_MEMORY_MALLOC_ARENA] = ACCOUNT_HEAP,
		[PMT_MEMORY_ANONYMOUS] = ACCOUNT_ANONYMOUS,
		[PMT_MEMORY_RESERVED] = ACCOUNT_OTHER,
		[PMT_MEMORY_STACK] = ACCOUNT_STACKS,
		[PMT_MEMORY_THREAD_STACK] = ACCOUNT_STACKS,
		[PMT_MEMORY_LIBRARY] = ACCOUNT_LIBRARIES,
		[PMT_MEMORY_LIBRARY_DATA] = ACCOUNT_LIBRARY_DATA,
		[PMT_MEMORY_FILE] = ACCOUNT_FILES,
		[PMT_MEMORY_FILE_COPY] = ACCOUNT_FILE_COPIES,
		[PMT_MEMORY_SHARED] = ACCOUNT_SHARED,
		[PMT_MEMORY_OWN] = ACCOUNT_TRACER,
	};

	return kind < sizeof(parts) / sizeof(parts[0]) ? parts[kind] : ACCOUNT_OTHER;
}

static void add_value(uint64_t *sum, uint64_t value)
{
	if (__builtin_add_overflow(*sum, value, sum))
		*sum = UINT64_MAX;
}

static uint64_t subtract_capped(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void owner_changed(void *context, uint32_t site, enum mapping_class class, int64_t bytes,
			  int count)
{
	struct account *account = context;

	(void)class;
	(void)count;
	account->owned_bytes[site] += (uint64_t)bytes;
}

void account_init(struct account *account, const struct pmt_header *header)
{
	memset(account, 0, sizeof(*account));
	mappings_init(&account->owners, header->page_bytes, owner_changed, account);
	account->forked = (header->live.flags & 1U << PMT_FLAG_FORKED) != 0;
	account->has_before = account->forked || (header->live.flags & 1U << PMT_FLAG_LATE) != 0;
	account->sees_python = (header->traced & 1U << PMT_TRACED_PYMEM) != 0;
	account->free_threaded = (header->live.flags & 1U << PMT_FLAG_FREE_THREADED) != 0;
	if (header->python_version != 0 && !account->free_threaded)
		account->arena_bytes = header->python_version >= 0x030a0000 ? 1U << 20 : 256U << 10;
}

void account_fini(struct account *account)
{
	mappings_fini(&account->owners);
	free(account->ranges.list);
}

static void add_blocks(struct account_blocks *sum, const struct account_blocks *more)
{
	sum->count += more->count;
	sum->bytes += more->bytes;
	sum->rounded_bytes += more->rounded_bytes;
}

void account_inherit(struct account *account, struct account *parent)
{
	mappings_fini(&account->owners);
	account->owners = parent->owners;
	account->owners.context = account;
	mappings_init(&parent->owners, account->owners.page_bytes, owner_changed, parent);
	memcpy(account->owned_bytes, parent->owned_bytes, sizeof(account->owned_bytes));
	account->malloc_before = parent->malloc_before;
	account->python_before = parent->python_before;
	add_blocks(&account->malloc_before, &parent->malloc);
	add_blocks(&account->python_before, &parent->python);
	account->malloc_maps |= parent->malloc_maps;
	account->before_known = true;
}

void account_block_large(struct account *account, uint64_t addr, uint64_t size, int count)
{
	const struct pmt_mmap block = {.addr = addr - 16,
				       .size = size + 16,
				       .prot = PROT_READ | PROT_WRITE,
				       .flags = MAP_PRIVATE | MAP_ANONYMOUS};
	const struct pmt_munmap gone = {.addr = addr - 16, .size = size + 16};

	if (size > UINT64_MAX / 2)
		return;
	if (count > 0)
		mappings_mmap(&account->owners, &block, ACCOUNT_BY_MALLOC);
	else
		mappings_munmap(&account->owners, &gone);
}

/* Where Python's blocks are not recorded its arenas are not marked, but known by their size. */
static bool is_arena(const struct account *account, const struct pmt_mmap *record)
{
	if (account->sees_python || record->arena != 0)
		return record->arena != 0;
	return account->arena_bytes != 0 && record->size == account->arena_bytes &&
	       record->flags == (MAP_PRIVATE | MAP_ANONYMOUS) &&
	       record->prot == (PROT_READ | PROT_WRITE);
}

static enum account_owner owner_of(const struct account *account, const struct pmt_mmap *record)
{
	if (record->arena == MAPPING_BY_MALLOC)
		return ACCOUNT_BY_MALLOC;
	return is_arena(account, record) ? ACCOUNT_BY_PYTHON : ACCOUNT_BY_PROGRAM;
}

static void on_mmap(struct account *account, const struct pmt_mmap *record)
{
	const struct pmt_munmap gone = {record->addr, record->size};

	if (record->arena == MAPPING_BY_MALLOC)
		account->malloc_maps = true;
	if (record->flags & MAP_ANONYMOUS)
		mappings_mmap(&account->owners, record, owner_of(account, record));
	else
		mappings_munmap(&account->owners, &gone);
}

static void on_range(struct account *account, const struct pmt_account_range *record)
{
	struct account_ranges *ranges = &account->ranges;

	if (ranges->count != 0 && ranges->list[0].account != record->account)
		ranges->count = 0; /* an account that was not finished */
	if (ranges->count >= RANGES_MAX)
		return;
	if (ranges->count == ranges->room) {
		ranges->room = ranges->room == 0 ? 256 : ranges->room * 2;
		ranges->list = realloc(ranges->list, ranges->room * sizeof(*ranges->list));
		if (ranges->list == NULL)
			die(EXIT_DATA, "out of memory");
	}
	ranges->list[ranges->count++] = *record;
}

static void add_overlap(void *context, uint32_t site, uint64_t bytes)
{
	uint64_t *overlaps = context;

	overlaps[site] += bytes;
}

/* A part of the kernel's, divided among its owners. OWNED: what malloc's large blocks have of it.
 */
static void add_range(struct account *account, struct account_view *view,
		      const struct pmt_account_range *range, uint64_t *owned)
{
	static const enum account_part parts[ACCOUNT_OWNERS] = {ACCOUNT_HEAP, ACCOUNT_ARENAS,
								ACCOUNT_MAPPED, ACCOUNT_BEFORE};
	const enum account_part part = part_of(range->kind);
	const bool divided = range->kind == PMT_MEMORY_ANONYMOUS ||
			     range->kind == PMT_MEMORY_THREAD_STACK ||
			     range->kind == PMT_MEMORY_LIBRARY_DATA ||
			     range->kind == PMT_MEMORY_MALLOC_ARENA; /* by its shape only */
	uint64_t overlaps[ACCOUNT_OWNERS] = {0};
	uint64_t left = range->resident;
	uint64_t size = range->size;

	if (range->addr != 0 && size != 0 && size < UINT64_MAX - range->addr)
		mappings_visit(&account->owners, range->addr, range->addr + size, add_overlap,
			       overlaps);
	if (part == ACCOUNT_HEAP) {
		*owned += overlaps[ACCOUNT_BY_MALLOC];
		overlaps[ACCOUNT_BY_MALLOC] = 0;
	}
	for (int i = 0; divided && i < ACCOUNT_OWNERS; i++) {
		uint64_t share = (uint64_t)((long double)range->resident *
					    (long double)overlaps[i] / (long double)range->size);

		if (overlaps[i] == 0)
			continue;
		share = share < left ? share : left;
		left -= share;
		size = subtract_capped(size, overlaps[i]);
		add_value(&view->resident[parts[i]], share);
	}
	add_value(&view->resident[part], left);
	add_value(&view->mapped[part], size);
	add_value(&view->swap_bytes, range->swap);
}

struct gaps {
	struct account *account;
	uint64_t known; /* bytes of the range that have an owner */
};

static void add_known(void *context, uint32_t site, uint64_t bytes)
{
	struct gaps *gaps = context;

	(void)site;
	gaps->known += bytes;
}

/* A range none of whose bytes has a known owner is given to ACCOUNT_BY_NOBODY as a whole. */
static void fill_gaps(struct account *account, const struct pmt_account_range *range)
{
	const struct pmt_mmap before = {.addr = range->addr,
					.size = range->size,
					.prot = PROT_READ | PROT_WRITE,
					.flags = MAP_PRIVATE | MAP_ANONYMOUS};
	struct gaps gaps = {account, 0};

	mappings_visit(&account->owners, range->addr, range->addr + range->size, add_known, &gaps);
	if (gaps.known == 0)
		mappings_mmap(&account->owners, &before, ACCOUNT_BY_NOBODY);
}

/*
 * The first account of a process that was there before its log: what is nobody's was there before,
 * or came past the hooks in the moment since. It stays what it is.
 */
static void note_before(struct account *account, uint64_t time_ns)
{
	const struct account_ranges *ranges = &account->ranges;

	if (!account->has_before || account->accounts != 0 || time_ns > BEFORE_NS)
		return;
	for (uint32_t i = 0; i < ranges->count; i++) {
		const struct pmt_account_range *range = &ranges->list[i];

		if (range->addr != 0 && range->size < UINT64_MAX - range->addr &&
		    (range->kind == PMT_MEMORY_ANONYMOUS || range->kind == PMT_MEMORY_LIBRARY_DATA))
			fill_gaps(account, range);
	}
}

/* HELD of ROUNDED bytes lie in SIZE bytes, of which RESIDENT are there. */
static void fill_store(struct account_store *store, const struct account_blocks *blocks,
		       uint64_t size, uint64_t resident)
{
	store->blocks = blocks->count;
	store->held_bytes = blocks->bytes;
	store->overhead_bytes = subtract_capped(blocks->rounded_bytes, blocks->bytes);
	store->kept_bytes = subtract_capped(size, blocks->rounded_bytes);
	store->untouched_bytes = subtract_capped(size, resident);
	store->known = size >= blocks->rounded_bytes;
}

/* Blocks from before the log take a part of what is in no block of the log. */
static void fill_before(const struct account *account, struct account_store *store,
			const struct account_blocks *before)
{
	if (!account->has_before)
		return;
	store->before_bytes = before->rounded_bytes < store->kept_bytes ? before->rounded_bytes
									: store->kept_bytes;
	store->kept_bytes -= store->before_bytes;
	store->known &= account->before_known;
}

/* malloc itself knows better what is free: it has blocks from before the log, too. */
static void use_malloc_figures(const struct account *account, struct account_view *view)
{
	const struct pmt_account *record = &view->record;
	struct account_store *heap = &view->heap;
	const uint64_t size = view->mapped[ACCOUNT_HEAP];

	const uint64_t rounded = heap->held_bytes + heap->overhead_bytes;

	if (record->malloc != PMT_MALLOCSTATE_KNOWN || record->malloc_arena == 0 ||
	    size < rounded || record->malloc_free > size ||
	    size - record->malloc_free < heap->held_bytes)
		return;
	heap->kept_bytes = record->malloc_free;
	if (account->has_before) {
		heap->before_bytes = subtract_capped(size - record->malloc_free, rounded);
		heap->known = true;
	} else {
		heap->overhead_bytes =
			subtract_capped(size - record->malloc_free, heap->held_bytes);
	}
}

static void fill_stores(struct account *account, struct account_view *view, uint64_t in_heap)
{
	struct account_blocks heap = account->malloc, before = account->malloc_before;
	const bool arenas = account->owned_bytes[ACCOUNT_BY_PYTHON] != 0;

	add_value(&view->mapped[ACCOUNT_HEAP],
		  subtract_capped(account->owned_bytes[ACCOUNT_BY_MALLOC], in_heap));
	view->mapped[ACCOUNT_ARENAS] = account->owned_bytes[ACCOUNT_BY_PYTHON];
	view->mapped[ACCOUNT_MAPPED] = account->owned_bytes[ACCOUNT_BY_PROGRAM];
	if (!arenas) { /* PYTHONMALLOC=malloc */
		add_blocks(&heap, &account->python);
		add_blocks(&before, &account->python_before);
	} else if (account->sees_python) {
		fill_store(&view->arenas, &account->python, view->mapped[ACCOUNT_ARENAS],
			   view->resident[ACCOUNT_ARENAS]);
		fill_before(account, &view->arenas, &account->python_before);
	}
	fill_store(&view->heap, &heap, view->mapped[ACCOUNT_HEAP], view->resident[ACCOUNT_HEAP]);
	fill_before(account, &view->heap, &before);
	if (view->record.malloc == PMT_MALLOCSTATE_OTHER)
		view->heap.known = false;
	use_malloc_figures(account, view);
}

static void on_account(struct account *account, const struct pmt_account *record, uint64_t time_ns)
{
	struct account_view *view = &account->last;
	const struct account_ranges *ranges = &account->ranges;
	uint64_t in_heap = 0;

	if (ranges->count == 0 || ranges->list[0].account != record->number)
		return;
	memset(view, 0, sizeof(*view));
	view->time_ns = time_ns;
	view->rss_bytes = record->resident;
	view->record = *record;
	if (account->shared.account == record->number)
		view->shared_bytes = account->shared.bytes;
	note_before(account, time_ns);
	for (uint32_t i = 0; i < ranges->count; i++) {
		if (ranges->list[i].kind == PMT_MEMORY_RESERVED)
			add_value(&view->reserved_bytes, ranges->list[i].size);
		else
			add_range(account, view, &ranges->list[i], &in_heap);
	}
	/* Untouched mappings of known owners are among these; and copies lie where the files do. */
	view->mapped[ACCOUNT_ANONYMOUS] = 0;
	view->mapped[ACCOUNT_BEFORE] = 0;
	view->mapped[ACCOUNT_LIBRARY_DATA] = view->mapped[ACCOUNT_FILE_COPIES] = 0;
	fill_stores(account, view, in_heap);
	account->ranges.count = 0;
	if (account->accounts++ == 0 || view->rss_bytes >= account->peak.rss_bytes)
		account->peak = *view;
}

void account_record(struct account *account, const struct pmt_record *record, uint64_t time_ns)
{
	switch (record->type) {
	case PMT_REC_mmap:
		on_mmap(account, &record->mmap);
		break;
	case PMT_REC_munmap:
		mappings_munmap(&account->owners, &record->munmap);
		break;
	case PMT_REC_mremap:
		mappings_mremap(&account->owners, &record->mremap, ACCOUNT_BY_PROGRAM);
		break;
	case PMT_REC_account_range:
		on_range(account, &record->account_range);
		break;
	case PMT_REC_account_shared:
		account->shared = record->account_shared;
		break;
	case PMT_REC_account:
		on_account(account, &record->account, time_ns);
		break;
	default:
		break;
	}
}

void account_lacks_events(struct account *account)
{
	account->incomplete = true;
	account->peak.heap.known = account->peak.arenas.known = false;
	account->last.heap.known = account->last.arenas.known = false;
}

int64_t account_unexplained(const struct account_view *view)
{
	uint64_t sum = 0;

	for (int i = 0; i < ACCOUNT_PARTS; i++)
		add_value(&sum, view->resident[i]);
	if (sum > view->rss_bytes)
		return sum - view->rss_bytes > INT64_MAX ? INT64_MIN
							 : -(int64_t)(sum - view->rss_bytes);
	return view->rss_bytes - sum > INT64_MAX ? INT64_MAX : (int64_t)(view->rss_bytes - sum);
}
