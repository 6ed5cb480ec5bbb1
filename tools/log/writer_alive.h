/* SPDX-License-Identifier: MIT */
/* Whether the process that writes a log still runs. */
#ifndef PMT_TOOLS_WRITER_ALIVE_H
#define PMT_TOOLS_WRITER_ALIVE_H

#include "log.h"

enum writer_alive {
	WRITER_GONE,	/* no process of this number maps the log */
	WRITER_ALIVE,	/* it runs: it maps the log */
	WRITER_UNKNOWN, /* there is such a process, but it cannot be looked at */
};

/* Look for the process that HEADER names, in /proc: it maps the file at PATH as long as it writes.
 */
enum writer_alive writer_alive(const struct pmt_header *header, const char *path);

#endif
