/* SPDX-License-Identifier: MIT */
/*
 * Writes logs for tests, with the encoder of the format: built in memory, then saved or handed out.
 * No error returns: running out of memory or misuse ends the test program.
 *
 *	struct logwriter *w = logwriter_create(32768);
 *	uint64_t code = log_code(w, "main", "app.py", 1);
 *	uint64_t stack = log_frame(w, 0, code, 0);
 *	log_thread(w, 1, 1, 4711);
 *	log_put(w, 1, time, 0, .time_ns = LOGWRITER_START_NS + 1000);
 *	log_put(w, 1, alloc, PMT_ALLOCATOR_MALLOC, .addr = 0x1000, .size = 10, .stack = stack);
 *	logwriter_finish(w, PMT_STATE_CLOSED);
 *	logwriter_save(w, "x.pmt");
 *	logwriter_destroy(w);
 */
#ifndef PMT_TESTS_LOGWRITER_H
#define PMT_TESTS_LOGWRITER_H

#include <stddef.h>
#include <stdint.h>

#include "fold.h"
#include "log.h"
#include "names.h"
#include "record.h"
#include "totals.h"

/* The slot of definitions; events go to slots from 1. */
#define LOGWRITER_DEFINITIONS 0
/* Clock at the start of the log. */
#define LOGWRITER_START_NS 1000000000ULL

struct logwriter;

/* CHUNK_BYTES as in the header: a power of two from PMT_CHUNK_BYTES_MIN. */
struct logwriter *logwriter_create(uint32_t chunk_bytes);
void logwriter_destroy(struct logwriter *w);

/* The header, PMT_HEADER_BYTES of it; change what you like before logwriter_finish(). */
struct pmt_header *logwriter_header(struct logwriter *w);
/* A text of the header. COMMAND's words are separated by NUL: give its size. */
void logwriter_text(struct logwriter *w, unsigned key, const char *text, size_t size);

/*
 * The encoder of a slot, with room for one record that has EXTRA bytes in byte strings; begins a
 * new chunk where needed (the old one is sealed). logwriter_commit() makes what was put visible.
 */
struct pmt_encoder *logwriter_room(struct logwriter *w, uint32_t slot, size_t extra);
void logwriter_commit(struct logwriter *w, uint32_t slot);
/* End the slot's chunk here: seal it; the next record begins a new one. */
void logwriter_seal(struct logwriter *w, uint32_t slot);

/* Put one record: log_put(w, slot, alloc, PMT_ALLOCATOR_MALLOC, .addr = 16, .size = 1). */
#define log_put(w, slot, name, variant, ...) log_put_long(w, slot, 0, name, variant, __VA_ARGS__)
#define log_put_long(w, slot, extra, name, variant, ...)                                           \
	do {                                                                                       \
		const struct pmt_##name put_ = {__VA_ARGS__};                                      \
                                                                                                   \
		pmt_put_##name(logwriter_room((w), (slot), (extra)), (variant), &put_);            \
		logwriter_commit((w), (slot));                                                     \
	} while (0)

/* Definitions; ids are counted from 1 and returned. log_string() defines a text each time. */
uint64_t log_string(struct logwriter *w, const char *text);
uint64_t log_string_sized(struct logwriter *w, const void *data, size_t size);
/* A code object without line table: every frame in it has the line FIRST_LINE. */
uint64_t log_code(struct logwriter *w, const char *name, const char *file, uint32_t first_line);
/* A code object with a line table (KIND: PMT_LINETABLE_*), split into parts where it is long. */
struct log_table {
	unsigned kind;
	const void *data;
	size_t size;
};
uint64_t log_code_table(struct logwriter *w, const char *name, const char *file,
			uint32_t first_line, const struct log_table *table);
uint64_t log_frame(struct logwriter *w, uint64_t parent, uint64_t code, uint64_t position);
/* Definitions with ids of the caller's; an empty OWNER is none. */
void log_c_function(struct logwriter *w, uint64_t id, const char *name, const char *owner);
void log_object_type(struct logwriter *w, uint64_t id, const char *name, uint64_t builtin);

/* The slot is from now on written by thread THREAD. */
void log_thread(struct logwriter *w, uint32_t slot, uint32_t thread, uint32_t tid);
void log_thread_name(struct logwriter *w, uint32_t slot, uint32_t thread, const char *name);
void log_mark(struct logwriter *w, uint32_t slot, const char *text);

/* A census: its head, COUNT blocks by rising addresses, and what a type is called. */
struct log_block {
	uint64_t addr;
	uint64_t type;
};
void log_census(struct logwriter *w, uint32_t slot, uint64_t number, uint64_t moment,
		const char *label);
void log_type_live(struct logwriter *w, uint32_t slot, uint64_t census,
		   const struct log_block *blocks, size_t count);
void log_type_name(struct logwriter *w, uint32_t slot, const struct pmt_type_name *name);

/*
 * A fold chunk in a slot of its own, SLOT; FOLD says how long the tables are. The log gets the
 * feature bit. Seal it with logwriter_seal(), or leave that to logwriter_finish().
 */
void log_fold(struct logwriter *w, uint32_t slot, const struct pmt_fold *fold,
	      const struct pmt_fold_block *blocks, const struct pmt_fold_site *sites);

/* A totals chunk, the next one of SLOT, which has no others. The log gets the feature bit. */
void log_totals(struct logwriter *w, uint32_t slot, const struct pmt_totals *totals,
		const struct pmt_totals_site *sites);

/*
 * Close the log: PMT_STATE_OPEN leaves the last chunk of each slot unsealed, as after SIGKILL;
 * other states seal all. Sets the header's live part and checksum. Nothing may be put afterwards.
 */
void logwriter_finish(struct logwriter *w, unsigned state);
/* The whole file, after logwriter_finish(); free() it. May be called again. */
uint8_t *logwriter_data(const struct logwriter *w, size_t *size);
void logwriter_save(const struct logwriter *w, const char *path);

#endif
