/* SPDX-License-Identifier: MIT */
/* The threads of one log: number, kernel id, last name, and how much they allocated. */
#ifndef PMT_TOOLS_THREADS_H
#define PMT_TOOLS_THREADS_H

#include <stddef.h>
#include <stdint.h>

#include "hashindex.h"
#include "record.h"

struct thread {
	uint32_t number;
	uint32_t sequence; /* allocations so far, modulo 2^32 */
	uint64_t tid;	   /* of the kernel, 0: not known */
	char *name;	   /* as the program had it, not to be trusted; NULL: none */
	size_t name_size;
};

struct threads {
	struct thread
		*threads; /* in the order of their first events; moves when a thread is added */
	uint32_t count;
	uint32_t room;
	struct hashindex index; /* of positions plus one */
	uint32_t last;		/* position of the last thread that was asked for */
};

void threads_init(struct threads *threads);
void threads_fini(struct threads *threads);

/* The thread with this number, made when it is new. Valid until the next call. */
struct thread *threads_slow(struct threads *threads, uint32_t number);
/* The same thread, or NULL. */
const struct thread *threads_lookup(const struct threads *threads, uint32_t number);

static inline struct thread *threads_get(struct threads *threads, uint32_t number)
{
	if (threads->count != 0 && threads->threads[threads->last].number == number)
		return &threads->threads[threads->last];
	return threads_slow(threads, number);
}

/* Replay a record. A thread's name stays when it ends; a new name replaces the old one. */
void threads_identify(struct threads *threads, const struct pmt_thread *record);
void threads_rename(struct threads *threads, const struct pmt_thread_name *record);

#endif
