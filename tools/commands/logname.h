/* SPDX-License-Identifier: MIT */
/* The name of the log that `pymemtrace run` is about to make: checked and made absolute. */
#ifndef PMT_TOOLS_LOGNAME_H
#define PMT_TOOLS_LOGNAME_H

#include <stdbool.h>

/*
 * Check the template of log names in $PYMEMTRACE_OUTPUT (or the default one) and make it absolute
 * there, so that children that run in other folders write beside their parent. A folder takes the
 * default name inside it. A name that is the same for every run must not exist; with FORCE the old
 * log and its children's logs are removed. Returns 0, or the exit status after a message.
 */
int logname_prepare(bool force);

#endif
