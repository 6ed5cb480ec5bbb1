/* SPDX-License-Identifier: MIT */
/*
 * A command as a child process, and the signals that are meant for it. The command gets what we
 * got: descriptors, process group, signal mask, ignored signals.
 */
#ifndef PMT_TOOLS_LAUNCH_H
#define PMT_TOOLS_LAUNCH_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Exit statuses when the command cannot be run, as shells have them. */
enum {
	LAUNCH_NOT_EXECUTABLE = 126,
	LAUNCH_NOT_FOUND = 127,
};

struct launch {
	pid_t child;	     /* 0: none, or waited for */
	int signals;	     /* becomes readable when one comes */
	int status;	     /* once it was waited for */
	struct rusage usage; /* then: of it, and of the children that it waited for */
	bool asked;	     /* without a child: a signal asked us to end */
};

/*
 * Take over the signals that ask to end, and SIGCHLD; once in the life of the program. Those that
 * are ignored stay so. Returns 0, or -1 after a message.
 */
int launch_init(struct launch *launch);
/*
 * Start the command, found as execvp() does. Returns 0 as soon as it runs, or the exit status after
 * a message.
 */
int launch_start(struct launch *launch, char **arguments);
/*
 * Deal with the signals that came: hand them on to the child, unless the terminal sent them, which
 * sends them to the child as well; without a child note that we were asked to end.
 */
void launch_signals(struct launch *launch);
/* Whether the child has ended; it can still be read in /proc. */
bool launch_ended(const struct launch *launch);
/* Wait for the child, dealing with signals. Returns its exit status, 128 and more for a signal. */
int launch_wait(struct launch *launch);
void launch_fini(struct launch *launch);

#endif
