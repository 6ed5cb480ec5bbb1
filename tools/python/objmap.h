/* SPDX-License-Identifier: MIT */
/*
 * The Python objects that are live at one moment of a log: address -> where it was made, size,
 * when.
 *
 * An object takes 24 bytes, 30 to 38 with the free room of the table, once there are more than a
 * few thousand. Any 64-bit number is an address; addresses chosen to collide do not slow the table
 * down.
 */
#ifndef PMT_TOOLS_OBJMAP_H
#define PMT_TOOLS_OBJMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct objmap_object {
	uint64_t time_ns; /* less than OBJMAP_TIME_MAX, larger ones become that */
	uint64_t size;	  /* the same with OBJMAP_SIZE_MAX */
	uint32_t site;	  /* whatever the caller keeps; never 0 */
};

#define OBJMAP_TIME_MAX ((1ULL << 54) - 1)
#define OBJMAP_SIZE_MAX ((1ULL << 42) - 1)

struct objmap_slot;

struct objmap {
	struct objmap_slot *slots;
	size_t homes; /* a hash has its home in [0, homes) */
	size_t size;  /* slots there are; the last one is always empty */
	size_t count;
	size_t limit;	  /* count at which the table grows */
	uint64_t factor;  /* random and odd, so that no log can know the hash */
	uint64_t inverse; /* to get the address back */
};

/* Caller-owned; no memory is taken before the first object. */
void objmap_init(struct objmap *map);
void objmap_fini(struct objmap *map);

/*
 * Add an object. When one is at ADDR, it is replaced and goes to OLD. Returns whether one was. Ends
 * the program when there is no memory.
 */
bool objmap_put(struct objmap *map, uint64_t addr, const struct objmap_object *object,
		struct objmap_object *old);
/* Take the object at ADDR out, into OLD. False: there is none. */
bool objmap_take(struct objmap *map, uint64_t addr, struct objmap_object *old);
/* Visit all objects, in no order. */
void objmap_visit(const struct objmap *map,
		  void (*visit)(void *context, uint64_t addr, const struct objmap_object *object),
		  void *context);
/* Bring the slot of ADDR into the processor's cache, for a call that comes soon. */
void objmap_prefetch(const struct objmap *map, uint64_t addr);
/* Bytes of memory that the table takes. */
size_t objmap_footprint(const struct objmap *map);

#endif
