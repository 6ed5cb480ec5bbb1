/* SPDX-License-Identifier: MIT */
/* Getting and keeping the interpreter's place for a tracer of references. */
#include "reftracer.h"

#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "names.h"
#include "objects.h"
#include "python.h"

typedef int set_function(reftracer_function function, void *data);
typedef reftracer_function get_function(void **data);

struct reftracer_shared reftracer_shared;

#define LINKS 64

static struct {
	set_function *set;
	get_function *get;
	/* The function that ours calls in turn; it never changes once the slot is in use. */
	struct reftracer_slot links[LINKS];
	_Atomic unsigned count;
	_Atomic int busy; /* being put in front, which may call the other one */
	int full;	  /* and the log says so */
} tracer;

/* The link to FUNCTION, NULL: there are too many. */
static struct reftracer_slot *link_to(reftracer_function function, void *data)
{
	const unsigned count = atomic_load(&tracer.count);
	struct reftracer_slot *link = tracer.links;

	for (; link < tracer.links + count; link++)
		if (link->function == function && link->data == data)
			return link;
	if (count == LINKS)
		return NULL;
	link->function = function;
	link->data = data;
	atomic_store(&tracer.count, count + 1);
	return link;
}

/*
 * From 3.15 on the interpreter's own function would tell the other tracer that it has been thrown
 * out, though ours goes on calling it. So the pointers are written directly, where the
 * interpreter's lock makes that safe; without that lock the function is the only way, and there it
 * may race with itself up to 3.14 (gh-137992).
 */
static void put_function(reftracer_function function, void *data)
{
	struct reftracer_slot *slot = reftracer_shared.slot;

	if (slot == NULL) {
		(void)tracer.set(function, data);
		return;
	}
	slot->data = data;
	__atomic_store_n(&slot->function, function, __ATOMIC_RELEASE);
}

void reftracer_check(void)
{
	struct reftracer_slot *link;
	reftracer_function function;
	unsigned before;
	void *data;

	if (tracer.get == NULL || tracer.get(&data) == reftracer_shared.ours ||
	    atomic_exchange(&tracer.busy, 1))
		return;
	function = tracer.get(&data);
	before = atomic_load(&tracer.count);
	link = link_to(function, data);
	if (link != NULL)
		put_function(reftracer_shared.ours, link);
	atomic_store(&tracer.busy, 0);
	if (link == NULL && !tracer.full) {
		tracer.full = 1;
		objects_notice(PMT_NOTICE_FOREIGN,
			       "many tracers of references took the place, objects are missed");
	} else if (before != atomic_load(&tracer.count) && function != NULL) {
		objects_notice(PMT_NOTICE_SHARED,
			       "another tracer of references came; ours goes on and calls it");
	}
}

/*
 * Find the place for the tracer in the interpreter's memory: there the function that was just
 * installed and its data lie side by side.
 */
static struct reftracer_slot *find_slot(const struct reftracer_slot *link)
{
	const reftracer_function ours = reftracer_shared.ours;
	char *start, *found = NULL;
	const ElfW(Sym) *symbol = NULL;
	Dl_info info;

	python_symbol(&start, "_PyRuntime");
	if (start == NULL || python.free_threaded ||
	    dladdr1(start, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL ||
	    info.dli_saddr != start)
		return NULL;
	for (char *at = start; at + sizeof(*link) <= start + symbol->st_size; at += sizeof(void *))
		if (memcmp(at, &ours, sizeof(ours)) == 0 &&
		    memcmp(at + sizeof(ours), &link, sizeof(link)) == 0) {
			if (found != NULL)
				return NULL;
			found = at;
		}
	return (struct reftracer_slot *)(void *)found;
}

int reftracer_start(reftracer_function ours)
{
	struct reftracer_slot *link;
	reftracer_function function;
	void *data;

	python_symbol(&tracer.set, "PyRefTracer_SetTracer");
	python_symbol(&tracer.get, "PyRefTracer_GetTracer");
	if (tracer.set == NULL || tracer.get == NULL)
		return -1;
	reftracer_shared.ours = ours;
	function = tracer.get(&data);
	link = function == ours ? data : link_to(function, data);
	if (link == NULL || (function != ours && tracer.set(ours, link) != 0))
		return -1;
	reftracer_shared.slot = find_slot(link);
	return 0;
}

void reftracer_stop(void)
{
	const struct reftracer_slot *link;
	void *data;

	if (tracer.get(&data) == reftracer_shared.ours) {
		link = data;
		put_function(link->function, link->data);
	}
	reftracer_shared.slot = NULL;
}
