/* SPDX-License-Identifier: MIT */
/*
 * System calls of the tracer, made directly: they leave the program's errno alone, need no
 * thread-local storage (the sampler has none) and cannot run into our own hooks.
 *
 * All return what the kernel returns: a result, or -errno.
 */
#ifndef PMT_TRACER_SYS_H
#define PMT_TRACER_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#if defined(__x86_64__)
static inline long sys_call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static inline long sys_call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#else
#error "no system calls for this machine yet: add them here"
#endif

#define SYS0(nr) sys_call((nr), 0, 0, 0, 0, 0, 0)
#define SYS1(nr, a) sys_call((nr), (long)(a), 0, 0, 0, 0, 0)
#define SYS2(nr, a, b) sys_call((nr), (long)(a), (long)(b), 0, 0, 0, 0)
#define SYS3(nr, a, b, c) sys_call((nr), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS4(nr, a, b, c, d) sys_call((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

#define SYS6(nr, a, b, c, d, e, f)                                                                 \
	sys_call((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* True for the value of a failed call that would return a pointer. */
static inline int sys_failed(const void *p)
{
	return (uintptr_t)p > (uintptr_t)-4096;
}

static inline void *sys_mmap(size_t size, int prot, int flags, int fd, uint64_t offset)
{
	return (void *)sys_call(SYS_mmap, 0, (long)size, prot, flags, fd, (long)offset);
}

static inline long sys_munmap(void *p, size_t size)
{
	return SYS2(SYS_munmap, p, size);
}

static inline long sys_madvise(void *p, size_t size, int advice)
{
	return SYS3(SYS_madvise, p, size, advice);
}

static inline long sys_open(const char *path, int flags, int mode)
{
	return SYS4(SYS_openat, AT_FDCWD, path, flags, mode);
}

static inline long sys_close(int fd)
{
	return SYS1(SYS_close, fd);
}

static inline long sys_pread(int fd, void *data, size_t size, uint64_t offset)
{
	return SYS4(SYS_pread64, fd, data, size, offset);
}

static inline long sys_pwrite(int fd, const void *data, size_t size, uint64_t offset)
{
	return SYS4(SYS_pwrite64, fd, data, size, offset);
}

static inline long sys_write(int fd, const void *data, size_t size)
{
	return SYS3(SYS_write, fd, data, size);
}

static inline long sys_readlink(const char *path, char *data, size_t size)
{
	return SYS4(SYS_readlinkat, AT_FDCWD, path, data, size);
}

/*
 * Copy SIZE bytes at FROM, which need not be there, in process PID, which is this one. Returns 0,
 * or -1 when not all of them can be read.
 */
static inline int sys_peek(int pid, void *data, uintptr_t from, size_t size)
{
	struct iovec to = {data, size}, at = {(void *)from, size};

	return SYS6(SYS_process_vm_readv, pid, &to, 1, &at, 1, 0) == (long)size ? 0 : -1;
}

/* False if any of the SIZE bytes at ADDR, a page's beginning, is not mapped. PAGES has a byte for
 * each. */
static inline int sys_is_mapped(uintptr_t addr, size_t size, unsigned char *pages)
{
	return SYS3(SYS_mincore, addr, size, pages) != -ENOMEM;
}

static inline int sys_getpid(void)
{
	return (int)SYS0(SYS_getpid);
}

static inline int sys_gettid(void)
{
	return (int)SYS0(SYS_gettid);
}

/* CLOCK in nanoseconds, by the kernel call: for the sampler and rare occasions. */
static inline uint64_t sys_clock_ns(clockid_t clock)
{
	struct timespec ts = {0, 0};

	(void)SYS2(SYS_clock_gettime, clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* Anonymous memory, zeroed; NULL when there is none. */
static inline void *sys_memory(size_t size)
{
	void *p = sys_mmap(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_failed(p) ? NULL : p;
}

#endif
