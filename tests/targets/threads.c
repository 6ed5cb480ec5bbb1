/* SPDX-License-Identifier: MIT */
/* Threads that allocate, in ways that are hard to keep apart. */
#include "report.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int tid(void)
{
	return (int)syscall(SYS_gettid);
}

static void run(int count, void *(*body)(void *))
{
	static pthread_t threads[4096];
	for (intptr_t i = 0; i < count; i++)
		CHECK(!pthread_create(&threads[i], NULL, body, (void *)i));
	for (int i = 0; i < count; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

/* 100 threads x 100 memalign and free, each thread with its own size. */
static void *many_body(void *number)
{
	size_t size = 10000 + (size_t)number;
	for (int i = 0; i < 100; i++) {
		void *p = memalign(64, size);
		if (i != 50)
			free(p);
	}
	REPORT("{\"size\": %zu, \"tid\": %d}\n", size, tid());
	return NULL;
}

static void many(void)
{
	run(100, many_body);
}

/* 2,000 threads alive at once. */
static pthread_barrier_t barrier;

static void *crowd_body(void *number)
{
	pthread_barrier_wait(&barrier);
	free(memalign(64, 10000 + (size_t)number));
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void crowd(void)
{
	static pthread_t threads[2000];
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	pthread_barrier_init(&barrier, NULL, 2000);
	for (intptr_t i = 0; i < 2000; i++)
		CHECK(!pthread_create(&threads[i], &attr, crowd_body, (void *)i));
	for (int i = 0; i < 2000; i++)
		CHECK(!pthread_join(threads[i], NULL));
	puts("2000 threads");
}

/* Blocks handed from thread to thread, freed by others, addresses reused at once. */
enum { PASS_SLOTS = 64, PASS_ROUNDS = 20000, PASS_THREADS = 4 };
static _Atomic(void *) slots[PASS_SLOTS];

static void *pass_body(void *number)
{
	unsigned random = 7 + (unsigned)(uintptr_t)number;
	for (int i = 0; i < PASS_ROUNDS; i++) {
		random = random * 1664525 + 1013904223;
		free(atomic_exchange(&slots[random >> 26], malloc(7001)));
	}
	return NULL;
}

static void pass(void)
{
	run(PASS_THREADS, pass_body);
	for (int i = 0; i < PASS_SLOTS; i++)
		free(slots[i]);
	REPORT("{\"allocs\": %d, \"size\": 7001}\n", PASS_ROUNDS * PASS_THREADS);
}

/* The same with realloc that moves. */
static void *pass_realloc_body(void *number)
{
	unsigned random = 7 + (unsigned)(uintptr_t)number;
	for (int i = 0; i < PASS_ROUNDS; i++) {
		random = random * 1664525 + 1013904223;
		void *p = atomic_exchange(&slots[random >> 26], NULL);
		p = realloc(p, 7001 + (random >> 8 & 0xfff));
		free(atomic_exchange(&slots[random >> 26], p));
	}
	return NULL;
}

static void pass_realloc(void)
{
	run(PASS_THREADS, pass_realloc_body);
	for (int i = 0; i < PASS_SLOTS; i++)
		free(slots[i]);
}

static void *named_body(void *unused)
{
	free(memalign(64, 20001));
	pthread_setname_np(pthread_self(), "from inside");
	free(memalign(64, 20002));
	prctl(PR_SET_NAME, "by prctl");
	free(memalign(64, 20003));
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	free(memalign(64, 20004));
	return unused;
}

static void names(void)
{
	pthread_t thread;
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_setname_np(pthread_self(), "before");
	CHECK(!pthread_create(&thread, NULL, named_body, NULL));
	pthread_barrier_wait(&barrier);
	pthread_setname_np(thread, "from outside");
	pthread_barrier_wait(&barrier);
	CHECK(!pthread_join(thread, NULL));
}

/* Allocations while a thread's keys and thread-local objects are torn down. */
static pthread_key_t keys[3];

static void key_destructor(void *value)
{
	static _Thread_local int rounds;
	free(value);
	if (++rounds < 6)
		pthread_setspecific(keys[0], memalign(64, 30001));
	free(memalign(64, 30002));
}

extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
extern void *__dso_handle;

static void thread_local_destructor(void *unused)
{
	(void)unused;
	free(memalign(64, 30003));
}

static void *teardown_body(void *unused)
{
	for (int i = 0; i < 3; i++)
		pthread_setspecific(keys[i], memalign(64, 30001));
	__cxa_thread_atexit_impl(thread_local_destructor, NULL, &__dso_handle);
	return unused;
}

static void teardown(void)
{
	for (int i = 0; i < 3; i++)
		pthread_key_create(&keys[i], key_destructor);
	run(10, teardown_body);
}

/* Threads one after the other; the kernel is made to give the same id again where that is allowed.
 */
static int reused_tid;

static void *one_body(void *number)
{
	int fd;
	free(memalign(64, 40000 + (size_t)number));
	REPORT("{\"size\": %zu, \"tid\": %d}\n", 40000 + (size_t)number, tid());
	if (!reused_tid)
		reused_tid = tid();
	fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
	if (fd >= 0) {
		dprintf(fd, "%d", reused_tid - 1);
		close(fd);
	}
	return NULL;
}

static void reuse(void)
{
	pthread_t thread;
	for (intptr_t i = 0; i < 20; i++) {
		CHECK(!pthread_create(&thread, NULL, one_body, (void *)i));
		CHECK(!pthread_join(thread, NULL));
	}
}

/* A detached thread is still at work when main returns. */
static atomic_int busy;

static void *forever_body(void *unused)
{
	/* Not for ever: every event is to be read. */
	for (int i = 0; i < 100000; i++) {
		free(malloc(7001));
		if (i == 100)
			atomic_fetch_add(&busy, 1);
	}
	pause();
	return unused;
}

static void exit_while_busy(void)
{
	pthread_t thread;
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&thread, NULL, forever_body, NULL));
	while (atomic_load(&busy) < 4)
		usleep(500);
	puts("bye");
}

static const struct target_case cases[] = {
	{"many", many},	  {"crowd", crowd},
	{"pass", pass},	  {"pass_realloc", pass_realloc},
	{"names", names}, {"teardown", teardown},
	{"reuse", reuse}, {"exit_while_busy", exit_while_busy},
};

int main(int argc, char **argv)
{
	return RUN_CASE(cases);
}
