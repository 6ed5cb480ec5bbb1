/* SPDX-License-Identifier: MIT */
/* Where libpymemtrace.so is. */
#ifndef PMT_TOOLS_LIBRARY_H
#define PMT_TOOLS_LIBRARY_H

/*
 * The absolute path of the library that traces (free() it): $PYMEMTRACE_LIBRARY if set; otherwise
 * beside this program in the build tree; otherwise where it was installed, also when the whole
 * installation was moved, or in the Python package that this program came with. NULL after a
 * message when there is none.
 */
char *library_find(void);

#endif
