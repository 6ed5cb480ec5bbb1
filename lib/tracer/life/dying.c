/* SPDX-License-Identifier: MIT */
/* The last census of a process that ends by a signal. */
#include "dying.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "census.h"
#include "logfile.h"
#include "names.h"
#include "process.h"
#include "tracing.h"
#include "real.h"
#include "sys.h"

/* Where the tracer itself was interrupted the signal comes again so much later, and so often. */
#define AGAIN_NS 200000
#define AGAIN_MOST 100

static struct {
	_Atomic int armed;
	int again;
	struct sigaction shown; /* what the program takes for the disposition of SIGTERM */
} dying;

/* A child of vfork() shares our memory, but is another process. */
static int is_own_process(void)
{
	return tracing_is_own() && (int)logfile_header()->pid == sys_getpid();
}

/* Let SIGTERM come again in a moment. 0, or -1: it will not. */
static int come_again(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGTERM};
	const struct itimerspec when = {.it_value = {0, AGAIN_NS}};
	const int tid = sys_gettid();
	int timer;

	if (dying.again++ >= AGAIN_MOST)
		return -1;
	memcpy(&event._sigev_un, &tid, sizeof(tid));
	return SYS3(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) == 0 &&
			       SYS4(SYS_timer_settime, timer, 0, &when, NULL) == 0
		       ? 0
		       : -1;
}

static void on_term(int number)
{
	const struct sigaction standard = {.sa_handler = SIG_DFL};

	if (is_own_process() && census_in_handler() != 0 && come_again() == 0)
		return;
	/* It is blocked until this returns. */
	(void)real.sigaction(number, &standard, NULL);
	(void)SYS3(SYS_tgkill, sys_getpid(), sys_gettid(), number);
}

static int is_ours(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == on_term;
}

static int is_default(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == SIG_DFL;
}

static int install_handler(struct sigaction *old)
{
	const struct sigaction ours = {.sa_handler = on_term, .sa_flags = SA_RESTART};

	return real.sigaction(SIGTERM, &ours, old);
}

/* The first process of a container does not end by a signal that it has no handler for. */
void dying_arm(void)
{
	struct sigaction now;
	int armed = 0;

	if (sys_getpid() == 1 || real.sigaction(SIGTERM, NULL, &now) != 0 || !is_default(&now) ||
	    !atomic_compare_exchange_strong(&dying.armed, &armed, 1))
		return;
	dying.shown = now;
	(void)install_handler(NULL);
}

void dying_disarm(void)
{
	struct sigaction now;

	if (!atomic_exchange(&dying.armed, 0))
		return;
	if (real.sigaction(SIGTERM, NULL, &now) == 0 && is_ours(&now))
		(void)real.sigaction(SIGTERM, &dying.shown, NULL);
}

PMT_EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	struct sigaction before, wanted;
	int rc;

	if (number != SIGTERM || !atomic_load_explicit(&dying.armed, memory_order_relaxed))
		return real.sigaction(number, action, old);
	if (action != NULL)
		wanted = *action; /* OLD may be the same */
	rc = action != NULL && is_default(action) ? install_handler(&before)
						  : real.sigaction(number, action, &before);
	if (rc != 0)
		return rc;
	if (old != NULL)
		*old = is_ours(&before) ? dying.shown : before;
	if (action != NULL && is_default(&wanted))
		dying.shown = wanted;
	return 0;
}

PMT_EXPORT sighandler_t signal(int number, sighandler_t handler)
{
	sighandler_t before = real.signal(number, handler);

	if (number == SIGTERM && before != SIG_ERR && atomic_load(&dying.armed) &&
	    handler == SIG_DFL)
		(void)install_handler(NULL);
	return before == on_term ? SIG_DFL : before;
}

/* Would NUMBER end this process? After a crash its memory is not to be trusted. */
static int is_fatal(int number)
{
	struct sigaction action;

	switch (number) {
	case SIGCHLD:
	case SIGURG:
	case SIGWINCH:
	case SIGCONT:
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGABRT:
		return 0;
	default:
		break;
	}
	return number > 0 && real.sigaction(number, NULL, &action) == 0 &&
	       (is_default(&action) || is_ours(&action));
}

/* The caller is about to send NUMBER to itself. */
static void before_signal(int number)
{
	const int error = errno;

	/* raise_signal() has released the interpreter's lock. */
	if (tracing_wants_types() && is_own_process() && is_fatal(number) &&
	    (census_take(PMT_MOMENT_SIGNAL, "") == 0 || census_in_handler() == 0) &&
	    number == SIGTERM)
		/* That was it: our handler would take another one. */
		dying_disarm();
	errno = error;
}

PMT_EXPORT int kill(pid_t pid, int number)
{
	if (pid == 0 || (pid > 0 && pid == sys_getpid()))
		before_signal(number);
	return real.kill(pid, number);
}

PMT_EXPORT int raise(int number)
{
	before_signal(number);
	return real.raise(number);
}

PMT_EXPORT int pthread_kill(pthread_t thread, int number)
{
	if (pthread_equal(thread, pthread_self()))
		before_signal(number);
	return real.pthread_kill(thread, number);
}
