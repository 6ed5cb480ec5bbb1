/* SPDX-License-Identifier: MIT */
/* Call stacks of logs that no tracer writes: too deep, without beginnings, with unknown ids. */
#include "check.h"

#include <stdlib.h>

#include "calls.h"
#include "logwriter.h"
#include "readlog.h"

enum { PAGE = 4096 };

/* Read W with OPTIONS into CALLS; destroys W. */
static void read_log(struct logwriter *w, struct calls *calls, const struct calls_options *options)
{
	struct reader *reader;
	size_t size;

	logwriter_finish(w, PMT_STATE_CLOSED);
	uint8_t *data = logwriter_data(w, &size);
	struct readlog file = readlog_create(data, size);

	free(data);
	logwriter_destroy(w);
	calls_init(calls, options);
	CHECK_EQ(reader_open(file.path, &reader), 0);
	CHECK_EQ(calls_read(calls, reader), 0);
	calltree_finish(&calls->tree);
	reader_close(reader);
	readlog_destroy(&file);
}

static const struct calls_options table = {.filter = {.thread = FILTER_ALL_THREADS}};
static const struct calls_options tree = {.filter = {.thread = FILTER_ALL_THREADS}, .tree = true};

/* The function with this name, or the one of before all. */
static const struct calls_function *find(const struct calls *calls, const char *name)
{
	for (uint32_t i = 1; i <= calls->names.count; i++)
		if (strcmp(calls->names.texts[calls->names.frames[i].function], name) == 0)
			return &calls->functions[i];
	check_true(false, name, __FILE__, __LINE__);
	return &calls->functions[0];
}

static struct logwriter *begin(void)
{
	struct logwriter *w = logwriter_create(1 << 20);

	log_thread(w, 1, 1, 10);
	log_put(w, 1, resident, 0, .resident = PAGE);
	return w;
}

/* More calls than are followed, of DISTINCT functions in turn; then as many returns. */
static void check_deep(const struct calls_options *options, uint32_t distinct)
{
	const uint32_t depth = CALLS_DEPTH_MAX + 1000;
	struct logwriter *w = begin();
	uint64_t codes[16] = {0};
	struct calls calls;

	for (uint32_t i = 0; i < distinct; i++)
		codes[i] = log_code(w, i == 0 ? "f" : "g", "a.py", i + 1);
	for (uint32_t i = 0; i < depth; i++)
		log_put(w, 1, pyevent, PMT_PYEVENT_CALL, .code = codes[i % distinct]);
	log_put(w, 1, resident, 0, .resident = 11 * PAGE);
	for (uint32_t i = depth; i-- > 0;)
		log_put(w, 1, pyevent, PMT_PYEVENT_RETURN, .code = codes[i % distinct]);
	log_put(w, 1, resident, 0, .resident = 13 * PAGE);
	log_put(w, 1, pyevent, PMT_PYEVENT_CALL, .code = codes[0]);
	read_log(w, &calls, options);
	const struct calls_function *f = find(&calls, "f");

	CHECK(calls.cut);
	CHECK_EQ(f->calls, (depth + distinct - 1) / distinct + 1);
	/* inclusive once, however often it is on the stack; not what came after its last return */
	CHECK_EQ(f->all.grown, 10 * PAGE);
	CHECK_EQ(calls.total.grown, 12 * PAGE);
	CHECK_EQ(calls.functions[0].own.grown, 2 * PAGE);
	CHECK(calls.tree.count <= CALLTREE_DEPTH_MAX + 1);
	CHECK_EQ(calls.tree.nodes[0].all.grown, options->tree ? 12 * PAGE : 0);
	calls_fini(&calls);
}

static void deep_stacks(void)
{
	check_deep(&table, 1);
	check_deep(&table, 7);
	check_deep(&tree, 1);
	check_deep(&tree, 7);
}

/* A million returns and no call: each is charged to the function it names. */
static void returns_without_calls(void)
{
	struct logwriter *w = begin();
	const uint64_t f = log_code(w, "f", "a.py", 1), g = log_code(w, "g", "a.py", 2);
	struct calls calls;

	for (uint32_t i = 0; i < 1000000; i++) {
		log_put(w, 1, resident, 0, .resident = (i + 1) * PAGE);
		log_put(w, 1, pyevent, PMT_PYEVENT_RETURN, .code = i % 4 == 0 ? f : g);
	}
	read_log(w, &calls, &table);
	CHECK_EQ(find(&calls, "f")->own.grown, 249999ULL * PAGE);
	CHECK_EQ(find(&calls, "g")->all.grown, 750000ULL * PAGE);
	CHECK_EQ(find(&calls, "f")->calls + find(&calls, "g")->calls, 0);
	CHECK_EQ(calls.functions[0].own.grown, 0);
	CHECK(!calls.cut);
	calls_fini(&calls);
}

/* Ids that nothing defines are one function without a name. */
static void undefined_ids(void)
{
	static const uint64_t ids[] = {0, 5, 1ULL << 32, UINT64_MAX, 77};
	struct logwriter *w = begin();
	struct calls calls;

	for (uint32_t i = 0; i < 5; i++) {
		log_put(w, 1, pyevent, PMT_PYEVENT_CALL, .code = ids[i]);
		log_put(w, 1, c_event, PMT_CEVENT_CALL, .code = ids[i], .function = ids[4 - i]);
		log_put(w, 1, resident, 0, .resident = (i + 2) * PAGE);
		log_put(w, 1, c_event, PMT_CEVENT_RETURN, .code = ids[i], .function = ids[4 - i]);
		log_put(w, 1, c_event, 3, .code = ids[i], .function = ids[4 - i]);
	}
	log_put(w, 1, line, 0, .code = 1234, .line = UINT64_MAX);
	log_put(w, 1, events_begin, 0, .stack = 99, .traced = UINT64_MAX);
	read_log(w, &calls, &tree);
	CHECK_EQ(calls.names.count, 2);
	CHECK_EQ(calls.functions[1].calls, 5);
	CHECK_EQ(calls.functions[2].calls, 5);
	CHECK_EQ(calls.functions[2].own.grown, 5 * PAGE);
	CHECK_EQ(calls.functions[1].all.grown, 5 * PAGE);
	calls_fini(&calls);
}

/* The time and growth of a function that still runs when the log ends count. */
static void ends_in_the_middle(void)
{
	struct logwriter *w = begin();
	const uint64_t f = log_code(w, "f", "a.py", 1), g = log_code(w, "g", "a.py", 2);
	struct calls calls;

	log_put(w, 1, pyevent, PMT_PYEVENT_CALL, .code = f);
	log_put(w, 1, pyevent, PMT_PYEVENT_CALL, .code = g);
	log_put(w, 1, time, 0, .time_ns = LOGWRITER_START_NS + 500);
	log_put(w, 1, resident, 0, .resident = 3 * PAGE);
	log_put(w, 1, line, 0, .code = g, .line = 3);
	read_log(w, &calls, &table);
	CHECK_EQ(find(&calls, "f")->all.grown, 2 * PAGE);
	CHECK_EQ(find(&calls, "f")->own.grown, 0);
	CHECK_EQ(find(&calls, "f")->all.time_ns, 500);
	CHECK_EQ(find(&calls, "g")->own.time_ns, 500);
	calls_fini(&calls);
}

/* Many begins with a long stack: each replaces what was on the stack before. */
static void begins_again(void)
{
	struct logwriter *w = begin();
	const uint64_t f = log_code(w, "f", "a.py", 1), g = log_code(w, "g", "a.py", 2);
	uint64_t stack = 0;
	struct calls calls;

	for (uint32_t i = 0; i < 100000; i++)
		stack = log_frame(w, stack, i % 2 ? f : g, 0);
	for (uint32_t i = 0; i < 20000; i++)
		log_put(w, 1, events_begin, 0, .stack = stack, .traced = 16);
	log_put(w, 1, pyevent, PMT_PYEVENT_RETURN, .code = f);
	log_put(w, 1, resident, 0, .resident = 2 * PAGE);
	log_put(w, 1, events_begin, 0, .stack = 0, .traced = 16);
	log_put(w, 1, pyevent, PMT_PYEVENT_RETURN, .code = g);
	read_log(w, &calls, &table);
	CHECK_EQ(find(&calls, "g")->own.grown, PAGE);
	CHECK_EQ(find(&calls, "f")->all.grown, 0);
	CHECK_EQ(calls.total.grown, PAGE);
	calls_fini(&calls);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"deep stacks", deep_stacks},	  {"returns without calls", returns_without_calls},
		{"undefined ids", undefined_ids}, {"ends in the middle", ends_in_the_middle},
		{"begins again", begins_again},	  {0},
	};

	return check_run(tests);
}
