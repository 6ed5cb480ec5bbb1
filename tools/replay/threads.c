/* SPDX-License-Identifier: MIT */
/* Threads: an array, found through a hash table, because their numbers may be anything. */
#include "threads.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

void threads_init(struct threads *threads)
{
	memset(threads, 0, sizeof(*threads));
	hashindex_init(&threads->index, "threads");
}

void threads_fini(struct threads *threads)
{
	for (uint32_t i = 0; i < threads->count; i++)
		free(threads->threads[i].name);
	free(threads->threads);
	hashindex_fini(&threads->index);
	memset(threads, 0, sizeof(*threads));
}

struct key {
	const struct thread *threads;
	uint32_t number;
};

static bool is_same(const void *context, uint32_t position)
{
	const struct key *key = context;

	return key->threads[position - 1].number == key->number;
}

/* The position plus one of a thread, 0: it is not there. */
static uint32_t find_thread(const struct threads *threads, uint64_t hash, uint32_t number)
{
	const struct key key = {threads->threads, number};

	return hashindex_find(&threads->index, hash, is_same, &key);
}

static uint32_t add_thread(struct threads *threads, uint64_t hash, uint32_t number)
{
	threads->threads = need_room(threads->threads, threads->count, &threads->room,
				     sizeof(*threads->threads));
	threads->threads[threads->count++] = (struct thread){.number = number};
	hashindex_add(&threads->index, hash, threads->count);
	return threads->count;
}

struct thread *threads_slow(struct threads *threads, uint32_t number)
{
	const uint64_t hash = hashindex_mix(&threads->index, 0, number);
	uint32_t found = find_thread(threads, hash, number);

	if (found == 0)
		found = add_thread(threads, hash, number);
	threads->last = found - 1;
	return &threads->threads[threads->last];
}

const struct thread *threads_lookup(const struct threads *threads, uint32_t number)
{
	const uint32_t found =
		find_thread(threads, hashindex_mix(&threads->index, 0, number), number);

	return found == 0 ? NULL : &threads->threads[found - 1];
}

void threads_identify(struct threads *threads, const struct pmt_thread *record)
{
	if (record->thread <= UINT32_MAX)
		threads_get(threads, (uint32_t)record->thread)->tid = record->tid;
}

void threads_rename(struct threads *threads, const struct pmt_thread_name *record)
{
	if (record->thread > UINT32_MAX)
		return;
	struct thread *thread = threads_get(threads, (uint32_t)record->thread);

	thread->name = need_resize(thread->name, record->name.size + 1UL);
	if (record->name.size != 0)
		memcpy(thread->name, record->name.data, record->name.size);
	thread->name[record->name.size] = '\0';
	thread->name_size = record->name.size;
}
