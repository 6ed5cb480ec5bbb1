/* SPDX-License-Identifier: MIT */
/* Accounts of the resident set. */
#include "account.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <string.h>
#include <sys/auxv.h>

#include "arena.h"
#include "logfile.h"
#include "names.h"
#include "proc.h"
#include "python.h"
#include "smaps.h"
#include "sys.h"

#define SECOND_NS 1000000000ULL
#define LATER_NS (60 * SECOND_NS) /* before an account of a smaller resident set */
#define FIRST_BYTES (24ULL << 20) /* the first account waits for this, or a second */
#define COST_SHARE 1000		  /* accounts take at most one part in so many of the time */
#define FREE_NS 20000000ULL	  /* and so much besides */
#define END_NS 100000000ULL	  /* the last one: so much, or its share of the time */
#define BYTES_A_NS 90		  /* that are looked at in small pages, about */
#define HEAP_MAX (8ULL << 30)	  /* mallinfo2() walks every free block: not of a larger heap */
#define RANGES 4096		  /* more parts of an account go without their addresses */
#define BUFFER_BYTES 65536
#define WORDS (BUFFER_BYTES / 2 / sizeof(uint64_t))
#define GRAIN_BYTES 65536U    /* a mapping is looked at in pieces of at least this */
#define CELLS 256U	      /* and at most so many */
#define LOOK_MAX (1ULL << 36) /* larger ones are not */

/* mallinfo2 is younger than this library may be. */
struct malloc_figures {
	size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks,
		keepcost;
};

/* A piece of a mapping, whose pages are ours or not. */
struct cell {
	uint64_t start;
	uint64_t end;
	uint64_t pages; /* that are there */
	int own;
};

struct sum {
	uint64_t size;
	uint64_t resident;
	uint64_t swap;
};

extern char pmt_bss_begin[] __asm__("__bss_start") __attribute__((visibility("hidden")));
extern char pmt_bss_end[] __asm__("_end") __attribute__((visibility("hidden")));

static struct {
	int wanted;
	struct malloc_figures (*ask)(void);
	unsigned malloc_state; /* PMT_MALLOCSTATE_* of an account that can ask */
	uint64_t code_start;   /* the interpreter's */
	uint64_t code_end;
	uint64_t begun_ns;
	uint64_t page;
	/* Of the last account. */
	uint64_t number;
	uint64_t resident;
	uint64_t time_ns;
	uint64_t cost_ns;
	uint64_t spent_ns; /* for all */
	/* While one is taken. */
	const struct account_place *place;
	int given_up;
	int pagemap; /* descriptor, or negative */
	unsigned ranges;
	uint64_t heap_bytes; /* of malloc's arenas */
	uint64_t sum;	     /* of what is resident */
	uint64_t shared;     /* of this, in other processes, too */
	struct sum sums[PMT_MEMORY_OWN + 1];
	struct smaps smaps;
	struct cell cells[CELLS];
	char *buffer;
} account;

static uint64_t whole_pages(uint64_t addr)
{
	return (addr + account.page - 1) & ~(account.page - 1);
}

static int find_code(struct dl_phdr_info *info, size_t size, void *context)
{
	uint64_t wanted = *(uint64_t *)context;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uint64_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type != PT_LOAD ||
		    wanted - start >= info->dlpi_phdr[i].p_memsz)
			continue;
		account.code_start = start;
		account.code_end = start + info->dlpi_phdr[i].p_memsz;
		return 1;
	}
	return 0;
}

static void find_malloc(const void *malloc_function)
{
	void *symbol = dlsym(RTLD_DEFAULT, "mallinfo2");
	Dl_info ours, libc;

	account.malloc_state = PMT_MALLOCSTATE_LACKING;
	if (symbol == NULL) {
		(void)dlerror();
		(void)dlerror();
		return;
	}
	account.malloc_state = PMT_MALLOCSTATE_OTHER;
	if (dladdr(symbol, &libc) == 0 || dladdr(malloc_function, &ours) == 0 ||
	    libc.dli_fbase != ours.dli_fbase)
		return;
	memcpy(&account.ask, &symbol, sizeof(symbol));
	account.malloc_state = PMT_MALLOCSTATE_KNOWN;
}

void account_start(int wanted, const void *malloc_function)
{
	uint64_t code = (uintptr_t)python.get_allocator;

	account.wanted = wanted;
	account.page = getauxval(AT_PAGESZ);
	account.begun_ns = sys_clock_ns(CLOCK_MONOTONIC_COARSE);
	if (!wanted || account.malloc_state != PMT_MALLOCSTATE_UNASKED)
		return;
	find_malloc(malloc_function);
	if (code != 0)
		(void)dl_iterate_phdr(find_code, &code);
	uint64_t start = whole_pages((uintptr_t)pmt_bss_begin);

	arena_remember((void *)start, whole_pages((uintptr_t)pmt_bss_end) - start);
}

int account_wanted(void)
{
	return account.wanted;
}

int account_is_python(const void *caller)
{
	return (uintptr_t)caller >= account.code_start && (uintptr_t)caller < account.code_end &&
	       python.of_this_thread != NULL && python.of_this_thread() != NULL;
}

static int gives_up(void)
{
	if (!account.given_up && account.place->pause != NULL)
		account.given_up = account.place->pause();
	return account.given_up;
}

/* Room for a record; 0, or -1 when the log ends here. */
static int need_room(void)
{
	if (account.given_up || writer_room(account.place->writer, 2 * PMT_RECORD_MAX) != 0) {
		account.given_up = 1;
		return -1;
	}
	return 0;
}

static void put_range(uint32_t kind, uint64_t addr, const struct sum *sum)
{
	struct pmt_account_range r = {account.number, kind,	     addr,
				      sum->size,      sum->resident, sum->swap};

	if (need_room() != 0)
		return;
	pmt_put_account_range(&account.place->writer->enc, 0, &r);
	writer_commit(account.place->writer);
}

static void add_sum(uint32_t kind, uint64_t size, uint64_t resident, uint64_t swap)
{
	account.sums[kind].size += size;
	account.sums[kind].resident += resident;
	account.sums[kind].swap += swap;
}

/* Put a record for a part of its own, with its address. */
static void put_part(uint32_t kind, uint64_t start, uint64_t size, uint64_t resident)
{
	const struct sum sum = {size, resident, 0};

	if (account.ranges >= RANGES) {
		add_sum(kind, size, resident, 0);
		return;
	}
	account.ranges++;
	put_range(kind, start, &sum);
}

/*
 * How many pages of [START, END) are there, by /proc/self/pagemap: a word a page. A sandbox may
 * allow no mincore(), but reading files it does. Where that cannot be read, all are.
 */
static uint64_t count_pages(uint64_t start, uint64_t end)
{
	uint64_t *words = (uint64_t *)(void *)(account.buffer + BUFFER_BYTES / 2);
	uint64_t at = start / account.page, left = (end - start) / account.page, pages = 0;

	if (account.pagemap < 0)
		return left;
	while (left != 0 && !gives_up()) {
		uint64_t count = left < WORDS ? left : WORDS;
		long got = sys_pread(account.pagemap, words, count * sizeof(*words),
				     at * sizeof(*words));

		if (got < (long)sizeof(*words))
			break; /* it was unmapped meanwhile */
		count = (uint64_t)got / sizeof(*words);
		for (uint64_t i = 0; i < count; i++)
			pages += words[i] >> 63;
		at += count;
		left -= count;
	}
	return pages;
}

static int is_uniform(const struct cell *cell)
{
	return cell->pages == 0 || cell->pages == (cell->end - cell->start) / account.page;
}

/* Add a cell, or make the one before it longer when both are full, or both empty. */
static unsigned add_cell(unsigned used, const struct cell *cell)
{
	struct cell *before = used != 0 ? &account.cells[used - 1] : NULL;

	if (before != NULL && before->own == cell->own && is_uniform(before) && is_uniform(cell) &&
	    (before->pages == 0) == (cell->pages == 0)) {
		before->end = cell->end;
		before->pages += cell->pages;
		return used;
	}
	account.cells[used] = *cell;
	return used + 1;
}

/* Divide M into cells: ours and others, full, empty, and in between. Returns how many. */
static unsigned divide_mapping(const struct smaps_mapping *m)
{
	uint64_t grain = GRAIN_BYTES;
	unsigned used = 0;

	while (m->size / grain > CELLS / 2)
		grain *= 2;
	for (uint64_t at = m->start; at < m->end;) {
		uint64_t end = (at + grain) & ~(grain - 1);
		struct cell cell = {.start = at};

		if (end > m->end || used == CELLS - 1)
			end = m->end;
		cell.own = used < CELLS - 1 && arena_owns(at, end, &end);
		cell.end = end;
		cell.pages =
			m->resident == m->size ? (end - at) / account.page : count_pages(at, end);
		used = add_cell(used, &cell);
		at = end;
	}
	return used;
}

/*
 * A mapping without a file: neighbours of different use may have become one mapping, so a reader
 * wants to know where its pages are. The kernel's map also has pages of zeros, which are not
 * resident; all cells get their share of what smaps says.
 */
static void put_cells(const struct smaps_mapping *m)
{
	unsigned cells = divide_mapping(m);
	uint64_t pages = 0, left = m->resident / account.page;

	for (unsigned i = 0; i < cells; i++)
		pages += account.cells[i].pages;
	if (pages == 0) {
		put_part(m->kind, m->start, m->size, m->resident);
		return;
	}
	for (unsigned i = 0; i < cells; i++) {
		const struct cell *c = &account.cells[i];
		uint64_t share = c->pages == 0 ? 0 : left * c->pages / pages;

		pages -= c->pages;
		left -= share;
		if (c->own)
			add_sum(PMT_MEMORY_OWN, c->end - c->start, share * account.page, 0);
		else if (share == 0)
			add_sum(m->kind, c->end - c->start, 0, 0);
		else
			put_part(m->kind, c->start, c->end - c->start, share * account.page);
	}
}

static void put_file(const struct smaps_mapping *m)
{
	uint32_t copies = m->kind == PMT_MEMORY_LIBRARY ? PMT_MEMORY_LIBRARY_DATA
			  : m->kind == PMT_MEMORY_OWN	? PMT_MEMORY_OWN
							: PMT_MEMORY_FILE_COPY;

	add_sum(m->kind, m->size, m->resident - m->copied, m->swap);
	add_sum(copies, 0, m->copied, 0);
}

static void on_mapping(void *context, const struct smaps_mapping *m)
{
	(void)context;
	account.sum += m->resident;
	/* The kernel's own pages, such as [vdso], are in every process. */
	if (m->kind != PMT_MEMORY_OTHER)
		account.shared += m->shared;
	switch (m->kind) {
	case PMT_MEMORY_HEAP:
	case PMT_MEMORY_MALLOC_ARENA:
		account.heap_bytes += m->size;
		put_part(m->kind, m->start, m->size, m->resident);
		add_sum(m->kind, 0, 0, m->swap);
		break;
	case PMT_MEMORY_ANONYMOUS:
	case PMT_MEMORY_THREAD_STACK:
	case PMT_MEMORY_LIBRARY_DATA:
		add_sum(m->kind, 0, 0, m->swap);
		if (m->resident == 0)
			add_sum(m->kind, m->size, 0, 0);
		else if (m->size <= LOOK_MAX)
			put_cells(m);
		else
			put_part(m->kind, m->start, m->size, m->resident);
		break;
	default:
		put_file(m);
		break;
	}
}

/* A file of /proc: the descriptor KEPT, or else a new one. */
static int open_file(int kept, const char *path)
{
	return kept > 0 ? kept : (int)sys_open(path, O_RDONLY | O_CLOEXEC, 0);
}

static void close_file(int kept, int fd)
{
	if (fd >= 0 && fd != kept)
		(void)sys_close(fd);
}

/* Feed all of smaps to the parser. 0, or -1. */
static int feed_smaps(int fd)
{
	uint64_t offset = 0;
	long got = -1;

	if (fd < 0)
		return -1;
	smaps_init(&account.smaps, on_mapping, NULL);
	account.smaps.log = logfile_path();
	account.smaps.address = (uintptr_t)feed_smaps;
	while (!gives_up() && (got = sys_pread(fd, account.buffer, BUFFER_BYTES / 2, offset)) > 0) {
		smaps_feed(&account.smaps, account.buffer, (size_t)got);
		offset += (uint64_t)got;
	}
	if (got != 0 || offset == 0)
		return -1;
	smaps_finish(&account.smaps);
	return account.given_up ? -1 : 0;
}

static int read_smaps(void)
{
	const int fd = open_file(account.place->smaps, ACCOUNT_SMAPS);
	int rc;

	account.pagemap = open_file(account.place->pagemap, ACCOUNT_PAGEMAP);
	rc = feed_smaps(fd);
	close_file(account.place->pagemap, account.pagemap);
	close_file(account.place->smaps, fd);
	return rc;
}

static uint64_t read_resident(void)
{
	char text[256];
	const char *p = text;

	if (proc_read(account.place->statm, "/proc/thread-self/statm", text, sizeof(text)) == 0)
		return 0;
	(void)proc_number(&p);
	return proc_number(&p) * account.page;
}

static void ask_malloc(struct pmt_account *r)
{
	struct malloc_figures m;

	r->malloc = account.malloc_state;
	if (account.ask == NULL)
		return;
	m = account.ask();
	r->malloc_arena = m.arena;
	r->malloc_mapped = m.hblkhd;
	r->malloc_used = m.uordblks;
	r->malloc_free = m.fordblks;
	r->malloc_top = m.keepcost;
}

/*
 * The resident set was BEFORE when the parts were begun. A program goes on meanwhile: when it was
 * as large as the sum of the parts between then and now, it is taken to be that.
 */
static uint64_t resident_between(uint64_t before)
{
	const uint64_t after = read_resident();
	const uint64_t low = before < after ? before : after;
	const uint64_t high = before < after ? after : before;

	if (account.sum < low)
		return low;
	return account.sum > high ? high : account.sum;
}

static void put_shared(void)
{
	const struct pmt_account_shared r = {account.number, account.shared};

	if (account.shared == 0 || need_room() != 0)
		return;
	pmt_put_account_shared(&account.place->writer->enc, 0, &r);
	writer_commit(account.place->writer);
}

static void put_account(uint64_t reason, uint64_t before, int ask)
{
	struct pmt_account r = {.number = account.number, .reason = reason};

	r.resident = account.resident = resident_between(before);
	r.cost_ns = account.cost_ns;
	if (ask && account.heap_bytes <= HEAP_MAX)
		ask_malloc(&r);
	else if (account.ask == NULL)
		r.malloc = account.malloc_state;
	if (need_room() != 0)
		return;
	pmt_put_account(&account.place->writer->enc, 0, &r);
	writer_commit(account.place->writer);
}

static void take_account(const struct account_place *place, uint64_t now_ns, uint64_t reason,
			 int ask)
{
	struct writer *w = place->writer;
	struct pmt_time time = {now_ns};
	uint64_t begin = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	uint64_t before;

	if (account.buffer == NULL)
		account.buffer = arena_pages(BUFFER_BYTES, 0);
	if (account.buffer == NULL)
		return;
	account.place = place;
	account.time_ns = now_ns;
	account.number++;
	account.given_up = 0;
	account.ranges = 0;
	account.heap_bytes = account.sum = account.shared = 0;
	memset(account.sums, 0, sizeof(account.sums));
	account.resident = before = read_resident();
	if (need_room() != 0)
		return;
	if (now_ns > w->enc.state.time_ns)
		pmt_put_time(&w->enc, 0, &time);
	if (read_smaps() == 0) {
		account.cost_ns = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
		account.spent_ns += account.cost_ns;
		for (uint32_t kind = 0; kind <= PMT_MEMORY_OWN; kind++)
			if (account.sums[kind].size != 0 || account.sums[kind].resident != 0 ||
			    account.sums[kind].swap != 0)
				put_range(kind, 0, &account.sums[kind]);
		put_shared();
		put_account(reason, before, ask);
	}
	account.place = NULL;
}

/* How long an account will take, by the last one, or as long as small pages take. */
static uint64_t expected_ns(uint64_t resident)
{
	if (account.resident >> 20 == 0)
		return resident / BYTES_A_NS;
	return account.cost_ns * (resident >> 20) / (account.resident >> 20);
}

/* May another one be taken at NOW_NS, when RESIDENT bytes are to be looked at? */
static int is_affordable(uint64_t now_ns, uint64_t resident)
{
	return account.spent_ns + expected_ns(resident) <=
	       FREE_NS + (now_ns - account.begun_ns) / COST_SHARE;
}

void account_poll(const struct account_place *place, uint64_t now_ns, uint64_t resident)
{
	const uint64_t last = account.resident, since = now_ns - account.time_ns;

	if (!account.wanted)
		return;
	if (account.number == 0) {
		if (now_ns - account.begun_ns >= SECOND_NS || resident >= FIRST_BYTES)
			take_account(place, now_ns, PMT_ACCOUNTREASON_PEAK, 0);
	} else if (resident > last && resident - last >= last / 8) {
		if (resident / 2 >= last || is_affordable(now_ns, resident))
			take_account(place, now_ns, PMT_ACCOUNTREASON_PEAK, 0);
	} else if (last > resident && last - resident >= last / 8 && since >= LATER_NS) {
		if (is_affordable(now_ns, resident))
			take_account(place, now_ns, PMT_ACCOUNTREASON_CHANGE, 0);
	}
}

void account_finish(const struct account_place *place, uint64_t now_ns, int ask)
{
	uint64_t expected;

	if (!account.wanted)
		return;
	account.place = place;
	expected = expected_ns(read_resident());
	if (expected > END_NS && expected * COST_SHARE > now_ns - account.begun_ns)
		return;
	take_account(place, now_ns, PMT_ACCOUNTREASON_END, ask);
}

void account_reset(void)
{
	account.number = account.resident = account.time_ns = account.cost_ns = 0;
	account.spent_ns = 0;
	account.place = NULL;
}
