/* SPDX-License-Identifier: MIT */
/* The name of a log, from the template that the user gives. */
#ifndef PMT_TRACER_LOGNAME_H
#define PMT_TRACER_LOGNAME_H

#include "say.h"

/* Add TEMPLATE expanded (%p %t %e %%) to T; NUMBER > 0 goes before the extension. */
void logname_make(struct text *t, const char *template, unsigned number);

#endif
