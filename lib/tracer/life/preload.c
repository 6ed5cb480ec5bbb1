/* SPDX-License-Identifier: MIT */
/* How this library came into the process, and who else did that way. */
#include "preload.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "logfile.h"
#include "say.h"
#include "tracing.h"

void preload_leave_children_alone(void)
{
	char *list = getenv("LD_PRELOAD");
	Dl_info info;
	char *out = list;

	if (list == NULL || dladdr(&tracing_shared, &info) == 0)
		return;
	const char *own = strrchr(info.dli_fname, '/');

	own = own == NULL ? info.dli_fname : own + 1;
	for (char *p = list; *p != '\0';) {
		size_t size = strcspn(p, ": ");
		size_t name = strlen(own);
		int ours = size >= name && memcmp(p + size - name, own, name) == 0;
		size_t whole = size + (p[size] != '\0');

		if (!ours) {
			memmove(out, p, whole);
			out += whole;
		}
		p += whole;
	}
	*out = '\0';
}

/* The object that the symbol NAME is found in first; 0 when it cannot be said. */
static int find_object(const char *name, Dl_info *info)
{
	void *symbol = dlsym(RTLD_DEFAULT, name);
	Dl_info program;

	/*
	 * A symbol in the program itself may be a stub of the linker, which does not show whose
	 * function runs.
	 */
	return symbol != NULL && dladdr(symbol, info) != 0 &&
	       (dladdr((void *)getauxval(AT_ENTRY), &program) == 0 ||
		program.dli_fbase != info->dli_fbase);
}

void preload_check_heap(void)
{
	static const char *const names[] = {"malloc", "calloc", "realloc", "aligned_alloc"};
	Dl_info first, ours;

	if (!tracing_wants(PMT_TRACED_MALLOC) || dladdr(&tracing_shared, &ours) == 0)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!find_object(names[i], &first))
			continue;
		if (first.dli_fbase == ours.dli_fbase)
			return;
		logfile_flag(PMT_FLAG_NO_HEAP);
		say_problem("blocks of malloc are not seen, this comes first: ", first.dli_fname,
			    " (put libpymemtrace.so before it in LD_PRELOAD)");
		return;
	}
}

/* Which of two objects was loaded first? */
struct load_order {
	const void *ours;
	const void *libc;
	int first; /* 1: ours, 2: the C library */
};

static int compare_load(struct dl_phdr_info *info, size_t size, void *context)
{
	struct load_order *order = context;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum && order->first == 0; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		const uintptr_t start = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type != PT_LOAD)
			continue;
		if ((uintptr_t)order->ours - start < segment->p_memsz)
			order->first = 1;
		else if ((uintptr_t)order->libc - start < segment->p_memsz)
			order->first = 2;
	}
	return order->first;
}

int preload_is_ours(void)
{
	struct load_order order = {&tracing_shared, &environ, 0};
	void *getpid_there = dlsym(RTLD_NEXT, "getpid");

	if (getpid_there != NULL)
		order.libc = getpid_there;
	(void)dl_iterate_phdr(compare_load, &order);
	return order.first == 1;
}
