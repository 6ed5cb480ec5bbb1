/* SPDX-License-Identifier: MIT */
/*
 * What the tracer keeps for each thread, and the guard that every event passes.
 *
 *	struct thread *t = thread_enter();
 *	if (t != NULL) {
 *		...record...
 *		thread_leave(t);
 *	}
 *
 * Between enter and leave a signal handler of the program that allocates finds the guard taken;
 * its events are counted as lost. The memory is wiped in a forked child, so a child that was made
 * past our fork handlers finds state 0, too, and starts afresh.
 */
#ifndef PMT_TRACER_THREAD_H
#define PMT_TRACER_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "fold.h"
#include "writer.h"

enum thread_state {
	THREAD_NONE = 0, /* not set up, or wiped by a fork */
	THREAD_READY,
	THREAD_BUSY,   /* recording */
	THREAD_INSIDE, /* in an allocator function that may call others: these are not events */
	THREAD_OFF,    /* the log ended for this thread; events are counted as lost */
};

/* A Python frame, as a walk sees it. */
struct thread_frame {
	const char *frame;
	const void *code;   /* NULL: frames left out here */
	uintptr_t position; /* instruction pointer or index, as the version has it */
	union {
		char *place;		 /* of a walk: where its mark goes, NULL: nowhere */
		struct {		 /* of a list */
			uint32_t stack;	 /* id of the stack up to it */
			uint32_t number; /* of the code object, 0: not looked up */
		};
	};
};

/* The resident set at events: rss.h. */
struct thread_rss {
	const volatile uint64_t *head; /* what moves with a page fault, or stands still; not NULL */
	/* What the last value was good for. */
	uint64_t seen; /* *head */
	uint64_t heap_end;
	uint64_t epoch;
	void *ring; /* faults.h, NULL: none */
	uint8_t opened;
	uint8_t notice_due; /* the counter was refused, and the log does not say so yet */
	/* The last `memory` record, and what it was good for. */
	uint8_t memory_known;
	uint64_t memory_seen;
	uint64_t memory_heap_end;
	uint64_t memory_epoch;
	struct pmt_memory memory;
};

/* A stack of one more frame that was looked up lately. */
struct thread_memo {
	uint64_t frame; /* stands for the frame's code and position; 0: empty */
	uint32_t parent;
	uint32_t stack;
};

/* The two innermost frames of the last stack: note_quick() of stack.c. */
struct thread_quick {
	const char *frame; /* NULL: nothing is noted */
	uintptr_t executable;
	const char *outer;
	uintptr_t outer_executable;
	uint64_t mark;	    /* of `outer` */
	uintptr_t position; /* of `frame` */
};

/* A thread's memos: so many at first, STEP times as many when they miss too often. */
#define THREAD_MEMOS_FIRST 128U
#define THREAD_MEMOS_STEP 8U
#define THREAD_MEMOS_MOST 8192U
#define THREAD_GUESSES_BITS 11

/* Short-lived blocks: folding.h. The tables are in the log file. */
struct thread_fold {
	struct pmt_fold *head; /* NULL: every event is written */
	uint64_t chunk;	       /* its number in the file */
	struct pmt_fold_block *blocks;
	struct pmt_fold_site *sites;
	unsigned blocks_shift; /* of a hash, to an index */
	unsigned sites_shift;
	uint64_t bytes;	     /* of its chunk that are allocated */
	uint64_t held;	     /* bytes of the blocks */
	uint64_t share;	     /* at most so many */
	uint32_t number;     /* of this thread's last allocation, modulo 2^32 */
	uintptr_t recent[2]; /* addresses of the last two, the latest first */
	uint8_t *guesses;    /* whether blocks are worth a place, see folding.h */
};

#define THREAD_CODES 64

/* An event of the interpreter that the trigger passed over last: events.c. */
struct thread_previous {
	unsigned type; /* PMT_REC_pyevent, c_event, line; else: none */
	unsigned what;
	uint32_t code;
	uint32_t place; /* position or line */
	uint32_t function;
	uint64_t resident;
};

/* Events of the interpreter. */
struct thread_events {
	uint32_t begun;	  /* the first one has been recorded */
	uint32_t wanted;  /* by the filter: 0 not looked at, 1 yes, 2 no */
	uint64_t skipped; /* events that have no record, since the last one that has */
	uint64_t epoch;	  /* value of the code epoch that `codes` is of */
	struct thread_previous previous;
	struct {
		const void *code;
		uint32_t number; /* 0: its events are not wanted */
	} codes[THREAD_CODES];
	struct {
		uint64_t key; /* of a C function: cfunction.c */
		uint32_t number;
	} functions[THREAD_CODES];
};

#define THREAD_TYPES 64

/* Objects: objects.c. */
struct thread_objects {
	uint64_t epoch; /* value of the epoch of types that `types` is of */
	struct {
		const void *type;
		uint64_t word;
	} types[THREAD_TYPES]; /* looked up lately */
};

struct thread {
	_Atomic int state;
	uint32_t number; /* from 1 */
	int tid;
	unsigned lost; /* nested events since the last `lost` record */
	struct writer writer;
	struct thread_rss rss;

	/* order.h */
	uint64_t order;
	uint64_t stamp;
	uint32_t claims_left;

	/* stack.c */
	struct thread_quick quick;
	uint32_t frames_room;
	uint32_t frames_used;
	uint32_t stacks_used;	     /* so many frames have the id of their stack */
	uint32_t stack;		     /* id of the last stack */
	uint64_t stack_epoch;	     /* value of the code epoch when it was taken */
	struct thread_frame *frames; /* the last stack, outermost first */
	struct thread_frame *walked; /* room for a walk, innermost first */
	struct thread_memo *memos;
	uint32_t memos_mask;   /* their number - 1 */
	uint32_t memos_missed; /* since they grew */

	struct thread_fold fold;
	struct thread_events events;

	struct thread_objects objects;

	/* thread.c */
	struct thread *next;
	pthread_t handle;
};

/* Never NULL: a thread without a state of its own has one that is always THREAD_NONE. */
extern __thread struct thread *thread_self __attribute__((tls_model("initial-exec")));

/* The rest of thread_enter(): sets up threads and forked children, counts what is lost. */
struct thread *thread_enter_slow(void);

static inline struct thread *thread_enter(void)
{
	struct thread *t = thread_self;

	if (__builtin_expect(atomic_load_explicit(&t->state, memory_order_relaxed) != THREAD_READY,
			     0))
		return thread_enter_slow();
	atomic_store_explicit(&t->state, THREAD_BUSY, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	return t;
}

static inline void thread_leave(struct thread *t)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&t->state, THREAD_READY, memory_order_relaxed);
}

/* Events of this thread until thread_outside() are the allocator's own affair. May return NULL. */
static inline struct thread *thread_inside(void)
{
	struct thread *t = thread_enter();

	if (t != NULL)
		atomic_store_explicit(&t->state, THREAD_INSIDE, memory_order_relaxed);
	return t;
}

static inline void thread_outside(struct thread *t)
{
	/* A mapping inside may have turned the thread off. */
	if (t != NULL && atomic_load_explicit(&t->state, memory_order_relaxed) == THREAD_INSIDE)
		thread_leave(t);
}

/*
 * Between enter and leave, where writer_has_room() says no: make room for SIZE bytes. Returns the
 * thread, or NULL when nothing is to be recorded now (suspended, stopped, the log cannot grow);
 * then the thread has left.
 */
struct thread *thread_room(struct thread *t, size_t size);
/* The log cannot grow: this thread records no more. Called between enter and leave. */
void thread_stop(struct thread *t);

/* Twice the room for frames, which are kept. Returns 0, or -1 without memory. */
int thread_more_frames(struct thread *t);

/* More room for memos, unless they are as many as can be; the old ones are forgotten. */
void thread_more_memos(struct thread *t);

/*
 * What floors above do where a thread begins to record and ends. Each is called once a thread,
 * never on the path of an event, between enter and leave, but for `close`.
 */
struct thread_duties {
	/* The first event in a forked child: start a log for it. Without a thread of its own yet.
	 */
	void (*start_child)(void);
	/* Another thread has got T: what was known of the resident set is forgotten. */
	void (*renew)(struct thread *t);
	/* T still has the writer of the thread before: write what was held back for that one. */
	void (*flush)(struct thread *t);
	/* T has a chunk, and the thread's name is in it: get room for what is held back. */
	void (*open)(struct thread *t);
	/* T's last chunk has been sealed: seal what is held back where it is. */
	void (*close)(struct thread *t);
};

/* Start-up, in the first thread. DUTIES stays where it is. Returns 0 or -1. */
int threads_init(const struct thread_duties *duties);
/* In a forked child: start afresh. */
void threads_reset(void);
/* In a forked child, at once: this thread's state is the parent's. */
void threads_leave(void);
/*
 * Seal the chunks of threads that have ended, and of this one; it records no more. What they held
 * back is written before. Returns whether there is no other thread that recorded.
 */
int threads_finish(void);
/*
 * Have all threads ask thread_room() at their next event, and wait until none of the others is in
 * the middle of one. Returns 0, or -1 when one did not come out of it in time: it records on
 * until its chunk is full.
 */
int threads_halt(void);
/* After threads_halt(), the log being closed: seal the chunks of all threads that came out. */
void threads_retire(void);
/* Before another log in this process: numbers begin anew. */
void threads_renew(void);
/* Number of the thread HANDLE, 0 when it has recorded nothing yet. Between enter and leave. */
uint32_t thread_number_of(pthread_t handle);
/* Put a thread_name record, cut to 255 bytes. Between enter and leave. */
void thread_put_name(struct thread *t, uint32_t number, const char *name);

#endif
