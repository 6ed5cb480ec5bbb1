/* SPDX-License-Identifier: MIT */
/* The modules of the interpreter and of malloc. */
#include "owner.h"

#include <gnu/libc-version.h>
#include <link.h>
#include <stdint.h>
#include <string.h>

#include "python.h"
#include "real.h"

struct module {
	uint64_t inside; /* an address in it */
	uint64_t start;
	uint64_t end; /* 0: not known */
};

static struct {
	struct module interpreter;
	struct module malloc;
	int known;
} owner;

static int find_module(struct dl_phdr_info *info, size_t size, void *context)
{
	struct module *module = context;
	uint64_t start = UINT64_MAX, end = 0;
	int found = 0;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const uint64_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		const uint64_t to = from + info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		found |= module->inside - from < to - from;
		start = from < start ? from : start;
		end = to > end ? to : end;
	}
	if (!found)
		return 0;
	module->start = start;
	module->end = end;
	return 1;
}

static int module_has(const struct module *module, const void *address)
{
	return (uintptr_t)address - module->start < module->end - module->start;
}

void owner_start(void)
{
	void *address;

	if (owner.known)
		return;
	memcpy(&address, &real.malloc, sizeof(address));
	owner.malloc.inside = (uintptr_t)address;
	owner.interpreter.inside = (uintptr_t)python.get_allocator;
	if (owner.interpreter.inside != 0)
		(void)dl_iterate_phdr(find_module, &owner.interpreter);
	(void)dl_iterate_phdr(find_module, &owner.malloc);
	owner.known = 1;
	/* The C library maps past the hooks. An allocator in the executable is the program's. */
	memcpy(&address, &(const char *(*)(void)){gnu_get_libc_version}, sizeof(address));
	if (module_has(&owner.malloc, address) || owner.malloc.start == owner.interpreter.start)
		owner.malloc.start = owner.malloc.end = 0;
}

enum owner owner_of(const void *caller)
{
	if (module_has(&owner.malloc, caller))
		return OWNER_MALLOC;
	return module_has(&owner.interpreter, caller) ? OWNER_PYTHON : OWNER_PROGRAM;
}
