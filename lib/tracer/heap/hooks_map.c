/* SPDX-License-Identifier: MIT */
/* Memory mappings, and what gives memory back. Lengths are recorded in whole pages, as the kernel
 * maps them. */
#undef _FILE_OFFSET_BITS /* with it, the headers would rename mmap to mmap64 */

#include <malloc.h>
#include <stdarg.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "names.h"
#include "owner.h"
#include "real.h"
#include "rss.h"
#include "trace.h"
#include "tracing.h"

static size_t whole_pages(size_t size)
{
	size_t page = getauxval(AT_PAGESZ);

	return (size + page - 1) & ~(page - 1);
}

/* GIVEN is the call, CALLER who made it. */
static void trace_mapped(const struct pmt_mmap *given, const void *caller)
{
	struct pmt_mmap r = *given;

	/*
	 * A mapping that replaces another one, or has its pages at once, changes the resident set.
	 */
	if (r.flags & (MAP_FIXED | MAP_POPULATE | MAP_LOCKED))
		rss_gave_back();
	if ((void *)(uintptr_t)r.addr == MAP_FAILED || !tracing_wants(PMT_TRACED_MMAP))
		return;
	r.size = whole_pages(r.size);
	if (r.flags & MAP_ANONYMOUS)
		r.offset = 0;
	r.arena = owner_of(caller);
	trace_mmap(&r);
}

PMT_EXPORT void *mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	void *p = real.mmap(addr, size, prot, flags, fd, offset);
	const struct pmt_mmap r = {.addr = (uintptr_t)p,
				   .size = size,
				   .prot = (unsigned)prot,
				   .flags = (unsigned)flags,
				   .offset = (uint64_t)offset};

	trace_mapped(&r, __builtin_return_address(0));
	return p;
}

PMT_EXPORT void *mmap64(void *addr, size_t size, int prot, int flags, int fd, off64_t offset)
{
	void *p = real.mmap64(addr, size, prot, flags, fd, offset);
	const struct pmt_mmap r = {.addr = (uintptr_t)p,
				   .size = size,
				   .prot = (unsigned)prot,
				   .flags = (unsigned)flags,
				   .offset = (uint64_t)offset};

	trace_mapped(&r, __builtin_return_address(0));
	return p;
}

PMT_EXPORT int munmap(void *addr, size_t size)
{
	struct pmt_munmap r = {(uintptr_t)addr, whole_pages(size)};
	int traced, rc;

	traced = tracing_wants(PMT_TRACED_MMAP);
	if (traced)
		trace_leaving_mapping();
	rc = real.munmap(addr, size);
	rss_gave_back();
	if (rc == 0 && traced)
		trace_munmap(&r);
	return rc;
}

PMT_EXPORT int madvise(void *addr, size_t size, int advice)
{
	int rc = real.madvise(addr, size, advice);

	rss_gave_back();
	return rc;
}

PMT_EXPORT int malloc_trim(size_t pad)
{
	int rc = real.malloc_trim(pad);

	rss_gave_back();
	return rc;
}

PMT_EXPORT void *mremap(void *addr, size_t old_size, size_t size, int flags, ...)
{
	struct pmt_mremap r = {.old_addr = (uintptr_t)addr,
			       .old_size = whole_pages(old_size),
			       .size = whole_pages(size),
			       .flags = (unsigned)flags};
	void *place = NULL;
	va_list list;
	int traced;
	void *p;

	/* An address that is asked for (FIXED) or wished for (DONTUNMAP). */
	if (flags & ~MREMAP_MAYMOVE) {
		va_start(list, flags);
		place = va_arg(list, void *);
		va_end(list);
	}
	traced = tracing_wants(PMT_TRACED_MMAP);
	if (traced)
		trace_leaving_mapping();
	p = real.mremap(addr, old_size, size, flags, place);
	rss_gave_back();
	r.addr = (uintptr_t)p;
	if (p != MAP_FAILED && traced)
		trace_mremap(&r);
	return p;
}
