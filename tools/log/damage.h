/* SPDX-License-Identifier: MIT */
/* Tells the user what could not be read of a log. */
#ifndef PMT_TOOLS_DAMAGE_H
#define PMT_TOOLS_DAMAGE_H

#include "reader.h"

/* What is wrong with the log, as "3 chunks damaged, 1000 bytes lost"; "" when nothing is. */
#define DAMAGE_TEXT 240
void damage_describe(const struct reader_damage *damage, char text[DAMAGE_TEXT]);

/*
 * After reader_run(): print one warning on stderr if the log is damaged or cut off; what could be
 * read is reported. A log of a killed process is not damaged, and unknown records are not damage.
 */
void damage_warn(const struct reader *reader);

#endif
