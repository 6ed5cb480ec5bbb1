/* SPDX-License-Identifier: MIT */
/* Builds a log in memory: the header, and a list of chunks in the order in which they were begun.
 */
#include "logwriter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slot {
	struct pmt_chunk *chunk; /* being written, NULL: none */
	struct pmt_encoder encoder;
	uint32_t sequence;
	uint32_t thread;
};

struct logwriter {
	union {
		struct pmt_header header;
		uint8_t bytes[PMT_HEADER_BYTES];
	} head;
	uint32_t chunk_bytes;
	struct pmt_chunk **chunks;
	size_t chunk_count;
	struct slot *slots;
	size_t slot_count;
	uint64_t strings, codes, frames, folds;
};

static void *need(void *memory)
{
	if (memory == NULL) {
		fprintf(stderr, "logwriter: out of memory\n");
		abort();
	}
	return memory;
}

struct logwriter *logwriter_create(uint32_t chunk_bytes)
{
	struct logwriter *w = need(calloc(1, sizeof(*w)));
	struct pmt_header *h = &w->head.header;

	w->chunk_bytes = chunk_bytes;
	memcpy(h->magic, PMT_MAGIC, sizeof(h->magic));
	h->version_major = PMT_VERSION_MAJOR;
	h->version_minor = PMT_VERSION_MINOR;
	h->header_bytes = PMT_HEADER_BYTES;
	h->chunk_bytes = chunk_bytes;
	h->page_bytes = 4096;
	h->pid = 1234;
	h->parent_pid = 1;
	h->start_realtime_ns = 1700000000000000000ULL;
	h->start_ns = LOGWRITER_START_NS;
	h->traced = 7;
	h->python_version = 0x030d00f0;
	h->pointer_bytes = 8;
	h->rss_interval_ns = 10000000;
	h->max_stack_depth = 1024;
	return w;
}

void logwriter_destroy(struct logwriter *w)
{
	for (size_t i = 0; i < w->chunk_count; i++)
		free(w->chunks[i]);
	free(w->chunks);
	free(w->slots);
	free(w);
}

struct pmt_header *logwriter_header(struct logwriter *w)
{
	return &w->head.header;
}

void logwriter_text(struct logwriter *w, unsigned key, const char *text, size_t size)
{
	if (pmt_header_put_text(&w->head.header, key, text, size) != 0)
		abort();
}

static struct slot *find_slot(struct logwriter *w, uint32_t number)
{
	while (w->slot_count <= number) {
		size_t count = w->slot_count == 0 ? 16 : w->slot_count * 2;

		w->slots = need(realloc(w->slots, count * sizeof(*w->slots)));
		memset(w->slots + w->slot_count, 0, (count - w->slot_count) * sizeof(*w->slots));
		for (size_t i = w->slot_count; i < count; i++)
			w->slots[i].encoder.state.time_ns = LOGWRITER_START_NS;
		w->slot_count = count;
	}
	return &w->slots[number];
}

static void begin_chunk(struct logwriter *w, uint32_t number)
{
	struct slot *s = find_slot(w, number);
	struct pmt_chunk *chunk = need(calloc(1, w->chunk_bytes));

	if ((w->chunk_count & (w->chunk_count - 1)) == 0) {
		size_t room = w->chunk_count == 0 ? 1 : w->chunk_count * 2;

		w->chunks = need(realloc(w->chunks, room * sizeof(struct pmt_chunk *)));
	}
	w->chunks[w->chunk_count++] = chunk;
	s->encoder.state = (struct pmt_state){.time_ns = s->encoder.state.time_ns,
					      .order = s->encoder.state.order};
	chunk->magic = PMT_CHUNK_MAGIC;
	chunk->kind = number == LOGWRITER_DEFINITIONS ? PMT_CHUNK_DEFINITIONS : PMT_CHUNK_EVENTS;
	chunk->slot = number;
	chunk->sequence = s->sequence++;
	chunk->time_ns = s->encoder.state.time_ns;
	chunk->order = s->encoder.state.order;
	chunk->thread = s->thread;
	s->chunk = chunk;
	s->encoder.cur = (uint8_t *)(chunk + 1);
}

struct pmt_encoder *logwriter_room(struct logwriter *w, uint32_t slot, size_t extra)
{
	struct slot *s = find_slot(w, slot);
	size_t wanted = PMT_RECORD_MAX + extra;

	if (extra > PMT_PAYLOAD_MAX - PMT_RECORD_MAX)
		abort();
	if (s->chunk != NULL &&
	    wanted > w->chunk_bytes - (size_t)(s->encoder.cur - (uint8_t *)s->chunk))
		logwriter_seal(w, slot);
	if (s->chunk == NULL)
		begin_chunk(w, slot);
	return &s->encoder;
}

void logwriter_commit(struct logwriter *w, uint32_t slot)
{
	struct slot *s = find_slot(w, slot);

	s->chunk->committed = (uint32_t)(s->encoder.cur - (uint8_t *)(s->chunk + 1));
}

void logwriter_seal(struct logwriter *w, uint32_t slot)
{
	struct slot *s = find_slot(w, slot);

	if (s->chunk == NULL)
		return;
	s->chunk->sealed = 1;
	s->chunk->checksum = pmt_chunk_checksum(s->chunk);
	s->chunk = NULL;
}

uint64_t log_string_sized(struct logwriter *w, const void *data, size_t size)
{
	log_put_long(w, LOGWRITER_DEFINITIONS, size, string, 0, .id = ++w->strings,
		     .text = {data, (uint32_t)size});
	return w->strings;
}

uint64_t log_string(struct logwriter *w, const char *text)
{
	return log_string_sized(w, text, strlen(text));
}

uint64_t log_code(struct logwriter *w, const char *name, const char *file, uint32_t first_line)
{
	const struct log_table none = {PMT_LINETABLE_NONE, "", 0};

	return log_code_table(w, name, file, first_line, &none);
}

uint64_t log_code_table(struct logwriter *w, const char *name, const char *file,
			uint32_t first_line, const struct log_table *table)
{
	const size_t part = 4096;
	size_t done = table->size < part ? table->size : part;
	uint64_t name_id = log_string(w, name);
	uint64_t file_id = log_string(w, file);

	log_put_long(w, LOGWRITER_DEFINITIONS, done, code, 0, .id = ++w->codes, .name = name_id,
		     .qualname = name_id, .file = file_id, .first_line = first_line,
		     .table = table->kind, .table_size = table->size,
		     .lines = {table->data, (uint32_t)done});
	while (done < table->size) {
		size_t size = table->size - done < part ? table->size - done : part;

		log_put_long(w, LOGWRITER_DEFINITIONS, size, code_lines, 0, .code = w->codes,
			     .lines = {(const uint8_t *)table->data + done, (uint32_t)size});
		done += size;
	}
	return w->codes;
}

uint64_t log_frame(struct logwriter *w, uint64_t parent, uint64_t code, uint64_t position)
{
	log_put(w, LOGWRITER_DEFINITIONS, frame, 0, .stack = ++w->frames, .parent = parent,
		.code = code, .position = position);
	return w->frames;
}

void log_c_function(struct logwriter *w, uint64_t id, const char *name, const char *owner)
{
	const uint64_t name_id = log_string(w, name);
	const uint64_t owner_id = owner[0] == '\0' ? 0 : log_string(w, owner);

	log_put(w, LOGWRITER_DEFINITIONS, c_function, 0, .id = id, .name = name_id,
		.owner = owner_id);
}

void log_object_type(struct logwriter *w, uint64_t id, const char *name, uint64_t builtin)
{
	const uint64_t name_id = log_string(w, name);

	log_put(w, LOGWRITER_DEFINITIONS, object_type, 0, .id = id, .name = name_id,
		.builtin = builtin);
}

void log_thread(struct logwriter *w, uint32_t slot, uint32_t thread, uint32_t tid)
{
	log_put(w, slot, thread, 0, .thread = thread, .tid = tid);
	find_slot(w, slot)->thread = thread;
}

void log_thread_name(struct logwriter *w, uint32_t slot, uint32_t thread, const char *name)
{
	uint32_t size = (uint32_t)strlen(name);

	log_put_long(w, slot, size, thread_name, 0, .thread = thread,
		     .name = {(const uint8_t *)name, size});
}

void log_mark(struct logwriter *w, uint32_t slot, const char *text)
{
	uint32_t size = (uint32_t)strlen(text);

	log_put_long(w, slot, size, mark, 0, .text = {(const uint8_t *)text, size});
}

void log_fold(struct logwriter *w, uint32_t slot, const struct pmt_fold *fold,
	      const struct pmt_fold_block *blocks, const struct pmt_fold_site *sites)
{
	const size_t blocks_bytes = fold->blocks * sizeof(*blocks);
	const size_t sites_bytes = fold->sites * sizeof(*sites);

	begin_chunk(w, slot);
	struct pmt_chunk *chunk = find_slot(w, slot)->chunk;
	uint8_t *to = (uint8_t *)(chunk + 1);

	if (sizeof(*chunk) + sizeof(*fold) + blocks_bytes + sites_bytes > w->chunk_bytes)
		abort();
	chunk->kind = PMT_CHUNK_FOLD;
	chunk->committed = (uint32_t)(sizeof(*fold) + blocks_bytes + sites_bytes);
	memcpy(to, fold, sizeof(*fold));
	memcpy(to + sizeof(*fold), blocks, blocks_bytes);
	memcpy(to + sizeof(*fold) + blocks_bytes, sites, sites_bytes);
	w->head.header.features_incompatible |= PMT_FEATURE_FOLDED;
	w->folds++;
}

void log_census(struct logwriter *w, uint32_t slot, uint64_t number, uint64_t moment,
		const char *label)
{
	uint32_t size = (uint32_t)strlen(label);

	log_put_long(w, slot, size, census, 0, .number = number, .moment = moment,
		     .label = {(const uint8_t *)label, size});
}

void log_type_live(struct logwriter *w, uint32_t slot, uint64_t census,
		   const struct log_block *blocks, size_t count)
{
	uint8_t bytes[8000];
	struct pmt_encoder e = {.cur = bytes};
	uint64_t last = blocks[0].addr, type = 0;

	for (size_t i = 0; i < count && e.cur < bytes + sizeof(bytes) - 20; i++) {
		codec_put_uint(&e, (blocks[i].addr - last) / 16 * 2 + (blocks[i].type == type));
		if (blocks[i].type != type)
			codec_put_uint(&e, blocks[i].type);
		last = blocks[i].addr;
		type = blocks[i].type;
	}
	uint32_t size = (uint32_t)(e.cur - bytes);

	log_put_long(w, slot, size, type_live, 0, .census = census, .addr = blocks[0].addr,
		     .count = count, .blocks = {bytes, size});
}

void log_type_name(struct logwriter *w, uint32_t slot, const struct pmt_type_name *name)
{
	pmt_put_type_name(logwriter_room(w, slot, name->module.size + name->name.size), 0, name);
	logwriter_commit(w, slot);
}

void log_totals(struct logwriter *w, uint32_t slot, const struct pmt_totals *totals,
		const struct pmt_totals_site *sites)
{
	const size_t sites_bytes = totals->sites * sizeof(*sites);

	begin_chunk(w, slot);
	struct pmt_chunk *chunk = find_slot(w, slot)->chunk;

	if (sizeof(*chunk) + sizeof(*totals) + sites_bytes > w->chunk_bytes)
		abort();
	chunk->kind = PMT_CHUNK_TOTALS;
	chunk->committed = (uint32_t)(sizeof(*totals) + sites_bytes);
	memcpy(chunk + 1, totals, sizeof(*totals));
	memcpy((uint8_t *)(chunk + 1) + sizeof(*totals), sites, sites_bytes);
	w->head.header.features_incompatible |= PMT_FEATURE_RECYCLED;
	w->folds += chunk->sequence == 0;
}

void logwriter_finish(struct logwriter *w, unsigned state)
{
	struct pmt_header *h = &w->head.header;

	h->live.state = state;
	h->live.chunks = w->chunk_count;
	for (uint32_t i = 0; i < w->slot_count; i++) {
		struct slot *s = &w->slots[i];

		if (s->encoder.state.time_ns > h->live.end_ns)
			h->live.end_ns = s->encoder.state.time_ns;
		if (i != LOGWRITER_DEFINITIONS && s->sequence != 0)
			h->live.threads++;
		if (state != PMT_STATE_OPEN)
			logwriter_seal(w, i);
		s->chunk = NULL;
	}
	h->live.threads -= w->folds;
	if (state == PMT_STATE_OPEN)
		h->live.end_ns = 0;
	h->checksum = pmt_header_checksum(h);
}

uint8_t *logwriter_data(const struct logwriter *w, size_t *size)
{
	uint8_t *data;

	*size = PMT_HEADER_BYTES + w->chunk_count * w->chunk_bytes;
	data = need(malloc(*size));
	memcpy(data, w->head.bytes, PMT_HEADER_BYTES);
	for (size_t i = 0; i < w->chunk_count; i++)
		memcpy(data + PMT_HEADER_BYTES + i * w->chunk_bytes, w->chunks[i], w->chunk_bytes);
	return data;
}

void logwriter_save(const struct logwriter *w, const char *path)
{
	FILE *file = need(fopen(path, "wb"));
	size_t ok = fwrite(w->head.bytes, PMT_HEADER_BYTES, 1, file);

	for (size_t i = 0; i < w->chunk_count; i++)
		ok &= fwrite(w->chunks[i], w->chunk_bytes, 1, file);
	if (fclose(file) != 0 || ok != 1) {
		fprintf(stderr, "logwriter: cannot write %s\n", path);
		abort();
	}
}
