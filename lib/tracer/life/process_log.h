/* SPDX-License-Identifier: MIT */
/*
 * The log of this process from its opening to its close: what the files process_*.c share. The
 * order in which all floors are opened, forgotten and closed stands in process_log.c alone.
 */
#ifndef PMT_TRACER_PROCESS_LOG_H
#define PMT_TRACER_PROCESS_LOG_H

struct process_state {
	int options_good; /* they have been read, and a log may be begun by them */
	int exec_pending; /* another program is about to run in this process */
	int watched;	  /* forks and the end of the process come by us */
	int rss_started;  /* for events of this log */
	int by_handlers;  /* this child was forked by the C library, which put its locks in order */
	int malloc_sound; /* no lock of malloc's can belong to a thread that is not here */
	int had_log;	  /* this one is not the first */
	char parent_log[4096];
};

extern struct process_state process;

/* Open a log with FLAGS (bit set of PMT_FLAG_*); events are recorded from here on. Returns 0 or -1.
 */
int process_open_log(unsigned flags);
/* Before another log in this process, or in a forked child: nobody is in the middle of an event. */
void process_forget_log(int same_process);
/*
 * Close the log, if this is the process that it belongs to: a child of vfork() shares our memory,
 * but is another one. ASK: malloc may be asked for its figures. OTHERS: the process lives on, so
 * the other threads' chunks are sealed, too.
 */
void process_close_log(int ask, int others);
/* There is no log, and there will be none unless it is begun. */
void process_become_inert(void);

/* Once a process: what must be heard of its forks and its end. */
void process_watch(void);

#endif
