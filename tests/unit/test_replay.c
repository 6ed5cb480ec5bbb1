/* SPDX-License-Identifier: MIT */
/*
 * The replay of logs: peaks, leaks, short-lived blocks and realloc by hand, and random logs against
 * a model that keeps every block in a list and copies all sites at each peak.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "check.h"
#include "logwriter.h"
#include "replay.h"

static struct replay replay;
static uint64_t clock_ns;

static void begin(uint64_t flags)
{
	struct pmt_header header = {.page_bytes = 4096, .start_ns = 1000};

	header.live.flags = flags;
	replay_init(&replay, &header);
	replay.by_stack = true;
	replay_find_temporary(&replay, 1);
	clock_ns = 1000;
}

static void play(uint32_t thread, struct pmt_record record)
{
	clock_ns += 10;
	replay_event(&replay, &(struct reader_event){
				      .record = record, .time_ns = clock_ns, .thread = thread});
}

static void alloc(uint32_t thread, uint64_t addr, uint64_t size, uint64_t stack)
{
	play(thread, (struct pmt_record){.type = PMT_REC_alloc, .alloc = {0, addr, size, stack}});
}

static void release(uint32_t thread, uint64_t addr)
{
	play(thread, (struct pmt_record){.type = PMT_REC_free, .free = {0, addr}});
}

static void resize(uint32_t thread, const uint64_t addrs[2], uint64_t size, uint64_t stack)
{
	play(thread, (struct pmt_record){.type = PMT_REC_realloc,
					 .realloc = {0, addrs[0], addrs[1], size, stack}});
}

/* Sums over the sites of a stack. */
enum column { PEAK, LIVE, TEMPORARY };

static struct amount of_stack(uint64_t stack, enum column column)
{
	struct amount sum = {0};

	for (uint32_t i = 1; i <= replay.blocks.count; i++) {
		const struct site *site = &replay.blocks.sites[i];
		const struct amount amounts[] = {sites_at_peak(&replay.blocks, site), site->live,
						 site->temporary};

		if (site->stack == stack) {
			sum.bytes += amounts[column].bytes;
			sum.count += amounts[column].count;
		}
	}
	return sum;
}

static void expect(uint64_t stack, enum column column, uint64_t bytes, uint64_t count)
{
	CHECK_EQ(of_stack(stack, column).bytes, bytes);
	CHECK_EQ(of_stack(stack, column).count, count);
}

/* Live blocks are what the counts say. */
static void end(void)
{
	const struct replay_frees *frees = &replay.frees;
	const uint64_t freed = frees->count - frees->unmatched - frees->inherited;

	CHECK_EQ(replay.blocks.live.count, replay_total(&replay).count - freed - frees->replaced);
	CHECK_EQ(replay.blocks.live.count, heap_count(&replay.heap));
	replay_fini(&replay);
}

/* --- high-water mark --- */

static void no_allocations(void)
{
	begin(0);
	CHECK_EQ(replay.blocks.peak.bytes, 0);
	CHECK_EQ(replay.blocks_peak_ns, 0);
	CHECK_EQ(replay_total(&replay).count, 0);
	end();
}

static void single_peak(void)
{
	begin(0);
	alloc(1, 16, 100, 1);
	alloc(1, 32, 50, 2);
	release(1, 16);
	CHECK_EQ(replay.blocks.peak.bytes, 150);
	CHECK_EQ(replay.blocks_peak_ns, 20);
	expect(1, PEAK, 100, 1);
	expect(2, PEAK, 50, 1);
	expect(1, LIVE, 0, 0);
	end();
}

static void multiple_peaks(void)
{
	begin(0);
	alloc(1, 16, 100, 1);
	release(1, 16);
	alloc(1, 16, 300, 2);
	release(1, 16);
	alloc(1, 16, 200, 3);
	CHECK_EQ(replay.blocks.peak.bytes, 300);
	CHECK_EQ(replay.blocks_peak_ns, 30);
	expect(1, PEAK, 0, 0);
	expect(2, PEAK, 300, 1);
	expect(3, PEAK, 0, 0);
	end();
}

static void freed_before_the_peak_is_absent(void)
{
	begin(0);
	alloc(1, 16, 10, 1);
	release(1, 16);
	alloc(1, 32, 100, 2);
	expect(1, PEAK, 0, 0);
	expect(2, PEAK, 100, 1);
	end();
}

static void freed_after_the_peak_is_present(void)
{
	begin(0);
	alloc(1, 16, 10, 1);
	alloc(1, 32, 100, 2);
	release(1, 16);
	release(1, 32);
	alloc(1, 48, 5, 3);
	expect(1, PEAK, 10, 1);
	expect(2, PEAK, 100, 1);
	expect(3, PEAK, 0, 0); /* allocated after the peak */
	end();
}

static void final_allocation_is_the_peak(void)
{
	begin(0);
	for (uint64_t i = 1; i <= 10; i++)
		alloc(1, i * 16, i, i);
	CHECK_EQ(replay.blocks.peak.bytes, 55);
	expect(10, PEAK, 10, 1);
	expect(1, PEAK, 1, 1);
	end();
}

static void spiky_generally_rising(void)
{
	begin(0);
	for (uint64_t i = 1; i <= 20; i++) {
		alloc(1, i * 32, 10, 1);
		alloc(1, i * 32 + 16, 100 + i, 2);
		release(1, i * 32 + 16);
	}
	CHECK_EQ(replay.blocks.peak.bytes, 20 * 10 + 120);
	expect(1, PEAK, 200, 20);
	expect(2, PEAK, 120, 1);
	end();
}

static void between_peaks(bool leaked)
{
	begin(0);
	alloc(1, 16, 100, 1);
	release(1, 16);
	alloc(1, 32, 10, 2); /* between the peaks */
	if (!leaked)
		release(1, 32);
	alloc(1, 48, 200, 3);
	expect(1, PEAK, 0, 0);
	expect(2, PEAK, leaked ? 10 : 0, leaked);
	expect(3, PEAK, 200, 1);
	expect(2, LIVE, leaked ? 10 : 0, leaked);
	end();
}

static void between_peaks_then_leaked(void)
{
	between_peaks(true);
}

static void between_peaks_then_freed(void)
{
	between_peaks(false);
}

/* --- aggregation and leaks --- */

static void loops_aggregate(void)
{
	begin(0);
	for (uint64_t i = 1; i <= 10; i++)
		alloc(1, i * 16, 7, 1);
	CHECK_EQ(replay.blocks.count, 1);
	expect(1, LIVE, 70, 10);
	end();
}

static void kept_apart(void)
{
	begin(0);
	alloc(1, 16, 1, 1);
	alloc(2, 32, 1, 1);
	alloc(1, 48, 1, 2);
	play(1,
	     (struct pmt_record){.type = PMT_REC_alloc, .alloc = {PMT_ALLOCATOR_VALLOC, 64, 1, 1}});
	CHECK_EQ(replay.blocks.count, 4);
	end();
}

static void leak_in_the_middle(void)
{
	begin(0);
	alloc(1, 16, 1, 1);
	alloc(1, 32, 2, 2);
	alloc(1, 48, 3, 3);
	release(1, 48);
	release(1, 16);
	expect(1, LIVE, 0, 0);
	expect(2, LIVE, 2, 1);
	expect(3, LIVE, 0, 0);
	end();
}

static void leaks_of_threads(void)
{
	begin(0);
	alloc(1, 16, 1, 1);
	alloc(2, 32, 2, 1);
	release(1, 32); /* the block of the other one */
	CHECK_EQ(replay.blocks.live.count, 1);
	CHECK_EQ(replay.blocks.sites[1].thread, 1);
	CHECK_EQ(replay.blocks.sites[1].live.count, 1);
	CHECK_EQ(replay.blocks.sites[2].live.count, 0);
	end();
}

static void zero_bytes(void)
{
	begin(0);
	alloc(1, 16, 0, 1);
	expect(1, LIVE, 0, 1);
	release(1, 16);
	expect(1, LIVE, 0, 0);
	CHECK_EQ(replay.frees.unmatched, 0);
	end();
}

static void unmatched_and_null(void)
{
	begin(0);
	release(1, 16);
	release(1, 0);
	alloc(1, 0, 5, 1);
	CHECK_EQ(replay.frees.count, 1);
	CHECK_EQ(replay.frees.unmatched, 1);
	CHECK_EQ(replay.frees.inherited, 0);
	CHECK_EQ(replay_total(&replay).count, 0);
	end();
}

static void inherited(void)
{
	begin(1U << PMT_FLAG_FORKED);
	release(1, 16);
	resize(1, (uint64_t[]){32, 48}, 7, 1);
	CHECK_EQ(replay.frees.inherited, 2);
	CHECK_EQ(replay.frees.unmatched, 0);
	expect(1, LIVE, 7, 1);
	end();
}

static void replaced(void)
{
	begin(0);
	alloc(1, 16, 5, 1);
	alloc(1, 16, 7, 2);
	CHECK_EQ(replay.frees.replaced, 1);
	CHECK_EQ(replay.frees.count, 0);
	CHECK_EQ(replay.blocks.peak.bytes, 7);
	expect(1, LIVE, 0, 0);
	expect(1, TEMPORARY, 0, 0);
	end();
}

static void realloc_moves_and_stays(void)
{
	begin(0);
	alloc(1, 16, 10, 1);
	resize(1, (uint64_t[]){16, 64}, 20, 2);
	expect(1, LIVE, 0, 0);
	expect(2, LIVE, 20, 1);
	resize(1, (uint64_t[]){64, 64}, 30, 3);
	expect(2, LIVE, 0, 0);
	expect(3, LIVE, 30, 1);
	/* A move is one moment: old and new were never both there. */
	CHECK_EQ(replay.blocks.peak.bytes, 30);
	CHECK_EQ(replay.frees.count, 2);
	CHECK_EQ(replay_total(&replay).count, 3);
	resize(1, (uint64_t[]){0, 128}, 1, 4); /* from NULL */
	expect(4, LIVE, 1, 1);
	CHECK_EQ(replay.frees.count, 2);
	resize(1, (uint64_t[]){128, 0}, 0, 4); /* to nothing */
	expect(4, LIVE, 0, 0);
	CHECK_EQ(replay.frees.count, 3);
	CHECK_EQ(replay.frees.replaced, 0);
	end();
}

/* Each reallocator's blocks are the allocator's of the same name. */
static void reallocators_are_allocators(void)
{
	begin(0);
	for (uint64_t i = 0; i < 8; i++) {
		char buffer[32];
		const char *name = pmt_name("REALLOCATOR", i);

		play(1, (struct pmt_record){.type = PMT_REC_realloc,
					    .realloc = {i, 0, 16 + i * 16, 1, 1}});
		CHECK_EQ(replay.blocks.count, i + 1);
		if (name != NULL)
			CHECK_STR(replay_kind_name(replay.blocks.sites[i + 1].kind, buffer), name);
	}
	CHECK_EQ(replay.blocks.sites[1].kind, PMT_ALLOCATOR_REALLOC);
	CHECK_EQ(replay.blocks.sites[3].kind, PMT_ALLOCATOR_PYMEM_RAW_REALLOC);
	CHECK_EQ(replay.blocks.sites[8].kind, REPLAY_KIND_REALLOC + 7);
	end();
}

/* --- short-lived --- */

/* One block, then FURTHER allocations, then its free. */
static void freed_after(uint32_t threshold, unsigned further, bool temporary)
{
	begin(0);
	replay.threshold = threshold;
	alloc(1, 16, 10, 1);
	for (uint64_t i = 1; i <= further; i++)
		alloc(1, 16 + i * 16, 1, 2);
	release(1, 16);
	expect(1, TEMPORARY, temporary ? 10 : 0, temporary);
	end();
}

static void temporary_thresholds(void)
{
	freed_after(0, 0, true);
	freed_after(0, 1, false);
	freed_after(1, 0, true);
	freed_after(1, 1, true);
	freed_after(1, 2, false);
	freed_after(5, 5, true);
	freed_after(5, 6, false);
}

static void temporary_threads_interleave(void)
{
	begin(0);
	alloc(1, 16, 10, 1);
	for (uint64_t i = 1; i < 100; i++)
		alloc(2, 16 + i * 16, 1, 2); /* another thread's do not count */
	release(1, 16);
	expect(1, TEMPORARY, 10, 1);
	alloc(1, 16, 10, 3);
	release(2, 16); /* freed by another thread: not temporary */
	expect(3, TEMPORARY, 0, 0);
	end();
}

/* A vector grows by a new block, a copy and a free of the old one, or by realloc. */
static void temporary_vector(void)
{
	for (int by_realloc = 0; by_realloc < 2; by_realloc++) {
		begin(0);
		alloc(1, 16, 1, 1);
		for (uint64_t i = 1; i < 8; i++) {
			if (by_realloc) {
				resize(1, (uint64_t[]){i * 16, i * 16 + 16}, 1 << i, 1);
			} else {
				alloc(1, i * 16 + 16, 1 << i, 1);
				release(1, i * 16);
			}
		}
		expect(1, TEMPORARY, 127, 7);
		end();
	}
	begin(0); /* with its room reserved */
	alloc(1, 16, 128, 1);
	for (uint64_t i = 1; i < 8; i++)
		alloc(1, 16 + i * 16, 1, 2);
	release(1, 16);
	expect(1, TEMPORARY, 0, 0);
	end();
}

/* --- random logs against the model --- */

enum { PLACES = 300, STACKS = 9, THREADS = 3, EVENTS = 20000 };

struct model_block {
	bool live;
	uint64_t size;
	uint64_t stack;
	uint32_t thread;
	uint64_t born; /* allocations of its thread, with itself */
};

static struct {
	struct model_block blocks[PLACES];
	uint64_t made[THREADS + 1];
	struct amount peak[STACKS];
	struct amount temporary[STACKS];
	uint64_t peak_bytes;
	uint64_t threshold;
} model;

static void model_free(uint32_t thread, size_t place)
{
	struct model_block *block = &model.blocks[place];

	if (block->live && block->thread == thread &&
	    model.made[thread] - block->born <= model.threshold) {
		model.temporary[block->stack].bytes += block->size;
		model.temporary[block->stack].count++;
	}
	block->live = false;
}

static void model_alloc(uint32_t thread, size_t place, uint64_t size, uint64_t stack)
{
	model.blocks[place] = (struct model_block){true, size, stack, thread, model.made[thread]};
}

static void model_settle(void)
{
	struct amount by_stack[STACKS] = {0};
	uint64_t total = 0;

	for (size_t i = 0; i < PLACES; i++) {
		if (!model.blocks[i].live)
			continue;
		total += model.blocks[i].size;
		by_stack[model.blocks[i].stack].bytes += model.blocks[i].size;
		by_stack[model.blocks[i].stack].count++;
	}
	if (total > model.peak_bytes) {
		model.peak_bytes = total;
		memcpy(model.peak, by_stack, sizeof(by_stack));
	}
}

static void random_event(struct logwriter *w)
{
	const uint32_t thread = 1 + (uint32_t)(check_random() % THREADS);
	const size_t place = check_random() % PLACES;
	const size_t other = check_random() % PLACES;
	const uint64_t size = check_random() % 100;
	const uint64_t stack = check_random() % STACKS;

	clock_ns += 10;
	log_thread(w, 1, thread, thread);
	log_put(w, 1, time, 0, .time_ns = clock_ns);
	switch (check_random() % 9) {
	case 0:
	case 1:
	case 2:
		model.made[thread]++;
		model_alloc(thread, place, size, stack);
		log_put(w, 1, alloc, PMT_ALLOCATOR_CALLOC, .addr = place * 16 + 16, .size = size,
			.stack = stack);
		break;
	case 3:
		model.made[thread]++;
		model_free(thread, place);
		model_alloc(thread, other, size, stack);
		log_put(w, 1, realloc, 0, .old_addr = place * 16 + 16, .addr = other * 16 + 16,
			.size = size, .stack = stack);
		break;
	case 4: /* one that stays */
		log_put(w, 1, mark, 0, .text = {(const uint8_t *)"m", 1});
		break;
	default:
		model_free(thread, place);
		log_put(w, 1, free, 0, .addr = place * 16 + 16);
	}
	model_settle();
}

static struct reader *random_log(void)
{
	char path[] = "/tmp/test_replay.XXXXXX";
	struct logwriter *w = logwriter_create(32768);
	struct reader *reader = NULL;

	memset(&model, 0, sizeof(model));
	model.threshold = check_random() % 4;
	clock_ns = LOGWRITER_START_NS;
	for (int i = 0; i < EVENTS; i++)
		random_event(w);
	logwriter_finish(w, PMT_STATE_CLOSED);
	close(mkstemp(path));
	logwriter_save(w, path);
	CHECK_EQ(reader_open(path, &reader), 0);
	unlink(path);
	logwriter_destroy(w);
	return reader;
}

static void like_a_list_of_blocks(void)
{
	for (int round = 0; round < 5; round++) {
		struct reader *reader = random_log();
		uint64_t bytes = 0;

		replay_init(&replay, reader_header(reader));
		replay.by_stack = true;
		replay_find_temporary(&replay, (uint32_t)model.threshold);
		CHECK_EQ(replay_run(&replay, reader), 0);
		CHECK_EQ(replay.blocks.peak.bytes, model.peak_bytes);
		for (uint64_t i = 0; i < STACKS; i++) {
			expect(i, PEAK, model.peak[i].bytes, model.peak[i].count);
			expect(i, TEMPORARY, model.temporary[i].bytes, model.temporary[i].count);
		}
		for (size_t i = 0; i < PLACES; i++)
			bytes += model.blocks[i].live ? model.blocks[i].size : 0;
		CHECK_EQ(replay.blocks.live.bytes, bytes);
		end();
		reader_close(reader);
	}
}

static void until_a_moment(void)
{
	struct reader *reader = random_log();

	for (uint64_t n = 0; n < EVENTS; n += 977) {
		replay_init(&replay, reader_header(reader));
		replay.until_ns = LOGWRITER_START_NS + n * 10;
		CHECK_EQ(replay_run(&replay, reader), 0);
		CHECK_EQ(replay.last_ns, n * 10);
		end();
	}
	reader_close(reader);
}

/* --- other records --- */

static void threads_have_names(void)
{
	begin(0);
	play(1, (struct pmt_record){.type = PMT_REC_thread, .thread = {1, 100}});
	play(2, (struct pmt_record){.type = PMT_REC_thread, .thread = {7, 700}});
	play(2, (struct pmt_record){.type = PMT_REC_thread_name,
				    .thread_name = {7, {(const uint8_t *)"first", 5}}});
	play(1, (struct pmt_record){.type = PMT_REC_thread_name,
				    .thread_name = {7, {(const uint8_t *)"a\0b", 3}}});
	const struct thread *thread = threads_lookup(&replay.threads, 7);

	CHECK_EQ(thread->tid, 700);
	CHECK_EQ(thread->name_size, 3);
	CHECK(memcmp(thread->name, "a\0b", 4) == 0);
	CHECK(threads_lookup(&replay.threads, 8) == NULL);
	play(2, (struct pmt_record){.type = PMT_REC_thread_name, .thread_name = {9, {NULL, 0}}});
	CHECK_STR(threads_lookup(&replay.threads, 9)->name, "");
	play(1, (struct pmt_record){.type = PMT_REC_thread, .thread = {UINT64_MAX, 1}});
	CHECK_EQ(replay.threads.count, 3);
	for (uint32_t i = 0; i < 1000; i++)
		CHECK_EQ(threads_get(&replay.threads, i * 4000000)->number, i * 4000000);
	CHECK_EQ(threads_lookup(&replay.threads, 7)->tid, 700);
	end();
}

static void resident_set(void)
{
	begin(0);
	play(0, (struct pmt_record){.type = PMT_REC_rss, .rss = {1000, 10, 100, 0}});
	play(0, (struct pmt_record){.type = PMT_REC_rss, .rss = {3000, 10, 300, 5}});
	play(0, (struct pmt_record){.type = PMT_REC_rss, .rss = {2000, 10, 400, 2}});
	play(0, (struct pmt_record){.type = PMT_REC_rss_detail, .rss_detail = {9, 2, 3, 4, 5, 6}});
	play(0, (struct pmt_record){.type = PMT_REC_rss_detail, .rss_detail = {1, 8, 3, 4, 5, 7}});
	CHECK_EQ(replay.rss.samples, 1 + 6 + 3);
	CHECK_EQ(replay.rss.first_bytes, 1000);
	CHECK_EQ(replay.rss.peak_bytes, 3000);
	CHECK_EQ(replay.rss.peak_own_bytes, 300);
	CHECK_EQ(replay.rss.last_bytes, 2000);
	CHECK_EQ(replay.rss.peak.anon, 9);
	CHECK_EQ(replay.rss.peak.file, 8);
	CHECK_EQ(replay.rss.peak.peak, 7);
	CHECK_EQ(replay.rss.last.anon, 1);
	end();
}

static void mappings_and_heap_together(void)
{
	begin(0);
	play(1, (struct pmt_record){.type = PMT_REC_mmap, .mmap = {4096, 8192, 3, 0x22, 0, 5, 0}});
	play(1, (struct pmt_record){.type = PMT_REC_mmap,
				    .mmap = {1 << 20, 1 << 20, 0, 0x22, 0, 6, 0}});
	alloc(1, 16, 10, 1);
	play(1, (struct pmt_record){.type = PMT_REC_munmap, .munmap = {4096, 4096}});
	alloc(1, 64, 100, 1);
	CHECK_EQ(replay.memory.bytes, 8192 + 10); /* what is reserved is no memory */
	CHECK_EQ(replay.memory.at_ns, 30);
	CHECK_EQ(replay.memory.untold_bytes, 8192);
	CHECK_EQ(replay.blocks.peak.bytes, 10); /* then, not when the heap was largest */
	CHECK_EQ(replay.mapped.peak.bytes, 8192);
	CHECK_EQ(replay.heap_peak.bytes, 110);
	CHECK_EQ(replay.blocks_peak_ns, 50);
	CHECK_EQ(replay.mapped.live.bytes, 4096);
	CHECK_EQ(replay.mappings.totals[MAPPING_RESERVED].bytes, 1 << 20);
	end();
}

static void map(uint64_t addr, uint64_t size, uint64_t flags)
{
	play(1, (struct pmt_record){.type = PMT_REC_mmap,
				    .mmap = {addr, size, PROT_READ, flags, 0, 5, 0}});
}

static void tell(uint64_t number, uint64_t addr, uint64_t size, uint64_t resident)
{
	play(1, (struct pmt_record){
			.type = PMT_REC_account_range,
			.account_range = {number, PMT_MEMORY_ANONYMOUS, addr, size, resident, 0}});
}

static void told(uint64_t number)
{
	play(1, (struct pmt_record){.type = PMT_REC_account, .account = {.number = number}});
}

/* Only what an account found resident of a range counts, of a reserved one, too. */
static void what_is_resident_counts(void)
{
	const uint64_t mib = 1 << 20, half = mib / 2;

	begin(0);
	map(mib, mib, MAP_PRIVATE | MAP_ANONYMOUS);
	map(4 * mib, mib, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	map(8 * mib, 4096, MAP_PRIVATE);
	CHECK_EQ(replay_memory(&replay), mib); /* a file's pages do not count */
	CHECK_EQ(replay.mappings.untold_bytes, mib);
	tell(1, mib, mib, 8192);
	tell(1, 4 * mib, half, 4096);
	tell(1, 4 * mib + half, half, 40960);
	told(1);
	CHECK_EQ(replay_memory(&replay), 8192 + 4096 + 40960);
	CHECK_EQ(replay.mappings.untold_bytes, 0);
	CHECK_EQ(replay.told_ns, replay.last_ns);
	CHECK_EQ(replay.mapped.live.bytes, 8192 + 4096 + 40960 + 4096); /* and the file's */
	/* Half of a range goes with half of what counts of it. */
	play(1, (struct pmt_record){.type = PMT_REC_munmap, .munmap = {mib, half}});
	CHECK_EQ(replay_memory(&replay), 4096 + 4096 + 40960);
	map(9 * mib, 4096, MAP_PRIVATE | MAP_ANONYMOUS);
	CHECK_EQ(replay.mappings.untold_bytes, 4096);
	end();
}

static void resident(uint64_t bytes)
{
	play(1, (struct pmt_record){.type = PMT_REC_rss, .rss = {.resident = bytes}});
}

/* What the resident set has grown by since an account counts, where nothing else explains it. */
static void an_account_grows_old(void)
{
	const uint64_t mib = 1 << 20;

	begin(0);
	map(100 * mib, 80 * mib, MAP_PRIVATE | MAP_ANONYMOUS);
	map(200 * mib, 500 * mib, MAP_PRIVATE | MAP_ANONYMOUS);
	map(800 * mib, 500 * mib, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	alloc(1, 16, 10 * mib, 5);
	tell(1, 100 * mib, 80 * mib, 20 * mib);
	tell(1, 200 * mib, 500 * mib, 0);
	play(1, (struct pmt_record){.type = PMT_REC_account,
				    .account = {.number = 1, .resident = 40 * mib}});
	CHECK_EQ(replay.mapped.live.bytes, 20 * mib);
	resident(44 * mib); /* by a tenth */
	CHECK_EQ(replay.mapped.live.bytes, 20 * mib);
	resident(50 * mib);
	CHECK_EQ(replay.mapped.live.bytes, 30 * mib);
	CHECK_EQ(replay.mappings.grown_bytes, 10 * mib);
	CHECK_EQ(replay.mappings.untold_bytes, 0);
	alloc(1, 32 * mib, 30 * mib, 6);
	resident(80 * mib); /* the block takes it all */
	CHECK_EQ(replay.mapped.live.bytes, 30 * mib);
	map(50 * mib, mib, MAP_PRIVATE | MAP_ANONYMOUS);
	resident(91 * mib);
	CHECK_EQ(replay.mapped.live.bytes, 41 * mib); /* 20 told, 20 grown, 1 in full */
	/* More than there is room for in the first one; what is only reserved stays so. */
	resident(200 * mib);
	CHECK_EQ(replay.mapped.live.bytes, 150 * mib);
	resident(2000 * mib);
	CHECK_EQ(replay.memory.bytes, 40 * mib + 581 * mib);
	CHECK_EQ(replay.memory.grown_bytes, 560 * mib);
	resident(2010 * mib);
	play(1, (struct pmt_record){.type = PMT_REC_munmap, .munmap = {100 * mib, 80 * mib}});
	CHECK_EQ(replay.mapped.live.bytes, 501 * mib);
	CHECK_EQ(replay.mappings.grown_bytes, 500 * mib);
	tell(2, 200 * mib, 500 * mib, 5 * mib);
	play(1, (struct pmt_record){.type = PMT_REC_account,
				    .account = {.number = 2, .resident = 200 * mib}});
	CHECK_EQ(replay.mapped.live.bytes, 6 * mib);
	CHECK_EQ(replay.mappings.grown_bytes, 0);
	play(1, (struct pmt_record){.type = PMT_REC_munmap, .munmap = {0, 1000 * mib}});
	CHECK_EQ(replay_memory(&replay), 40 * mib);
	end();
}

static void accounts_may_say_anything(void)
{
	const uint64_t mib = 1 << 20;

	begin(0);
	map(mib, mib, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	tell(1, 0, 16 * mib, mib); /* no place */
	told(1);
	CHECK_EQ(replay_memory(&replay), 0);
	tell(2, mib, UINT64_MAX, UINT64_MAX);
	tell(2, mib, 0, UINT64_MAX);
	told(2);
	CHECK_EQ(replay_memory(&replay), 0);
	tell(3, mib / 2, 16 * mib, UINT64_MAX);
	tell(3, mib, mib, mib);
	told(3);
	CHECK_EQ(replay_memory(&replay), mib);
	play(1, (struct pmt_record){.type = PMT_REC_munmap, .munmap = {0, 16 * mib}});
	CHECK_EQ(replay_memory(&replay), 0);
	end();
}

int main(void)
{
	static const struct check_test tests[] = {
		{"no allocations", no_allocations},
		{"single peak", single_peak},
		{"multiple peaks", multiple_peaks},
		{"freed before the peak: absent", freed_before_the_peak_is_absent},
		{"freed after the peak: present; allocated after: absent",
		 freed_after_the_peak_is_present},
		{"final allocation is the peak", final_allocation_is_the_peak},
		{"spiky, generally rising", spiky_generally_rising},
		{"allocated between peaks, then leaked", between_peaks_then_leaked},
		{"allocated between peaks, then freed", between_peaks_then_freed},
		{"one line in a loop aggregates", loops_aggregate},
		{"lines, threads and allocators are kept apart", kept_apart},
		{"leak in the middle; freed is not reported", leak_in_the_middle},
		{"leaks of threads", leaks_of_threads},
		{"zero bytes", zero_bytes},
		{"unmatched free, free of NULL", unmatched_and_null},
		{"blocks of before the log", inherited},
		{"an address handed out again", replaced},
		{"realloc moves, stays, from NULL, to nothing", realloc_moves_and_stays},
		{"reallocators are allocators", reallocators_are_allocators},
		{"short-lived: thresholds", temporary_thresholds},
		{"short-lived: threads interleave", temporary_threads_interleave},
		{"short-lived: a vector grows", temporary_vector},
		{"random logs, like a list of blocks", like_a_list_of_blocks},
		{"up to a moment", until_a_moment},
		{"threads have names", threads_have_names},
		{"resident set", resident_set},
		{"mappings and the heap have one peak", mappings_and_heap_together},
		{"what is resident counts", what_is_resident_counts},
		{"an account grows old", an_account_grows_old},
		{"accounts may say anything", accounts_may_say_anything},
		{0},
	};

	return check_run(tests);
}
