/* SPDX-License-Identifier: MIT */
/* Taking a census. */
#include "census.h"

#include <string.h>

#include "names.h"
#include "order.h"
#include "pymemtrace.h"
#include "python.h"
#include "real.h"
#include "sys.h"
#include "thread.h"
#include "tracing.h"
#include "trace.h"
#include "typeinfo.h"
#include "types.h"

#define PAGE 4096U
/* Packed blocks of one record. */
#define PACKED_MAX 8000U
#define LABEL_MAX 1000U
/* Pages that are asked for at once: as many as a census has room for the answer. */
#define PAGES_AT_ONCE 4096U

static struct {
	uint64_t number;
	int at_end; /* that of the end has been taken */
	uint64_t interval_ns;
	_Atomic int looking; /* one of the interval is being taken */
} censuses;

/* One census while it is taken; in pages of its own. */
struct census {
	struct thread *thread;
	struct typeinfo info;
	uint64_t none;
	uint64_t free;
	uint64_t first; /* of the record that is being packed; 0: none */
	uint64_t last;	/* block */
	uint64_t packed;
	uint32_t last_type;
	uint32_t used;
	int failed;
	int attached;
	int moving; /* threads may run Python meanwhile */
	uint8_t bytes[PACKED_MAX + 32];
	uint8_t page[2 * PAGE]; /* a copy of the program's */
	uintptr_t regions[TYPES_REGIONS];
};

/* Room for a record with SIZE bytes of texts. Returns 0, or -1 when the log cannot grow. */
static int make_room(struct census *c, size_t size)
{
	if (!c->failed && writer_room(&c->thread->writer, 5 * PMT_RECORD_MAX + size) != 0)
		c->failed = 1;
	return c->failed ? -1 : 0;
}

static void flush_blocks(struct census *c)
{
	struct pmt_type_live r = {censuses.number, c->first, c->packed, {c->bytes, c->used}};

	if (c->first != 0 && make_room(c, c->used) == 0) {
		pmt_put_type_live(&c->thread->writer.enc, 0, &r);
		writer_commit(&c->thread->writer);
	}
	c->first = 0;
}

static void pack_block(struct census *c, uint64_t value)
{
	struct pmt_encoder e = {.cur = c->bytes + c->used};

	codec_put_uint(&e, value);
	c->used = (uint32_t)(e.cur - c->bytes);
}

static void put_block(struct census *c, uintptr_t addr, uint32_t type)
{
	if (c->first != 0 && c->used >= PACKED_MAX)
		flush_blocks(c);
	if (c->first == 0) {
		c->first = c->last = addr;
		c->packed = c->used = c->last_type = 0;
	}
	pack_block(c, (addr - c->last) >> 4 << 1 | (type == c->last_type));
	if (type != c->last_type)
		pack_block(c, type);
	c->last = addr;
	c->last_type = type;
	c->packed++;
}

/*
 * Bytes of the block at bit I of WORD up to the next block, at most TYPEINFO_HEAD: the bits behind
 * it say where that begins. NEXT is the word that follows.
 */
static size_t find_extent(uint64_t word, uint64_t next, unsigned i)
{
	const uint64_t behind = (i == 63 ? 0 : word >> (i + 1)) | next << (63 - i);

	if (behind & 1)
		return 16;
	return behind & 2 ? 32 : TYPEINFO_HEAD;
}

/* The block at ADDR; COPY is where its first SIZE bytes are. */
static void count_block(struct census *c, uintptr_t addr, const void *copy, size_t size)
{
	struct typeinfo_type *type = NULL;
	const uint32_t id = typeinfo_look(&c->info, copy, size, &type);

	if (type != NULL)
		type->count++;
	else if (id == TYPEINFO_FREE)
		c->free++;
	else
		c->none++;
	put_block(c, addr, id);
}

/* A page of the program's memory: the bits of its blocks, then those of the next page. */
struct page {
	uintptr_t addr;
	uint64_t words[8];
	int copied; /* its contents are in the census */
};

/*
 * The first SIZE bytes of the block at ADDR, or fewer. A live block is mapped, and so is the page
 * in which it begins. The next one is when there are blocks in it as well, else the kernel is
 * asked.
 */
static const void *look_at_block(struct census *c, const struct page *page, uintptr_t addr,
				 size_t *size)
{
	const uint64_t *next = &page->words[4];
	const size_t left = PAGE - addr % PAGE;

	if (page->copied)
		return c->page + addr % PAGE;
	if (*size <= left || (next[0] | next[1] | next[2] | next[3]) != 0)
		return (const void *)addr;
	if (sys_peek(c->info.pid, c->page, addr, *size) != 0) {
		memcpy(c->page, (const void *)addr, left);
		*size = left;
	}
	return c->page;
}

static void count_page(struct census *c, const struct page *page)
{
	for (unsigned i = 0; i < 4; i++)
		for (uint64_t left = page->words[i]; left != 0; left &= left - 1) {
			const unsigned bit = (unsigned)__builtin_ctzll(left);
			const uintptr_t block = page->addr + i * 1024 + bit * 16;
			size_t size = find_extent(page->words[i], page->words[i + 1], bit);
			const void *head = look_at_block(c, page, block, &size);

			count_block(c, block, head, size);
		}
}

/*
 * Where other threads run Python as well, they may give blocks back, and memory to the kernel. So
 * the page is copied, with the beginning of the next one.
 */
static int copy_page(struct census *c, const struct page *page)
{
	memset(c->page + PAGE, 0, TYPEINFO_HEAD);
	return sys_peek(c->info.pid, c->page, page->addr, PAGE + TYPEINFO_HEAD) == 0 ||
	       sys_peek(c->info.pid, c->page, page->addr, PAGE) == 0;
}

static void read_bits(uint64_t words[4], uintptr_t addr)
{
	for (unsigned i = 0; i < 4; i++)
		words[i] = types_bits(addr + i * 1024);
}

/* Forget those of the SIZE bytes at ADDR that are not mapped. */
static void ask_kernel(struct census *c, uintptr_t addr, size_t size)
{
	if (size == 0 || sys_is_mapped(addr, size, c->page))
		return;
	for (size_t at = 0; at < size; at += PAGE)
		if (!sys_is_mapped(addr + at, PAGE, c->page))
			types_forget(addr + at);
}

/*
 * A block is mapped as long as it is live; but a program that has put an allocator of its own into
 * the place of ours gives blocks back that we never hear of.
 */
static void check_region(struct census *c, uintptr_t start)
{
	uintptr_t first = start, at = start;
	uint64_t words[4];

	for (; at - start < 1UL << TYPES_REGION_BITS; at += PAGE) {
		read_bits(words, at);
		if ((words[0] | words[1] | words[2] | words[3]) != 0 &&
		    at - first < PAGES_AT_ONCE * PAGE)
			continue;
		ask_kernel(c, first, at - first);
		first = (words[0] | words[1] | words[2] | words[3]) != 0 ? at : at + PAGE;
	}
	ask_kernel(c, first, at - first);
}

static void count_region(struct census *c, uintptr_t start)
{
	struct page page = {.addr = start, .copied = c->moving};

	read_bits(&page.words[4], start);
	for (; page.addr - start < 1UL << TYPES_REGION_BITS && !c->failed; page.addr += PAGE) {
		memcpy(page.words, &page.words[4], 4 * sizeof(page.words[0]));
		read_bits(&page.words[4], page.addr + PAGE);
		if ((page.words[0] | page.words[1] | page.words[2] | page.words[3]) != 0 &&
		    (!page.copied || copy_page(c, &page)))
			count_page(c, &page);
	}
}

static void put_type(struct census *c, uint64_t id, unsigned kind, uint64_t count,
		     const struct typeinfo_name *name)
{
	const struct pmt_type_name r = {
		id, kind, count, {name->module, name->module_size}, {name->name, name->name_size}};

	if (count == 0 || make_room(c, name->module_size + name->name_size) != 0)
		return;
	pmt_put_type_name(&c->thread->writer.enc, 0, &r);
	writer_commit(&c->thread->writer);
}

static void put_types(struct census *c)
{
	struct typeinfo_name name = {.name_size = 0};

	put_type(c, TYPEINFO_NONE, PMT_TYPEKIND_NONE, c->none, &name);
	put_type(c, TYPEINFO_FREE, PMT_TYPEKIND_FREE, c->free, &name);
	for (uint32_t i = 0; i < c->info.count; i++) {
		const struct typeinfo_type *type = &c->info.types[i];

		if (type->id == 0)
			continue;
		typeinfo_name(&c->info, type->address, &name);
		put_type(c, type->id, PMT_TYPEKIND_OBJECT, type->count, &name);
	}
}

static void put_census(struct census *c, unsigned moment, const char *label)
{
	const struct pmt_bytes text = {(const uint8_t *)label, (uint32_t)strlen(label)};
	const struct pmt_mark mark = {text};
	const struct pmt_census r = {censuses.number, moment, text};

	if (make_room(c, 2 * (size_t)text.size) != 0)
		return;
	if (moment == PMT_MOMENT_SNAPSHOT)
		pmt_put_mark(&c->thread->writer.enc, 0, &mark);
	pmt_put_census(&c->thread->writer.enc, 0, &r);
	writer_commit(&c->thread->writer);
}

static int count_all(struct census *c, unsigned moment, const char *label)
{
	unsigned regions;

	if (typeinfo_init(&c->info, sys_getpid()) != 0) {
		typeinfo_fini(&c->info);
		return -1;
	}
	censuses.number++;
	if (trace_moment(c->thread) != 0)
		c->failed = 1;
	put_census(c, moment, label);
	regions = types_regions(c->regions);
	for (unsigned i = 0; i < regions && c->attached; i++)
		check_region(c, c->regions[i]);
	for (unsigned i = 0; i < regions && !c->failed; i++)
		count_region(c, c->regions[i]);
	flush_blocks(c);
	put_types(c);
	typeinfo_fini(&c->info);
	return c->failed ? -1 : 0;
}

/* Whether this thread holds the interpreter's lock. */
static int is_attached(void)
{
	void *attached;

	if (!python.is_initialized())
		return 0;
	attached = python.current();
	/* Where it is not this thread's own, it is a global and may be another's. */
	return attached != NULL &&
	       (python.layout.current_is_own || attached == python.of_this_thread());
}

static int take_census(unsigned moment, const char *label, int attached)
{
	struct thread *t = thread_enter();
	struct census *c;
	int rc = -1;

	if (t == NULL)
		return -1;
	c = sys_memory(sizeof(*c));
	if (c != NULL) {
		c->thread = t;
		c->attached = attached;
		c->moving = !attached || types_are_several();
		rc = count_all(c, moment, label);
		if (c->failed) {
			thread_stop(t);
			t = NULL;
		}
		(void)sys_munmap(c, sizeof(*c));
	}
	if (t != NULL)
		thread_leave(t);
	return rc;
}

int census_take(unsigned moment, const char *label)
{
	if (!tracing_wants_types() || !tracing_is_own() || !is_attached() ||
	    strlen(label) > LABEL_MAX)
		return -1;
	return take_census(moment, label, 1);
}

/*
 * The interpreter's memory stands still when this thread holds its lock: wherever it was
 * interrupted, nobody else runs. When it does not, another thread may; then what is read is copied
 * first, and may be some blocks off.
 */
int census_in_handler(void)
{
	const int state = atomic_load_explicit(&thread_self->state, memory_order_relaxed);

	if (!tracing_wants_types() || !tracing_is_own() || !python.is_initialized())
		return 0;
	if (state == THREAD_BUSY || state == THREAD_INSIDE)
		return -1;
	if (state == THREAD_READY && !tracing_is_suspended())
		(void)take_census(PMT_MOMENT_SIGNAL, "", is_attached());
	return 0;
}

static void set_next(void)
{
	atomic_store_explicit(&types_shared.look_ns,
			      censuses.interval_ns == 0 ? UINT64_MAX
							: tracing_now() + censuses.interval_ns,
			      memory_order_relaxed);
}

/* The interval is over. A thread that is inside an allocator cannot do it: the next one will. */
static void take_due(void)
{
	if (!tracing_is_own() || tracing_is_suspended() || atomic_exchange(&censuses.looking, 1))
		return;
	if (census_take(PMT_MOMENT_INTERVAL, "") == 0)
		set_next();
	atomic_store(&censuses.looking, 0);
}

void census_start(uint64_t interval_s)
{
	types_shared.look = take_due;
	censuses.interval_ns = tracing_wants_types() ? interval_s * 1000000000U : 0;
	set_next();
}

void census_at_end(void)
{
	if (!censuses.at_end && census_take(PMT_MOMENT_END, "") == 0)
		censuses.at_end = 1;
}

void census_reset(void)
{
	censuses.number = 0;
	censuses.at_end = 0;
	atomic_store(&censuses.looking, 0);
}

static void put_mark(const char *label)
{
	const struct pmt_mark r = {{(const uint8_t *)label, (uint32_t)strlen(label)}};
	struct thread *t = r.text.size <= LABEL_MAX ? thread_enter() : NULL;

	if (t == NULL)
		return;
	if (trace_moment(t) != 0 || writer_room(&t->writer, PMT_RECORD_MAX + r.text.size) != 0) {
		thread_stop(t);
		return;
	}
	pmt_put_mark(&t->writer.enc, 0, &r);
	writer_commit(&t->writer);
	thread_leave(t);
}

PMT_EXPORT int pymemtrace_snapshot(const char *label)
{
	int rc;

	if (label == NULL)
		label = "";
	rc = census_take(PMT_MOMENT_SNAPSHOT, label);
	if (rc != 0)
		put_mark(label);
	return rc;
}
