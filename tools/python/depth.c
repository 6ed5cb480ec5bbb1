/* SPDX-License-Identifier: MIT */
/* How deep a thread is in its calls. */
#include "depth.h"

void depth_init(struct depth *depth)
{
	*depth = (struct depth){.level = 0, .floor = 0, .known = false};
}

void depth_begin(struct depth *depth, const struct pmt_events_begin *record)
{
	depth->level = depth->floor = record->stack == 0 ? -1 : 0;
	depth->known = (record->traced >> PMT_TRACED_CALLS & 1) != 0;
}
