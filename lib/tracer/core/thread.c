/* SPDX-License-Identifier: MIT */
/* Thread states: made at a thread's first event, handed on when the thread has ended. */
#include "thread.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/prctl.h>

#include "arena.h"
#include "lock.h"
#include "logfile.h"
#include "names.h"
#include "order.h"
#include "tracing.h"

static struct thread nobody;

__thread struct thread *thread_self __attribute__((tls_model("initial-exec"))) = &nobody;
/* Set while this thread's state is being made: a signal handler must not make another. */
static __thread volatile int starting __attribute__((tls_model("initial-exec")));

static struct {
	struct lock lock;
	struct thread *all; /* every state there is; handle 0: its thread has run its destructors */
	_Atomic uint32_t count;
	pthread_key_t key;
	int has_key;
	const struct thread_duties *duties;
} threads;

/* Of an earlier log of this process. */
static int is_stale(const struct thread *t)
{
	return t != &nobody && t->writer.generation != logfile_generation();
}

static void thread_ended(void *p)
{
	struct thread *t = p;

	/*
	 * The thread may go on to allocate in other destructors, so its state stays in use; a new
	 * thread takes it over once the kernel knows this one no more.
	 */
	lock_take(&threads.lock);
	t->handle = 0;
	lock_release(&threads.lock);
}

int threads_init(const struct thread_duties *duties)
{
	threads.duties = duties;
	if (!threads.has_key)
		threads.has_key = pthread_key_create(&threads.key, thread_ended) == 0;
	return 0;
}

void threads_leave(void)
{
	thread_self = &nobody;
}

void threads_reset(void)
{
	lock_reset(&threads.lock);
	threads.all = NULL;
	atomic_store(&threads.count, 0);
	threads_leave();
}

static int is_dead(const struct thread *t, int pid, int tid)
{
	return t->tid == tid || SYS3(SYS_tgkill, pid, t->tid, 0) == -ESRCH;
}

/* A state whose thread is gone, or NULL. */
static struct thread *take_over(int tid)
{
	int pid = sys_getpid();
	struct thread *t;

	for (t = threads.all; t != NULL; t = t->next)
		if (t->handle == 0 && is_dead(t, pid, tid))
			break;
	if (t == NULL)
		return NULL;
	/* Its thread ended in the middle of a record (pthread_exit() in a signal handler): that is
	 * lost. */
	if (atomic_load_explicit(&t->state, memory_order_relaxed) == THREAD_BUSY) {
		logfile_lost(1);
		writer_finish(&t->writer);
	}
	t->handle = pthread_self();
	return t;
}

/* Frames that there is room for at first. */
#define FRAMES_FIRST 64U

int thread_more_frames(struct thread *t)
{
	const size_t entry = sizeof(struct thread_frame);
	const uint32_t room = t->frames_room == 0 ? FRAMES_FIRST : 2 * t->frames_room;
	struct thread_frame *frames = arena_pages(2 * room * entry, 0);

	if (frames == NULL)
		return -1;
	if (t->frames_used != 0)
		memcpy(frames, t->frames, t->frames_used * entry);
	if (t->frames_room != 0)
		arena_give_back(t->frames, 2 * t->frames_room * entry);
	t->frames = frames;
	t->walked = frames + room;
	t->frames_room = room;
	return 0;
}

void thread_more_memos(struct thread *t)
{
	const uint32_t count = t->memos_mask + 1;
	struct thread_memo *memos;

	t->memos_missed = 0;
	if (count >= THREAD_MEMOS_MOST)
		return;
	memos = arena_pages(sizeof(*memos) * count * THREAD_MEMOS_STEP, 0);
	if (memos == NULL)
		return;
	/* The first ones share their page with the guesses. */
	if (count != THREAD_MEMOS_FIRST)
		arena_give_back(t->memos, sizeof(*memos) * count);
	t->memos = memos;
	t->memos_mask = count * THREAD_MEMOS_STEP - 1;
}

static struct thread *make_thread(void)
{
	struct thread *t = arena_pages((sizeof(*t) + 4095) & ~(size_t)4095, 1);

	if (t == NULL || thread_more_frames(t) != 0)
		return NULL;
	t->fold.guesses = arena_pages(
		(1U << THREAD_GUESSES_BITS) + sizeof(*t->memos) * THREAD_MEMOS_FIRST, 0);
	if (t->fold.guesses == NULL)
		return NULL;
	t->memos = (struct thread_memo *)(void *)(t->fold.guesses + (1U << THREAD_GUESSES_BITS));
	t->memos_mask = THREAD_MEMOS_FIRST - 1;
	t->handle = pthread_self();
	writer_init(&t->writer, PMT_CHUNK_EVENTS, writer_new_slot());
	t->next = threads.all;
	threads.all = t;
	return t;
}

void thread_put_name(struct thread *t, uint32_t number, const char *name)
{
	struct pmt_thread_name r = {number, {(const uint8_t *)name, 0}};

	while (name[r.name.size] != '\0' && r.name.size < 255)
		r.name.size++;
	if (writer_room(&t->writer, PMT_RECORD_MAX + r.name.size) == 0) {
		pmt_put_thread_name(&t->writer.enc, 0, &r);
		writer_commit(&t->writer);
	}
}

/* So many threads get their table of short-lived blocks with their first record. */
#define FOLDS_AT_ONCE 16U

/* The first records of a thread. Returns -1 when the log cannot grow. */
static int put_introduction(struct thread *t)
{
	struct pmt_thread r = {t->number, (uint64_t)t->tid};
	char name[16] = "";

	if (t->writer.chunk != NULL)
		threads.duties->flush(t);
	t->writer.thread = t->number;
	if (t->writer.chunk == NULL && writer_rotate(&t->writer, tracing_now(), t->order) != 0)
		return -1;
	if (writer_room(&t->writer, PMT_RECORD_MAX) != 0)
		return -1;
	pmt_put_thread(&t->writer.enc, 0, &r);
	writer_commit(&t->writer);
	(void)SYS2(SYS_prctl, PR_GET_NAME, name);
	name[sizeof(name) - 1] = '\0';
	thread_put_name(t, t->number, name);
	/* Where there are many, each has to show first that it has much to say. */
	if (t->number <= FOLDS_AT_ONCE)
		threads.duties->open(t);
	return 0;
}

static struct thread *start_thread(void)
{
	struct thread *t;
	int tid = sys_gettid();

	lock_take(&threads.lock);
	t = is_stale(thread_self) ? thread_self : take_over(tid);
	if (t == NULL)
		t = make_thread();
	if (t != NULL && is_stale(t)) {
		writer_init(&t->writer, PMT_CHUNK_EVENTS, writer_new_slot());
		/* These know numbers of the earlier log. */
		memset(t->memos, 0, sizeof(*t->memos) * (t->memos_mask + 1));
		t->order = 0;
		t->lost = 0;
	}
	if (t != NULL)
		t->number = atomic_fetch_add(&threads.count, 1) + 1;
	lock_release(&threads.lock);
	if (t == NULL) {
		logfile_lost(1);
		return NULL;
	}
	t->tid = tid;
	t->quick.frame = NULL;
	t->frames_used = 0;
	t->stacks_used = 0;
	t->stack = 0;
	memset(&t->events, 0, sizeof(t->events));
	t->stamp = order_stamp(t->order, t->writer.slot);
	order_tick(t);
	threads.duties->renew(t);
	logfile_header()->live.threads = t->number;
	if (t->number > 1)
		atomic_store(&order_shared.several, 1);
	atomic_store_explicit(&t->state, THREAD_BUSY, memory_order_relaxed);
	thread_self = t;
	if (put_introduction(t) != 0) {
		thread_stop(t);
		return NULL;
	}
	return t;
}

/* Destructors run only for threads with a value; no heap is needed for the first 32 keys. */
static void arm_destructor(struct thread *t)
{
	if (threads.has_key)
		(void)pthread_setspecific(threads.key, t);
}

struct thread *thread_enter_slow(void)
{
	struct thread *t = thread_self;
	struct thread *made;

	if (!tracing_is_on())
		return NULL;
	switch (atomic_load_explicit(&t->state, memory_order_relaxed)) {
	case THREAD_BUSY:
		t->lost++;
		return NULL;
	case THREAD_INSIDE:
		return NULL;
	case THREAD_OFF:
		if (is_stale(t))
			break;
		logfile_lost(1);
		return NULL;
	default:
		break;
	}
	if (starting) {
		logfile_lost(1);
		return NULL;
	}
	starting = 1;
	if (!tracing_is_same_process())
		threads.duties->start_child();
	made = tracing_is_on() ? start_thread() : NULL;
	if (made != NULL)
		arm_destructor(made);
	starting = 0;
	return made;
}

struct thread *thread_room(struct thread *t, size_t size)
{
	struct writer *w = &t->writer;

	if (is_stale(t) || !tracing_is_on()) {
		/* A log that was closed, or is none yet for this thread. */
		atomic_store_explicit(&t->state, THREAD_OFF, memory_order_relaxed);
		return is_stale(t) && tracing_is_on() ? thread_enter_slow() : NULL;
	}
	if (tracing_is_suspended()) {
		thread_leave(t);
		return NULL;
	}
	if (w->chunk != NULL && w->limit == NULL)
		w->limit = (uint8_t *)w->chunk + w->bytes;
	if (writer_room(w, size) == 0) {
		threads.duties->open(t);
		return t;
	}
	thread_stop(t);
	return NULL;
}

/* All threads of this process have seen what this one has stored. */
static void fence_all(void)
{
	const struct timespec rest = {0, 20000000};

	(void)SYS2(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0);
	if (SYS2(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0) != 0)
		(void)SYS2(SYS_nanosleep, &rest, 0);
}

/* Does T stand still, and has it seen that it is to ask for room? */
static int is_halted(struct thread *t)
{
	const int state = atomic_load_explicit(&t->state, memory_order_acquire);

	return state != THREAD_BUSY && state != THREAD_INSIDE &&
	       __atomic_load_n(&t->writer.limit, __ATOMIC_RELAXED) == NULL;
}

/* A thread that was getting a new chunk meanwhile has a limit again: once more. */
int threads_halt(void)
{
	const struct timespec rest = {0, 200000};
	int left = 1;

	__atomic_store_n(&thread_self->writer.limit, NULL, __ATOMIC_RELAXED);
	for (int round = 0; round < 500 && left; round++) {
		left = 0;
		lock_take(&threads.lock);
		for (struct thread *t = threads.all; t != NULL; t = t->next) {
			if (t == thread_self || is_halted(t))
				continue;
			__atomic_store_n(&t->writer.limit, NULL, __ATOMIC_RELAXED);
			left = 1;
		}
		lock_release(&threads.lock);
		if (left)
			fence_all();
		if (left && round > 2)
			(void)SYS2(SYS_nanosleep, &rest, 0);
	}
	return left ? -1 : 0;
}

void threads_retire(void)
{
	lock_take(&threads.lock);
	for (struct thread *t = threads.all; t != NULL; t = t->next) {
		logfile_lost(t->lost);
		t->lost = 0;
		if (t != thread_self && !is_halted(t))
			continue;
		writer_finish(&t->writer);
		threads.duties->close(t);
	}
	lock_release(&threads.lock);
}

void threads_renew(void)
{
	atomic_store(&threads.count, 0);
}

void thread_stop(struct thread *t)
{
	if (!is_stale(t))
		logfile_lost(1 + t->lost);
	t->lost = 0;
	atomic_store_explicit(&t->state, THREAD_OFF, memory_order_relaxed);
}

/* T, whose thread records no more, writes what it held back, if that may take room in the file. */
static void write_the_rest(struct thread *t)
{
	const int state = atomic_load_explicit(&t->state, memory_order_relaxed);

	/* Of a thread that ended in the middle of a record (a signal handler) nothing is touched. */
	if (state != THREAD_BUSY && t->writer.chunk != NULL && t->writer.limit != NULL &&
	    logfile_max_chunks() == UINT64_MAX)
		threads.duties->flush(t);
}

int threads_finish(void)
{
	struct thread *self = thread_self;
	int pid = sys_getpid(), tid = sys_gettid();
	int all = 1;

	if (lock_take_soon(&threads.lock) != 0)
		return 0;
	logfile_end_begins();
	for (struct thread *t = threads.all; t != NULL; t = t->next) {
		logfile_lost(t->lost);
		t->lost = 0;
		if (t != self && (t->handle != 0 || !is_dead(t, pid, tid))) {
			all = 0;
			continue;
		}
		write_the_rest(t);
		atomic_store_explicit(&t->state, THREAD_OFF, memory_order_relaxed);
		writer_finish(&t->writer);
		threads.duties->close(t);
	}
	lock_release(&threads.lock);
	return all;
}

uint32_t thread_number_of(pthread_t handle)
{
	uint32_t number = 0;

	lock_take(&threads.lock);
	for (struct thread *t = threads.all; t != NULL && number == 0; t = t->next)
		if (t->handle != 0 && pthread_equal(t->handle, handle))
			number = t->number;
	lock_release(&threads.lock);
	return number;
}
