/* SPDX-License-Identifier: MIT */
/* Whether the process that writes a log still runs. */
#ifndef PMT_TOOLS_WRITER_ALIVE_H
#define PMT_TOOLS_WRITER_ALIVE_H

#include "reader.h"

enum writer_alive {
	WRITER_GONE,	  /* it has ended */
	WRITER_ALIVE,	  /* it runs */
	WRITER_UNKNOWN,	  /* it cannot be looked up */
	WRITER_ELSEWHERE, /* nor here: another boot, machine or container wrote the log */
};

/*
 * Look the process of an open log up. The header says where its number is valid: in which boot and
 * in which name space of processes. A process of that number that began later is another one.
 */
enum writer_alive writer_alive(const struct reader *reader);

#endif
