/* SPDX-License-Identifier: MIT */
/* Threads: an array, found through a hash table, because their numbers may be anything. */
#include "threads.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "mix.h"

enum { INDEX_FIRST = 64 };

void threads_init(struct threads *threads)
{
	memset(threads, 0, sizeof(*threads));
	threads->factor = mix_factor();
}

void threads_fini(struct threads *threads)
{
	for (uint32_t i = 0; i < threads->count; i++)
		free(threads->threads[i].name);
	free(threads->threads);
	free(threads->index);
	memset(threads, 0, sizeof(*threads));
}

static uint32_t *find_cell(const struct threads *threads, uint32_t number)
{
	for (uint32_t i = (uint32_t)(mix(threads->factor, number) >> 32);; i++) {
		uint32_t *cell = &threads->index[i & threads->index_mask];

		if (*cell == 0 || threads->threads[*cell - 1].number == number)
			return cell;
	}
}

static void grow(struct threads *threads)
{
	const size_t cells = threads->index == NULL ? INDEX_FIRST : (threads->index_mask + 1UL) * 2;

	if (cells > UINT32_MAX)
		die(EXIT_DATA, "too many threads");
	threads->threads = need_resize(threads->threads, cells / 2 * sizeof(*threads->threads));
	threads->index = need_resize(threads->index, cells * sizeof(*threads->index));
	memset(threads->index, 0, cells * sizeof(*threads->index));
	threads->index_mask = (uint32_t)(cells - 1);
	threads->room = (uint32_t)(cells / 2);
	for (uint32_t i = 0; i < threads->count; i++)
		*find_cell(threads, threads->threads[i].number) = i + 1;
}

struct thread *threads_slow(struct threads *threads, uint32_t number)
{
	if (threads->count >= threads->room)
		grow(threads);
	uint32_t *cell = find_cell(threads, number);

	if (*cell == 0) {
		threads->threads[threads->count] = (struct thread){.number = number};
		*cell = ++threads->count;
	}
	threads->last = *cell - 1;
	return &threads->threads[threads->last];
}

const struct thread *threads_lookup(const struct threads *threads, uint32_t number)
{
	if (threads->count == 0)
		return NULL;
	const uint32_t cell = *find_cell(threads, number);

	return cell == 0 ? NULL : &threads->threads[cell - 1];
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
