/* SPDX-License-Identifier: MIT */
/*
 * The log file: its name, its header, and the chunks that writers get.
 *
 * One log a process. All functions may be called by any thread; chunk_* take no lock but the
 * file's own for growing it. Nothing here is on the event path.
 */
#ifndef PMT_TRACER_LOGFILE_H
#define PMT_TRACER_LOGFILE_H

#include <stdint.h>

#include "log.h"
#include "options.h"
#include "record.h"

/*
 * Create the log by the name template of OPTIONS and map its header, zeroed but for the sizes.
 * Returns the header, or NULL after one line on stderr.
 */
struct pmt_header *logfile_create(const struct pmt_options *options);
/*
 * At start-up: what is called at the size limit for a zeroed chunk, mapped, at a place that was
 * used before; at least KEEP other chunks of events stay, and *NUMBER becomes its number in the
 * file. It returns NULL where there is none. Never on the path of an event.
 */
void logfile_reuse_by(struct pmt_chunk *(*reuse)(uint64_t keep, uint64_t *number));
/* Which of this process's logs it is: changes with each logfile_create(). */
uint32_t logfile_generation(void);
/* The header, NULL before logfile_create(). */
struct pmt_header *logfile_header(void);
/* Fill in the checksum once everything but `live` stands. */
void logfile_publish(void);
/* Absolute path, "" if there is none. */
const char *logfile_path(void);
/*
 * Whether a number was added to the log's name, because there was a file of that name: not one that
 * this process wrote before it ran another program.
 */
int logfile_is_renamed(void);
/*
 * The descriptor, which the sampler keeps in its own table, 0 if there is none; and whether that
 * number is still the log's.
 */
int logfile_descriptor(void);
int logfile_has_descriptor(void);

/*
 * A chunk for KIND (PMT_CHUNK_*), zeroed and mapped; *NUMBER becomes its number in the file. Its
 * first *BYTES or more are allocated on disk, and *BYTES becomes how many: beyond them nothing may
 * be touched. At the size limit it is one of events that were dropped. NULL when there is none;
 * then the stop reason stands in the header and one line was printed.
 */
struct pmt_chunk *logfile_chunk(unsigned kind, uint64_t *number, uint64_t *bytes);
/*
 * Allocate MORE bytes or more behind the BYTES that chunk NUMBER has. Returns how many there are
 * now: BYTES when the chunk would be too large, or when the log was stopped, as above.
 */
uint64_t logfile_extend(uint64_t number, uint64_t bytes, uint64_t more);
/* A chunk with all its bytes, at the end of the file, whatever the limit. */
struct pmt_chunk *logfile_grow(uint64_t *number);
/* Map chunk NUMBER as it is. NULL as above. */
struct pmt_chunk *logfile_map(uint64_t number);
void logfile_unmap(struct pmt_chunk *chunk);
/* Read the head of chunk NUMBER as it is now. Returns 0, or -1. */
int logfile_peek(uint64_t number, struct pmt_chunk *head);
/* The head of chunk NUMBER stands. */
void logfile_begun(const struct pmt_chunk *chunk, uint64_t number);
/*
 * Write checksum and seal, and unmap. NUMBER is that of a chunk of events, END the state behind its
 * last record; both are of no use for others. BYTES: what is allocated of it.
 */
void logfile_seal(struct pmt_chunk *chunk, uint64_t number, uint64_t bytes,
		  const struct pmt_state *end);
/*
 * Of the BYTES that are allocated of chunk NUMBER, which is sealed, give back what lies behind the
 * first USED, in whole pages. At the size limit a chunk is used again as it is, and keeps them.
 */
void logfile_trim(uint64_t number, uint64_t used, uint64_t bytes);
/*
 * The log is about to be complete: from here on it does not stop where the file cannot grow, because
 * what has no room in another place is right where it is.
 */
void logfile_end_begins(void);
/*
 * The file ends with what its last chunk holds, if that one is sealed. Chunks are given out no more.
 */
void logfile_shorten(void);
/* So many chunks the log may have, but for those of totals; UINT64_MAX: any number. */
uint64_t logfile_max_chunks(void);
/* The log ends early, for REASON (PMT_STOP_*): says so in it and on stderr. */
void logfile_stop(unsigned reason);
/* The log is complete: STATE is PMT_STATE_*. */
void logfile_close(unsigned state, uint64_t end_ns);
/* Count events that had no place to go. */
void logfile_lost(uint64_t count);
/* Set a PMT_FLAG_* bit. */
void logfile_flag(unsigned flag);
/*
 * The log was closed, and the process goes on: hold the file no longer, which may be removed. What
 * the header says can be read as before.
 */
void logfile_let_go(void);
/*
 * Before another log is created: in a forked child, whose parent's mappings are not there, or
 * after the last one was closed. No more chunks are handed out.
 */
void logfile_forget(int same_process);

#endif
