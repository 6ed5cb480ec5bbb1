/* SPDX-License-Identifier: MIT */
/* The options of a log: from the environment, and from whoever begins one. Nothing is allocated. */
#ifndef PMT_TRACER_SETTINGS_H
#define PMT_TRACER_SETTINGS_H

#include "options.h"
#include "say.h"

/*
 * Set all OPTIONS: to the standard, and to the environment's values. 0, or -1 after one message.
 * Texts are copied, and stay until the next call of the same function.
 */
int settings_read_first(struct pmt_options *options);
/*
 * The same once the program runs. What is not in the environment any more stands as
 * settings_read_first() had it: a program may have lost the place where it was.
 */
int settings_read(struct pmt_options *options);
/*
 * Children that fork after a chdir() write beside this log, not wherever they happen to be.
 * settings_read_first() does this, too.
 */
void settings_make_output_absolute(struct pmt_options *options);
/* What the environment set when it was last read, as "NAME=VALUE NAME=VALUE". */
const struct text *settings_given(void);
/*
 * One "NAME=VALUE", the name without prefix; it must stay as long as OPTIONS. Returns 0, or -1 and
 * adds to PROBLEM why.
 */
int settings_set(struct pmt_options *options, const char *setting, struct text *problem);

#endif
