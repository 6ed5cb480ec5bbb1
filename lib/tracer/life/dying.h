/* SPDX-License-Identifier: MIT */
/*
 * A process that ends by a signal: the last census before it does.
 *
 * Two ways lead there. The program sends itself a signal whose disposition is the default: its call
 * comes by our hook, and the census is taken before it. Or SIGTERM comes from outside. Where its
 * disposition is the default, a handler of ours is there in its place, which takes the census, puts
 * the default back, and sends the signal again, so that the process ends as it would have. The
 * program does not see the handler: our hooks of sigaction() and signal() show it the default.
 */
#ifndef PMT_TRACER_DYING_H
#define PMT_TRACER_DYING_H

/* Put the handler in the place of the default, if that is there. Once a process. */
void dying_arm(void);
/* Take it away: the tracer makes no system calls from now on. */
void dying_disarm(void);

#endif
