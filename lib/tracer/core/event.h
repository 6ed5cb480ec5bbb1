/* SPDX-License-Identifier: MIT */
/*
 * How an event becomes a record: the thread with room for it, then the record, then the commit.
 *
 *	struct thread *t = event_begin();
 *	if (t != NULL) {
 *		order_pass(t, entry);
 *		pmt_put_NAME(&t->writer.enc, ...);
 *		event_end(t);
 *	}
 */
#ifndef PMT_TRACER_EVENT_H
#define PMT_TRACER_EVENT_H

#include "names.h"
#include "thread.h"

/* Room for a record with all that may precede it. */
#define EVENT_ROOM (7 * PMT_RECORD_MAX)

/*
 * Returns the thread, with room for an event in its chunk, or NULL when the event is not recorded.
 */
static inline struct thread *event_begin(void)
{
	struct thread *t = thread_enter();

	if (__builtin_expect(t == NULL, 0))
		return NULL;
	if (__builtin_expect(!writer_has_room(&t->writer, EVENT_ROOM), 0))
		return thread_room(t, EVENT_ROOM);
	return t;
}

/* Record how many events were lost because a signal handler raised them inside the tracer. */
static inline void event_put_lost(struct thread *t)
{
	struct pmt_lost r = {t->lost, PMT_LOST_NESTED};

	t->lost = 0;
	pmt_put_lost(&t->writer.enc, 0, &r);
}

static inline void event_end(struct thread *t)
{
	if (__builtin_expect(t->lost != 0, 0))
		event_put_lost(t);
	writer_commit(&t->writer);
	thread_leave(t);
}

#endif
