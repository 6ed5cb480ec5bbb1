/* SPDX-License-Identifier: MIT */
/* ReferenceTracingSimple: a context that counts objects made and destroyed, and has no log. */
#ifndef PMT_EXT_CPM_SIMPLE_H
#define PMT_EXT_CPM_SIMPLE_H

#include <Python.h>

/* Python 3.13 and later. */
extern PyTypeObject cpm_simple_type;

/* How many are entered. */
int cpm_simple_depth(void);

#endif
