/* SPDX-License-Identifier: MIT */
/* Finds the frames of a compressed log whose index is missing or damaged. */
#ifndef PMT_TOOLS_ZSCAN_H
#define PMT_TOOLS_ZSCAN_H

#include "zlog.h"

/*
 * Look for frames behind the header, one after the other; where there is none, for the next one
 * that is whole: what lies between is one lost frame, as more cannot be known. Fills FRAMES, which
 * is empty. Returns 0, or -1 after a message.
 */
int zscan(int fd, const char *path, const struct zlog_layout *layout, struct zlog_frames *frames,
	  enum zlog_end *end);

#endif
