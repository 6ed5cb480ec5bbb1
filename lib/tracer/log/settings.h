/* SPDX-License-Identifier: MIT */
/* The options of a log: from the environment, and from whoever begins one. Nothing is allocated. */
#ifndef PMT_TRACER_SETTINGS_H
#define PMT_TRACER_SETTINGS_H

#include "options.h"
#include "say.h"

/* Set all OPTIONS: to the standard, and to the environment's values. 0, or -1 after one message. */
int settings_read(struct pmt_options *options);
/*
 * One "NAME=VALUE", the name without prefix; it must stay as long as OPTIONS. Returns 0, or -1 and
 * adds to PROBLEM why.
 */
int settings_set(struct pmt_options *options, const char *setting, struct text *problem);

#endif
