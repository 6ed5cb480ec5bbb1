/* SPDX-License-Identifier: MIT */
/*
 * Makes a log from a text, for tests of the commands: makelog FILE <TEXT.
 *
 * A line is one event or one thing about the process; words are separated by one space, numbers are
 * decimal or 0x. STACK is frames, innermost first, as file:line:function, or nothing. In the last
 * word of a line \xHH is a byte.
 *
 *	pid N | parent N | python HEX | command WORD... | state N | stop N | flags HEX | lostlive N
 *	later SECONDS		so much later did the process start
 *	parentlog PATH		the log of its parent
 *	at SECONDS		the time from here on
 *	end SECONDS		when the log was closed
 *	thread N TID		the thread of what follows
 *	name N TEXT		the name of thread N
 *	alloc NUMBER ADDR SIZE STACK | free ADDR | realloc OLD NEW SIZE STACK
 *	mmap ADDR SIZE PROT FLAGS STACK | munmap ADDR SIZE | mremap OLD SIZE NEW SIZE FLAGS STACK
 *	rss RESIDENT SHARED OWN REPEATS | detail ANON FILE SHMEM SWAP HUGETLB PEAK
 *	range ACCOUNT KIND ADDR SIZE RESIDENT SWAP
 *	account NUMBER REASON RESIDENT MALLOC FREE ARENA
 *	census NUMBER MOMENT LABEL | live NUMBER ADDR:TYPE... | packed NUMBER ADDR COUNT BYTES
 *	type ID KIND COUNT MODULE:NAME
 *	mark TEXT | process NUMBER VALUE | lost COUNT | notice WHAT TEXT
 *	where TEXT		where the process id is valid
 *	rssmode TEXT		how the resident set at events is known
 *	slot N			the slot of the threads and events that follow; 1 at first
 *	order N			the order number from here on, in this slot
 *	birth BACK | soon DISTANCE	before an alloc, before a free or realloc
 *	folded NUMBER COUNT0 BYTES0 COUNT1 BYTES1 COUNT BYTES STACK
 *	fold HELD JOURNAL	a fold chunk of the present slot, with the two lines that follow
 *	block ADDR ORDER SIZE NUMBER ALLOCATOR STACK
 *	site NUMBER COUNT0 BYTES0 COUNT1 BYTES1 COUNT BYTES STACK
 *	dropped CHUNKS SECONDS ORDER FREES OTHERS	a totals chunk, with the lines that follow
 *	total NUMBER COUNT BYTES STACK
 *	cpu NANOSECONDS		of the `rss` lines that follow
 *
 * Events of the interpreter; FRAME is file:line:function (makelog_python.c):
 *	line FRAME | py WHAT FRAME | c WHAT FUNCTION FRAME
 *	resident BYTES | skipped PREVIOUS COUNT | memory USS SWAP PEAK	before such an event
 *	create ADDR TYPE SIZE STACK | destroy INFERRED ADDR TYPE STACK
 *	begin TRACED STACK | notice WHAT TEXT
 *	objecttype ID BUILTIN NAME | cfunction ID OWNER:NAME
 * Calls: see makelog_calls.c.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "makelog.h"

enum { FOLD_SLOTS = 100, TOTALS_SLOT = 99, TABLE_MAX = 64 };

struct logwriter *log_writer;
static uint64_t time_ns = LOGWRITER_START_NS;
static uint64_t end_ns;
static uint64_t cpu_ns;
static unsigned state = PMT_STATE_CLOSED;
uint32_t slot = 1;
static bool folding; /* `fold` is being filled */
static struct pmt_fold fold;
static struct pmt_fold_block fold_blocks[TABLE_MAX];
static struct pmt_fold_site fold_sites[TABLE_MAX];
static struct pmt_totals totals; /* `dropped` 0: none */
static struct pmt_totals_site totals_sites[TABLE_MAX];

_Noreturn void fail(const char *line)
{
	fprintf(stderr, "makelog: not understood: %s\n", line);
	exit(1);
}

size_t unescape(char *text)
{
	char *to = text;

	for (char *from = text; *from != '\0';) {
		if (from[0] == '\\' && from[1] == 'x') {
			const char digits[3] = {from[2], from[3], '\0'};

			*to++ = (char)strtoul(digits, NULL, 16);
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}

static uint64_t seconds(const char *text)
{
	return LOGWRITER_START_NS + (uint64_t)(strtod(text, NULL) * 1e9 + 0.5);
}

/* Defines the frames anew each time: readers must not mind. */
uint64_t make_stack(char *text)
{
	char *frames[64];
	size_t count = 0;
	uint64_t stack = 0;

	for (char *word = strtok(text, " "); word != NULL && count < 64; word = strtok(NULL, " "))
		frames[count++] = word;
	while (count-- > 0) {
		char *line = strchr(frames[count], ':');
		char *function = line == NULL ? NULL : strchr(line + 1, ':');

		if (function == NULL)
			fail(frames[count]);
		*line = *function = '\0';
		unescape(frames[count]);
		unescape(function + 1);
		stack = log_frame(log_writer, stack,
				  log_code(log_writer, function + 1, frames[count],
					   (uint32_t)strtoul(line + 1, NULL, 10)),
				  0);
	}
	return stack;
}

char *read_numbers(char *text, size_t count, uint64_t numbers[NUMBERS])
{
	for (size_t i = 0; i < count; i++) {
		char *end;

		numbers[i] = strtoull(text, &end, 0);
		if (end == text)
			fail(text);
		text = *end == ' ' ? end + 1 : end;
	}
	return text;
}

static int header_line(const char *key, char *rest)
{
	struct pmt_header *header = logwriter_header(log_writer);
	const uint64_t number = strtoull(rest, NULL, 0);

	if (strcmp(key, "pid") == 0)
		header->pid = (uint32_t)number;
	else if (strcmp(key, "parent") == 0)
		header->parent_pid = (uint32_t)number;
	else if (strcmp(key, "python") == 0)
		header->python_version = (uint32_t)number;
	else if (strcmp(key, "state") == 0)
		state = (unsigned)number;
	else if (strcmp(key, "stop") == 0)
		header->live.stop_reason = (uint32_t)number;
	else if (strcmp(key, "flags") == 0)
		header->live.flags = number;
	else if (strcmp(key, "lostlive") == 0)
		header->live.lost = number;
	else if (strcmp(key, "end") == 0)
		end_ns = seconds(rest);
	else if (strcmp(key, "later") == 0)
		header->start_realtime_ns += number * 1000000000;
	else if (strcmp(key, "cpu") == 0)
		cpu_ns = number;
	else
		return 0;
	return 1;
}

/* The header keeps words separated by NUL. */
static void command_line(char *rest)
{
	char words[LINE_BYTES];
	size_t used = 0;

	for (char *word = strtok(rest, " "); word != NULL; word = strtok(NULL, " ")) {
		const size_t size = unescape(word);

		if (used != 0)
			words[used++] = '\0';
		memcpy(words + used, word, size);
		used += size;
	}
	logwriter_text(log_writer, PMT_TEXT_COMMAND, words, used);
}

static int text_line(const char *key, char *rest)
{
	uint64_t n[NUMBERS];

	if (strcmp(key, "parentlog") == 0) {
		logwriter_text(log_writer, PMT_TEXT_PARENT_LOG, rest, unescape(rest));
	} else if (strcmp(key, "command") == 0) {
		command_line(rest);
	} else if (strcmp(key, "at") == 0) {
		time_ns = seconds(rest);
		log_put(log_writer, slot, time, 0, .time_ns = time_ns);
	} else if (strcmp(key, "thread") == 0) {
		read_numbers(rest, 2, n);
		log_thread(log_writer, slot, (uint32_t)n[0], (uint32_t)n[1]);
	} else if (strcmp(key, "name") == 0) {
		rest = read_numbers(rest, 1, n);
		unescape(rest);
		log_thread_name(log_writer, slot, (uint32_t)n[0], rest);
	} else if (strcmp(key, "where") == 0) {
		logwriter_text(log_writer, PMT_TEXT_WHERE, rest, unescape(rest));
	} else if (strcmp(key, "rssmode") == 0) {
		logwriter_text(log_writer, PMT_TEXT_RSS, rest, unescape(rest));
	} else if (strcmp(key, "notice") == 0) {
		rest = read_numbers(rest, 1, n);
		const size_t size = unescape(rest);

		log_put(log_writer, slot, notice, 0, .what = n[0],
			.text = {(const uint8_t *)rest, size});
	} else if (strcmp(key, "mark") == 0) {
		unescape(rest);
		log_mark(log_writer, slot, rest);
	} else {
		return 0;
	}
	return 1;
}

static int block_line(const char *key, char *rest)
{
	uint64_t n[NUMBERS];

	if (strcmp(key, "alloc") == 0) {
		const uint64_t stack = make_stack(read_numbers(rest, 3, n));

		log_put(log_writer, slot, alloc, (unsigned)n[0], .addr = n[1], .size = n[2],
			.stack = stack);
	} else if (strcmp(key, "free") == 0) {
		read_numbers(rest, 1, n);
		log_put(log_writer, slot, free, 0, .addr = n[0]);
	} else if (strcmp(key, "realloc") == 0) {
		const uint64_t stack = make_stack(read_numbers(rest, 3, n));

		log_put(log_writer, slot, realloc, 0, .old_addr = n[0], .addr = n[1], .size = n[2],
			.stack = stack);
	} else {
		return 0;
	}
	return 1;
}

static int mapping_line(const char *key, char *rest)
{
	uint64_t n[NUMBERS];

	if (strcmp(key, "mmap") == 0) {
		const uint64_t stack = make_stack(read_numbers(rest, 4, n));

		log_put(log_writer, slot, mmap, 0, .addr = n[0], .size = n[1], .prot = n[2],
			.flags = n[3], .stack = stack);
	} else if (strcmp(key, "munmap") == 0) {
		read_numbers(rest, 2, n);
		log_put(log_writer, slot, munmap, 0, .addr = n[0], .size = n[1]);
	} else if (strcmp(key, "mremap") == 0) {
		const uint64_t stack = make_stack(read_numbers(rest, 5, n));

		log_put(log_writer, slot, mremap, 0, .old_addr = n[0], .old_size = n[1],
			.addr = n[2], .size = n[3], .flags = n[4], .stack = stack);
	} else {
		return 0;
	}
	return 1;
}

static int other_line(const char *key, char *rest)
{
	uint64_t n[NUMBERS];

	if (strcmp(key, "rss") == 0) {
		read_numbers(rest, 4, n);
		log_put(log_writer, slot, rss, 0, .resident = n[0], .shared = n[1], .own = n[2],
			.repeats = n[3], .cpu_ns = cpu_ns);
	} else if (strcmp(key, "detail") == 0) {
		read_numbers(rest, 6, n);
		log_put(log_writer, slot, rss_detail, 0, .anon = n[0], .file = n[1], .shmem = n[2],
			.swap = n[3], .hugetlb = n[4], .peak = n[5]);
	} else if (strcmp(key, "range") == 0) {
		read_numbers(rest, 6, n);
		log_put(log_writer, 1, account_range, 0, .account = n[0], .kind = n[1],
			.addr = n[2], .size = n[3], .resident = n[4], .swap = n[5]);
	} else if (strcmp(key, "account") == 0) {
		read_numbers(rest, 6, n);
		log_put(log_writer, 1, account, 0, .number = n[0], .reason = n[1], .resident = n[2],
			.malloc = n[3], .malloc_free = n[4], .malloc_arena = n[5]);
	} else if (strcmp(key, "process") == 0) {
		read_numbers(rest, 2, n);
		log_put(log_writer, slot, process, 0, .what = n[0], .value = n[1]);
	} else if (strcmp(key, "lost") == 0) {
		read_numbers(rest, 1, n);
		log_put(log_writer, slot, lost, 0, .count = n[0], .reason = PMT_LOST_MEMORY);
	} else {
		return 0;
	}
	return 1;
}

static void end_fold(void)
{
	if (folding)
		log_fold(log_writer, FOLD_SLOTS + fold.slot, &fold, fold_blocks, fold_sites);
	folding = false;
}

static struct pmt_folded read_folded(char *rest)
{
	uint64_t n[NUMBERS];
	const uint64_t stack = make_stack(read_numbers(rest, 7, n));

	return (struct pmt_folded){stack, n[0], n[1], n[2], n[3], n[4], n[5], n[6]};
}

static void fold_site(char *rest)
{
	const struct pmt_folded counts = read_folded(rest);

	fold_sites[fold.sites++ % TABLE_MAX] = (struct pmt_fold_site){
		pmt_fold_key((uint32_t)counts.stack, (uint32_t)counts.allocator),
		{pmt_fold_word(counts.count0, counts.bytes0),
		 pmt_fold_word(counts.count1, counts.bytes1),
		 pmt_fold_word(counts.count, counts.bytes)}};
}

static void fold_block(char *rest)
{
	uint64_t n[NUMBERS];
	const uint64_t stack = make_stack(read_numbers(rest, 5, n));

	fold_blocks[fold.blocks++ % TABLE_MAX] = (struct pmt_fold_block){
		n[0], n[1], (uint32_t)n[2], (uint32_t)stack, (uint32_t)n[3], (uint32_t)n[4]};
}

static int fold_line(const char *key, char *rest)
{
	uint64_t n[NUMBERS];

	if (strcmp(key, "block") == 0) {
		fold_block(rest);
	} else if (strcmp(key, "site") == 0) {
		fold_site(rest);
	} else if (strcmp(key, "fold") == 0) {
		end_fold();
		read_numbers(rest, 2, n);
		fold = (struct pmt_fold){.slot = slot, .held_peak = n[0], .journal = n[1]};
		folding = true;
	} else {
		return 0;
	}
	return 1;
}

static int totals_line(const char *key, char *rest)
{
	struct pmt_totals_numbers *numbers;
	uint64_t n[NUMBERS];

	if (strcmp(key, "dropped") == 0) {
		rest = read_numbers(rest, 1, n);
		totals.dropped = n[0];
		numbers = &totals.numbers[n[0] & 1];
		numbers->time_ns = seconds(rest);
		read_numbers(strchr(rest, ' ') + 1, 3, n);
		numbers->order = n[0];
		numbers->frees = n[1];
		numbers->others = n[2];
		numbers->slot = TOTALS_SLOT;
		numbers->frees_from = n[1] != 0 ? PMT_TOTALS_FREES_MORE : PMT_TOTALS_FREES_NONE;
	} else if (strcmp(key, "total") == 0) {
		const uint64_t stack = make_stack(read_numbers(rest, 3, n));

		totals_sites[totals.sites++ % TABLE_MAX] =
			(struct pmt_totals_site){(uint32_t)stack,
						 (uint32_t)n[0],
						 {(uint32_t)totals.dropped, 0},
						 {{n[1], n[2]}, {0, 0}}};
	} else {
		return 0;
	}
	return 1;
}

static int slot_line(const char *key, char *rest)
{
	const uint64_t number = strtoull(rest, NULL, 0);

	if (strcmp(key, "slot") == 0) {
		slot = (uint32_t)number;
	} else if (strcmp(key, "order") == 0) {
		log_put(log_writer, slot, order, 0, .order = number);
	} else if (strcmp(key, "birth") == 0) {
		log_put(log_writer, slot, birth, 0, .back = number);
	} else if (strcmp(key, "soon") == 0) {
		log_put(log_writer, slot, soon, (unsigned)number, .distance = number);
	} else if (strcmp(key, "folded") == 0) {
		const struct pmt_folded record = read_folded(rest);

		pmt_put_folded(logwriter_room(log_writer, slot, 0), 0, &record);
		logwriter_commit(log_writer, slot);
	} else {
		return 0;
	}
	return 1;
}

static void live_line(char *rest)
{
	struct log_block blocks[64];
	uint64_t n[NUMBERS];
	size_t count = 0;

	rest = read_numbers(rest, 1, n);
	for (char *word = strtok(rest, " "); word != NULL && count < 64; word = strtok(NULL, " ")) {
		char *type = strchr(word, ':');

		if (type == NULL)
			fail(word);
		blocks[count].addr = strtoull(word, NULL, 0);
		blocks[count++].type = strtoull(type + 1, NULL, 0);
	}
	log_type_live(log_writer, 1, n[0], blocks, count);
}

static int census_line(const char *key, char *rest)
{
	uint64_t n[NUMBERS];

	if (strcmp(key, "census") == 0) {
		rest = read_numbers(rest, 2, n);
		unescape(rest);
		log_census(log_writer, 1, n[0], n[1], rest);
	} else if (strcmp(key, "live") == 0) {
		live_line(rest);
	} else if (strcmp(key, "packed") == 0) {
		rest = read_numbers(rest, 3, n);
		const struct pmt_bytes bytes = {(uint8_t *)rest, (uint32_t)unescape(rest)};

		log_put_long(log_writer, 1, bytes.size, type_live, 0, .census = n[0], .addr = n[1],
			     .count = n[2], .blocks = bytes);
	} else if (strcmp(key, "type") == 0) {
		rest = read_numbers(rest, 3, n);
		char *name = strchr(rest, ':');

		if (name == NULL)
			fail(rest);
		*name++ = '\0';
		const uint32_t size = (uint32_t)unescape(name);

		log_type_name(log_writer, 1,
			      &(struct pmt_type_name){n[0],
						      n[1],
						      n[2],
						      {(uint8_t *)rest, (uint32_t)strlen(rest)},
						      {(uint8_t *)name, size}});
	} else {
		return 0;
	}
	return 1;
}

static void one_line(char *line)
{
	char *rest = strchr(line, ' ');

	if (rest == NULL)
		fail(line);
	*rest++ = '\0';
	if (!header_line(line, rest) && !text_line(line, rest) && !block_line(line, rest) &&
	    !mapping_line(line, rest) && !other_line(line, rest) && !fold_line(line, rest) &&
	    !totals_line(line, rest) && !slot_line(line, rest) && !census_line(line, rest) &&
	    !python_line(line, rest) && !calls_line(line, rest))
		fail(line);
}

int main(int argc, char **argv)
{
	char line[LINE_BYTES];

	if (argc != 2)
		fail("usage: makelog FILE");
	log_writer = logwriter_create(PMT_CHUNK_BYTES_MIN);
	logwriter_header(log_writer)->python_version = 0;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '\0' && line[0] != '#')
			one_line(line);
	}
	end_fold();
	if (totals.dropped != 0)
		log_totals(log_writer, TOTALS_SLOT, &totals, totals_sites);
	const struct pmt_header_live live = logwriter_header(log_writer)->live;

	logwriter_finish(log_writer, state);
	struct pmt_header *header = logwriter_header(log_writer);

	header->live.stop_reason = live.stop_reason;
	header->live.flags = live.flags;
	header->live.lost = live.lost;
	header->live.end_ns = state == PMT_STATE_OPEN ? 0 : end_ns != 0 ? end_ns : time_ns;
	logwriter_save(log_writer, argv[1]);
	logwriter_destroy(log_writer);
	return 0;
}
