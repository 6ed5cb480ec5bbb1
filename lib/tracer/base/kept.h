/* SPDX-License-Identifier: MIT */
/*
 * A descriptor that the tracer keeps open in the program's table.
 *
 * It lies far above those that programs count on. A program may close it all the same, and its
 * number may belong to a file of the program's then: so it is checked before it is used or closed.
 * Zeroed: nothing is kept. One thread at a time changes it; any thread may ask.
 */
#ifndef PMT_TRACER_KEPT_H
#define PMT_TRACER_KEPT_H

#include <sys/types.h>

struct kept {
	_Atomic int fd; /* 0: none */
	dev_t device;
	ino_t inode;
};

/*
 * Keep the file that FD is open for, at a high number; FD is closed, whatever happens. Returns 0,
 * or -errno: then nothing is kept.
 */
long kept_open(struct kept *kept, int fd);
/* Close it, unless the number belongs to another file by now. Nothing is kept afterwards. */
void kept_close(struct kept *kept);
/* Forget it without closing it. */
void kept_forget(struct kept *kept);
/* The number, 0 if nothing is kept; it may belong to another file by now. */
int kept_number(const struct kept *kept);
/* Is the file still open at its number? One system call. */
int kept_is_there(const struct kept *kept);
/* Is FD open for the same file? */
int kept_is_file(const struct kept *kept, int fd);
/* The number that the first kept descriptor of a process gets, if it is free. */
int kept_first_number(void);

#endif
