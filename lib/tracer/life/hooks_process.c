/* SPDX-License-Identifier: MIT */
/* What the tracer follows besides memory: libraries, processes, thread names. */
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "audit.h"
#include "events.h"
#include "names.h"
#include "process.h"
#include "pythreads.h"
#include "real.h"
#include "sampler.h"
#include "slots.h"
#include "sys.h"
#include "trace.h"
#include "tracing.h"

/* Does the object that called from CALLER have its own path for libraries, and does NAME need one?
 */
static int has_own_path(const void *caller, const char *name)
{
	struct link_map *map = NULL;
	Dl_info info;

	if (strchr(name, '/') != NULL && strchr(name, '$') == NULL)
		return 0;
	if (dladdr1(caller, &info, (void **)&map, RTLD_DL_LINKMAP) == 0 || map == NULL)
		return 1;
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++)
		if (entry->d_tag == DT_RPATH || entry->d_tag == DT_RUNPATH)
			return 1;
	return 0;
}

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
	/* Such a library looks for malloc and free in what it needs itself, before us. */
	if (name != NULL && (mode & RTLD_DEEPBIND) != 0 && (mode & RTLD_NOLOAD) == 0)
		events_notice(PMT_NOTICE_BOUND_DEEP, name);
	if (name != NULL && strstr(name, "libpython") != NULL && (mode & RTLD_NOLOAD) == 0 &&
	    !has_own_path(__builtin_return_address(0), name)) {
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

/*
 * The exec family. The C library's own functions call each other past us, so each has a hook; those
 * with a list of arguments gather it on the stack, as the C library does.
 */
#define EXEC(name, parameters, arguments)                                                          \
	PMT_EXPORT int name parameters                                                             \
	{                                                                                          \
		int rc;                                                                            \
                                                                                                   \
		process_before_exec();                                                             \
		rc = real.name arguments;                                                          \
		process_still_here();                                                              \
		return rc;                                                                         \
	}

EXEC(execve, (const char *path, char *const argv[], char *const envp[]), (path, argv, envp))
EXEC(execv, (const char *path, char *const argv[]), (path, argv))
EXEC(execvp, (const char *file, char *const argv[]), (file, argv))
EXEC(execvpe, (const char *file, char *const argv[], char *const envp[]), (file, argv, envp))
EXEC(fexecve, (int fd, char *const argv[], char *const envp[]), (fd, argv, envp))

/* More arguments than this go to pages of their own, for the sake of small stacks. */
#define FEW_ARGUMENTS 256

/*
 * The list that begins with FIRST, up to and with its NULL; in FEW if it fits. LIST is moved behind
 * it. NULL without memory, errno then says so.
 */
static char **gather_arguments(char **few, const char *first, va_list *list)
{
	char **argv = few;
	const char *word = first;
	va_list counted;
	size_t n = 1;

	va_copy(counted, *list);
	while (word != NULL) {
		word = va_arg(counted, const char *);
		n++;
	}
	va_end(counted);
	if (n > FEW_ARGUMENTS)
		argv = sys_memory(n * sizeof(*argv));
	if (argv == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	word = first;
	for (size_t i = 0; i < n; i++) {
		memcpy(&argv[i], &word, sizeof(word));
		if (word != NULL)
			word = va_arg(*list, const char *);
	}
	return argv;
}

/* This runs only after an exec that failed, so errno must stay. */
static void free_arguments(char **argv, char *const *few)
{
	size_t n = 1;

	if (argv == NULL || argv == few)
		return;
	while (argv[n - 1] != NULL)
		n++;
	(void)sys_munmap(argv, n * sizeof(*argv));
}

/* execl and its kin: CALL runs with `argv`. */
#define EXEC_LIST(name, call)                                                                      \
	PMT_EXPORT int name(const char *path, const char *first, ...)                              \
	{                                                                                          \
		char *few[FEW_ARGUMENTS];                                                          \
		char **argv;                                                                       \
		va_list list;                                                                      \
		int rc;                                                                            \
                                                                                                   \
		va_start(list, first);                                                             \
		argv = gather_arguments(few, first, &list);                                        \
		rc = argv == NULL ? -1 : (call);                                                   \
		va_end(list);                                                                      \
		free_arguments(argv, few);                                                         \
		return rc;                                                                         \
	}

EXEC_LIST(execl, execv(path, argv))
EXEC_LIST(execlp, execvp(path, argv))
/* The environment is the argument after the NULL. */
EXEC_LIST(execle, execve(path, argv, va_arg(list, char *const *)))

PMT_EXPORT pid_t fork(void)
{
	pid_t pid = real.fork();

	if (pid > 0)
		process_forked(pid);
	return pid;
}

PMT_EXPORT void _exit(int status)
{
	process_exit_from(__builtin_return_address(0));
	real._exit(status);
	__builtin_unreachable();
}

PMT_EXPORT void _Exit(int status)
{
	process_exit_from(__builtin_return_address(0));
	real._Exit(status);
	__builtin_unreachable();
}

PMT_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			      void *(*start)(void *), void *argument)
{
	char name[PYTHREADS_NAME_BYTES];
	const int saved = errno;
	const int named = pythreads_calls(name);
	int rc;

	errno = saved;
	rc = real.pthread_create(thread, attributes, start, argument);
	if (rc == 0 && named)
		pythreads_made(*thread, name);
	return rc;
}

PMT_EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
	char whole[PYTHREADS_NAME_BYTES];
	int rc = real.pthread_setname_np(thread, name);

	/* `threading` has a longer name than the system would keep. */
	if (rc == 0)
		trace_thread_name(thread, pythreads_calls(whole) ? whole : name);
	return rc;
}

/*
 * A thread that enters the interpreter stores its thread state by this function, which is how the
 * tracer hears of new thread states. The C library's header says that what VALUE points to is not
 * read, and gcc takes that for VALUE itself.
 */
#pragma GCC diagnostic push
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
PMT_EXPORT int pthread_setspecific(pthread_key_t key, const void *value)
{
	int rc = real.pthread_setspecific(key, value);

	if (rc == 0 && tracing_is_on()) {
		audit_again();
		slots_thread_state();
		pythreads_here();
	}
	return rc;
}
#pragma GCC diagnostic pop

/*
 * The C library sets the credentials of every thread that it knows, and it does not know the
 * sampler's: that one would keep what the program gave up. unshare() and setns() refuse a process
 * with several threads. So the thread ends first, and the next one has what the program has.
 */
#define ALONE(name, parameters, arguments)                                                         \
	PMT_EXPORT int name parameters                                                             \
	{                                                                                          \
		if (tracing_is_own())                                                              \
			sampler_pause(SAMPLER_SHORTLY);                                            \
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
	/* In the sandbox our next system call could be the program's last. */
	if (option == PR_SET_SECCOMP)
		process_stop(PMT_STOP_SANDBOX);
	rc = real.prctl(option, a[0], a[1], a[2], a[3]);
	if (rc == 0 && option == PR_SET_NAME) {
		char name[16];

		/* The kernel cuts the name; what it kept is what counts. */
		if (real.prctl(PR_GET_NAME, (unsigned long)name, 0, 0, 0) == 0)
			trace_thread_name(pthread_self(), name);
	}
	return rc;
}

/* Only for seccomp(), which the C library has no function for. */
PMT_EXPORT long syscall(long nr, ...)
{
	long a[6];
	va_list list;

	va_start(list, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (nr == SYS_seccomp)
		process_stop(PMT_STOP_SANDBOX);
	return real.syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
