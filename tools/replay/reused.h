/* SPDX-License-Identifier: MIT */
/*
 * Objects that come from a free list of Python's: no block is handed out for them, but where objects are
 * traced, their `create` record tells that a block has a new owner.
 */
#ifndef PMT_TOOLS_REUSED_H
#define PMT_TOOLS_REUSED_H

struct reader_event;
struct replay;

/* EVENT is a `create`: the live block that the object is in, if there is one, is its place's now. */
void reused_object(struct replay *replay, const struct reader_event *event);

#endif
