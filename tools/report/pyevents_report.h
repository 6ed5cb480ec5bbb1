/* SPDX-License-Identifier: MIT */
/* How many of the interpreter's events a log has, for people and as JSON. */
#ifndef PMT_TOOLS_PYEVENTS_REPORT_H
#define PMT_TOOLS_PYEVENTS_REPORT_H

#include <jansson.h>

#include "pyevents.h"

/* A section of `pymemtrace stats`; nothing when the log has no such events. READER: of the log. */
void pyevents_print(const struct pyevents *events, const struct reader *reader);
/* A new reference: an object, or null. */
json_t *pyevents_json(const struct pyevents *events, const struct reader *reader);

#endif
