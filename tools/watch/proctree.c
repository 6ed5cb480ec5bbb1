/* SPDX-License-Identifier: MIT */
/* A process and those that come from it. */
#include "proctree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"

/* Names of short-lived processes are their own choice: of so many, the last stands for the rest. */
enum { BRIEFS_MAX = 200 };
#define BRIEF_OTHERS "(others)"

/* How a value of the tree is made of those of its processes. */
static const enum {
	SUM_LIVE,
	SUM_EVER,
	SUM_NONE
} sums[PROCTREE_VALUES] = {
	[PROCFS_PEAK_RSS] = SUM_NONE, /* they were not at the same time */
	[PROCFS_MINOR] = SUM_EVER,    [PROCFS_MAJOR] = SUM_EVER,
	[PROCFS_USER_NS] = SUM_EVER,  [PROCFS_SYSTEM_NS] = SUM_EVER,
	[PROCTREE_FAULTS] = SUM_EVER, [PROCTREE_FAULT_RATE] = SUM_NONE,
	[PROCTREE_CPU] = SUM_NONE, /* rates are those of the sums */
};

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t proctree_clock(const struct proctree *tree)
{
	return monotonic_ns() - tree->begin_ns;
}

static void set_unknown(uint64_t *values)
{
	for (size_t i = 0; i < PROCTREE_VALUES; i++)
		values[i] = PROCFS_UNKNOWN;
}

static void append_process(struct proctree_list *list, struct proctree_process *process)
{
	if ((list->count & (list->count - 1)) == 0)
		list->items = need_resize(list->items, (list->count == 0 ? 1 : 2 * list->count) *
							       sizeof(*list->items));
	list->items[list->count++] = process;
}

/* --- values --- */

static void raise_peaks(uint64_t *peaks, const uint64_t *values)
{
	for (size_t i = 0; i < PROCTREE_VALUES; i++)
		if (procfs_known(values[i]) && (!procfs_known(peaks[i]) || values[i] > peaks[i]))
			peaks[i] = values[i];
}

static uint64_t sum_of(uint64_t a, uint64_t b)
{
	return procfs_known(a) && procfs_known(b) ? a + b : PROCFS_UNKNOWN;
}

/* PER_SECOND times the growth a second. */
static uint64_t compute_rate(uint64_t before, uint64_t now, uint64_t span_ns, double per_second)
{
	if (!procfs_known(before) || !procfs_known(now))
		return PROCFS_UNKNOWN;
	if (now <= before)
		return 0;
	return (uint64_t)((double)(now - before) * per_second * 1e9 / (double)span_ns + 0.5);
}

/* What is made of the figures. No rates over no time, or over so little that they are noise. */
static void derive_rates(const struct proctree_state *before, uint64_t least_ns,
			 struct proctree_state *now)
{
	const uint64_t *old = before->values;
	uint64_t *new = now->values;
	const uint64_t span_ns = now->time_ns - before->time_ns;

	new[PROCTREE_FAULTS] = sum_of(new[PROCFS_MINOR], new[PROCFS_MAJOR]);
	new[PROCTREE_FAULT_RATE] = new[PROCTREE_CPU] = PROCFS_UNKNOWN;
	if (span_ns == 0 || span_ns < least_ns)
		return;
	new[PROCTREE_FAULT_RATE] =
		compute_rate(old[PROCTREE_FAULTS], new[PROCTREE_FAULTS], span_ns, 1000);
	/* of nanoseconds a second, 1e-7 is a percent */
	new[PROCTREE_CPU] =
		compute_rate(sum_of(old[PROCFS_USER_NS], old[PROCFS_SYSTEM_NS]),
			     sum_of(new[PROCFS_USER_NS], new[PROCFS_SYSTEM_NS]), span_ns, 1e-4);
}

static void set_now(const struct proctree *tree, const struct procfs_sample *sample,
		    struct proctree_process *process)
{
	memcpy(process->name, sample->name, sizeof(process->name));
	process->parent_pid = sample->parent;
	process->state = sample->state;
	process->now.time_ns = proctree_clock(tree);
	memcpy(process->now.values, sample->figures, sizeof(sample->figures));
	derive_rates(&process->before, tree->least_ns, &process->now);
}

/* --- processes that come and go --- */

static struct proctree_process *create_process(const struct proctree *tree,
					       const struct procfs_sample *sample)
{
	struct proctree_process *process = need_memory(sizeof(*process));

	*process = (struct proctree_process){.pid = sample->pid,
					     .start_ticks = sample->start_ticks,
					     .first_ns = proctree_clock(tree)};
	set_unknown(process->peaks);
	set_unknown(process->before.values);
	process->before.time_ns = process->first_ns;
	set_now(tree, sample, process);
	process->before = process->now;
	return process;
}

static void free_process(struct proctree_process *process)
{
	if (process != NULL)
		free(process->command);
	free(process);
}

static void note_brief(struct proctree *tree, const char *name)
{
	size_t i = 0;

	while (i < tree->brief_count && strcmp(tree->briefs[i].name, name) != 0)
		i++;
	if (i == tree->brief_count && i >= BRIEFS_MAX) {
		i = BRIEFS_MAX - 1;
		strcpy(tree->briefs[i].name, BRIEF_OTHERS);
	} else if (i == tree->brief_count) {
		tree->briefs = need_resize(tree->briefs, (i + 1) * sizeof(*tree->briefs));
		tree->briefs[i] = (struct proctree_brief){0};
		strcpy(tree->briefs[i].name, name);
		tree->brief_count++;
	}
	tree->briefs[i].count++;
	tree->brief_total++;
}

static void end_process(struct proctree *tree, struct proctree_process *process)
{
	for (size_t i = 0; i < PROCTREE_VALUES; i++)
		if (sums[i] == SUM_EVER && procfs_known(process->now.values[i]))
			tree->ended_values[i] += process->now.values[i];
	if (process->samples == 0) {
		note_brief(tree, process->name);
		free_process(process);
	} else {
		process->parent = NULL;
		append_process(&tree->ended, process);
	}
}

/* Take those out that are gone; their children go to the nearest ancestor that is not. */
static void sweep_ended(struct proctree *tree)
{
	struct proctree_list *live = &tree->live;
	size_t kept = 0;

	for (size_t i = 0; i < live->count; i++)
		while (live->items[i]->parent != NULL && live->items[i]->parent->gone &&
		       live->items[i]->parent != tree->root)
			live->items[i]->parent = live->items[i]->parent->parent;
	for (size_t i = 0; i < live->count; i++) {
		struct proctree_process *process = live->items[i];

		if (process->gone && process != tree->root)
			end_process(tree, process);
		else
			live->items[kept++] = process;
	}
	live->count = kept;
}

static struct proctree_process *find_live(const struct proctree *tree, pid_t pid)
{
	for (size_t i = 0; i < tree->live.count; i++)
		if (tree->live.items[i]->pid == pid && !tree->live.items[i]->gone)
			return tree->live.items[i];
	return NULL;
}

/* A process that is not known: perhaps one of ours, and perhaps we do not know its parent yet. */
static void offer_pid(void *context, pid_t pid)
{
	struct proctree *tree = context;
	struct procfs_sample sample;
	struct proctree_process *found;

	if (find_live(tree, pid) != NULL || procfs_read(tree->procfs, pid, 0, &sample) != 0)
		return;
	found = create_process(tree, &sample);
	append_process(&tree->found, found);
}

/* Whether the process has a parent in the tree that is older than it is. */
static bool adopt_process(struct proctree *tree, struct proctree_process *process)
{
	struct proctree_process *parent = find_live(tree, process->parent_pid);

	if (parent == NULL || parent->start_ticks > process->start_ticks ||
	    !procfs_is_process(tree->procfs, process->pid))
		return false;
	process->parent = parent;
	tree->born_ns = process->first_ns;
	append_process(&tree->live, process);
	return true;
}

/*
 * A parent can stand behind its child in the list, so the list is read again as long as a process
 * finds its place.
 */
static void place_found(struct proctree *tree)
{
	struct proctree_list *found = &tree->found;
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < found->count; i++)
			if (found->items[i] != NULL && adopt_process(tree, found->items[i])) {
				found->items[i] = NULL;
				again = true;
			}
	}
	for (size_t i = 0; i < found->count; i++)
		free_process(found->items[i]);
	found->count = 0;
}

static void look_at_processes(struct proctree *tree, bool full)
{
	newpids_look(&tree->newpids, full, offer_pid, tree);
	place_found(tree);
}

static void set_command(const struct proctree *tree, struct proctree_process *process)
{
	char command[PROCTREE_COMMAND_BYTES];
	const size_t size = procfs_command(tree->procfs, process->pid, command, sizeof(command));

	/* one that has ended has none any more */
	if (size == 0 || (process->command != NULL && size == process->command_size &&
			  memcmp(command, process->command, size) == 0))
		return;
	process->command = need_resize(process->command, size + 1);
	memcpy(process->command, command, size);
	process->command[size] = '\0';
	process->command_size = size;
	process->command_new = true;
}

/* Read a process again. It is gone, too, when its id is that of another one now. */
static void refresh_process(const struct proctree *tree, struct proctree_process *process,
			    unsigned want)
{
	struct procfs_sample sample;

	if (procfs_read(tree->procfs, process->pid, want, &sample) != 0 ||
	    sample.start_ticks != process->start_ticks)
		process->gone = true;
	else
		set_now(tree, &sample, process);
	if (!process->gone && (want & PROCFS_WANT_COMMAND) != 0)
		set_command(tree, process);
}

void proctree_look(struct proctree *tree)
{
	look_at_processes(tree, false);
	for (size_t i = 0; i < tree->live.count; i++)
		if (tree->live.items[i]->samples == 0)
			refresh_process(tree, tree->live.items[i], 0);
	sweep_ended(tree);
}

/* --- samples --- */

/* What is known of the value; *PARTIAL: some of it is not. */
static uint64_t sum_live(const struct proctree *tree, size_t value, bool *partial)
{
	uint64_t sum = 0, missing = 0;
	bool known = false;

	for (size_t i = 0; i < tree->live.count; i++) {
		const uint64_t number = tree->live.items[i]->now.values[value];

		if (procfs_known(number)) {
			sum += number;
			known = true;
		} else if (missing != PROCFS_DENIED) {
			missing = number;
		}
	}
	*partial = missing != 0;
	return known ? sum : missing;
}

static void sum_up(struct proctree *tree)
{
	struct proctree_state *now = &tree->now;

	tree->before = *now;
	now->time_ns = tree->root->now.time_ns;
	for (size_t i = 0; i < PROCTREE_VALUES; i++) {
		tree->partial[i] = false;
		now->values[i] = PROCFS_UNKNOWN;
		if (sums[i] != SUM_NONE)
			now->values[i] = sum_live(tree, i, &tree->partial[i]);
		if (sums[i] == SUM_EVER)
			now->values[i] = sum_of(now->values[i], tree->ended_values[i]);
	}
	derive_rates(&tree->before, tree->least_ns, now);
	if (tree->live.count > tree->most)
		tree->most = tree->live.count;
	raise_peaks(tree->peaks, now->values);
}

/* The figures of the last sample become those before. */
static void begin_sample(struct proctree *tree)
{
	for (size_t i = 0; i < tree->live.count; i++) {
		struct proctree_process *process = tree->live.items[i];

		process->command_new = false;
		if (process->samples != 0)
			process->before = process->now;
	}
}

static void end_sample(struct proctree *tree)
{
	for (size_t i = 0; i < tree->live.count; i++) {
		struct proctree_process *process = tree->live.items[i];

		process->samples++;
		raise_peaks(process->peaks, process->now.values);
	}
	for (size_t i = 0; i < tree->brief_count; i++) {
		struct proctree_brief *brief = &tree->briefs[i];

		brief->fresh = brief->count - brief->marked;
		brief->marked = brief->count;
	}
	sum_up(tree);
	tree->ticks++;
}

bool proctree_sample(struct proctree *tree)
{
	proctree_look(tree);
	begin_sample(tree);
	refresh_process(tree, tree->root, tree->want);
	if (tree->root->gone)
		return false;
	look_at_processes(tree, true);
	for (size_t i = 1; i < tree->live.count; i++)
		refresh_process(tree, tree->live.items[i], tree->want);
	sweep_ended(tree);
	end_sample(tree);
	return true;
}

int proctree_init(struct proctree *tree, const struct procfs *procfs, pid_t root)
{
	struct procfs_sample sample;

	*tree = (struct proctree){.procfs = procfs, .want = PROCFS_WANT_ALL};
	tree->begin_ns = monotonic_ns();
	newpids_init(&tree->newpids, procfs);
	set_unknown(tree->peaks);
	set_unknown(tree->now.values);
	const int result = procfs_read(procfs, root, 0, &sample);

	if (result != 0 || !procfs_is_process(procfs, root))
		return result != 0 ? result : -ESRCH;
	tree->root = create_process(tree, &sample);
	append_process(&tree->live, tree->root);
	return 0;
}

static void free_list(struct proctree_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free_process(list->items[i]);
	free(list->items);
}

void proctree_fini(struct proctree *tree)
{
	newpids_fini(&tree->newpids);
	free_list(&tree->live);
	free_list(&tree->ended);
	free_list(&tree->found);
	free(tree->briefs);
	tree->root = NULL;
}

unsigned proctree_depth(const struct proctree_process *process)
{
	unsigned depth = 0;

	while ((process = process->parent) != NULL)
		depth++;
	return depth;
}
