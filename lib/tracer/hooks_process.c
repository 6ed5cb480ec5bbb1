/* SPDX-License-Identifier: MIT */
/* What the tracer follows besides memory: libraries, processes, thread names. */
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "process.h"
#include "real.h"
#include "sampler.h"
#include "thread.h"

/*
 * The real dlopen() looks at its return address to find the caller's RPATH, so it must be entered
 * by a jump, with the caller's own return address on the stack. Only for libpython by name do we
 * need to know the result; if that look-up fails the jump is made after all.
 */
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((optimize("O2")))
#endif
PMT_EXPORT void *
dlopen(const char *name, int mode)
{
	if (name != NULL && strstr(name, "libpython") != NULL && (mode & RTLD_NOLOAD) == 0) {
		void *handle = real.dlopen(name, mode);

		if (handle != NULL) {
			process_interpreter_loaded(handle);
			return handle;
		}
	}
#if defined(__clang__)
	__attribute__((musttail)) return real.dlopen(name, mode);
#else
	return real.dlopen(name, mode);
#endif
}

PMT_EXPORT pid_t fork(void)
{
	pid_t pid = real.fork();

	if (pid > 0)
		process_forked(pid);
	return pid;
}

PMT_EXPORT void _exit(int status)
{
	process_exit_now();
	real._exit(status);
	__builtin_unreachable();
}

PMT_EXPORT void _Exit(int status)
{
	process_exit_now();
	real._Exit(status);
	__builtin_unreachable();
}

PMT_EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
	int rc = real.pthread_setname_np(thread, name);

	if (rc == 0)
		thread_named(thread, name);
	return rc;
}

/*
 * The C library sets the credentials of every thread that it knows, and it does not know the
 * sampler's: that one would keep what the program gave up. unshare() and setns() refuse a process
 * with several threads. So the thread ends first, and the next one has what the program has.
 */
#define ALONE(name, parameters, arguments)                                                         \
	PMT_EXPORT int name parameters                                                             \
	{                                                                                          \
		if (process_is_own())                                                              \
			sampler_pause();                                                           \
		return real.name arguments;                                                        \
	}

ALONE(setuid, (uid_t uid), (uid))
ALONE(setgid, (gid_t gid), (gid))
ALONE(seteuid, (uid_t uid), (uid))
ALONE(setegid, (gid_t gid), (gid))
ALONE(setreuid, (uid_t ruid, uid_t euid), (ruid, euid))
ALONE(setregid, (gid_t rgid, gid_t egid), (rgid, egid))
ALONE(setresuid, (uid_t ruid, uid_t euid, uid_t suid), (ruid, euid, suid))
ALONE(setresgid, (gid_t rgid, gid_t egid, gid_t sgid), (rgid, egid, sgid))
ALONE(setgroups, (size_t count, const gid_t *groups), (count, groups))
ALONE(unshare, (int flags), (flags))
ALONE(setns, (int fd, int kind), (fd, kind))

PMT_EXPORT int prctl(int option, ...)
{
	unsigned long a[4];
	va_list list;
	int rc;

	va_start(list, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(list, unsigned long);
	va_end(list);
	rc = real.prctl(option, a[0], a[1], a[2], a[3]);
	if (rc == 0 && option == PR_SET_NAME) {
		char name[16];

		/* The kernel cuts the name; what it kept is what counts. */
		if (real.prctl(PR_GET_NAME, (unsigned long)name, 0, 0, 0) == 0)
			thread_named(pthread_self(), name);
	}
	return rc;
}
