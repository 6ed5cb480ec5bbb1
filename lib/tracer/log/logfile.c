/* SPDX-License-Identifier: MIT */
/* The log file: naming, growing, sealing, closing. */
#include "logfile.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#include "arena.h"
#include "kept.h"
#include "logname.h"
#include "names.h"
#include "parent_log.h"
#include "places.h"
#include "say.h"
#include "sys.h"

static struct {
	struct pmt_header *header;
	void *place;	  /* of the header of an earlier log, for the next one; NULL: none */
	struct kept kept; /* its descriptor */
	uint64_t chunk_bytes;
	uint64_t header_bytes;
	uint64_t max_chunks;
	_Atomic uint64_t next_chunk;
	_Atomic int stopped;
	_Atomic int ending; /* see logfile_end_begins() */
	_Atomic uint32_t generation;
	/* Gets a place that is used again, at the size limit: see logfile_reuse_by(). */
	struct pmt_chunk *(*reuse)(uint64_t keep, uint64_t *number);
	int renamed; /* the first name was taken, by a file of another process */
	char path[PATH_MAX];
} file;

static void say_cannot(const char *what, const char *path, long error)
{
	struct text t = {.used = 0};

	text_add(&t, ": ");
	text_add(&t, say_reason(error));
	say_problem(what, path, t.data);
}

static int absolute_path(const char *name)
{
	struct text t = {.used = 0};
	long size;

	if (name[0] == '/') {
		text_add(&t, name);
	} else {
		size = SYS2(SYS_getcwd, file.path, sizeof(file.path));
		if (size <= 0 || file.path[0] != '/')
			return -ENOENT;
		text_add(&t, file.path);
		text_add(&t, "/");
		text_add(&t, name);
	}
	if (t.used + 1 >= sizeof(t.data))
		return -ENAMETOOLONG;
	memcpy(file.path, t.data, t.used + 1);
	return 0;
}

static long open_new(const char *template)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	long fd = -EEXIST;

	file.renamed = 0;
	for (unsigned number = 0; fd == -EEXIST && number < 10000; number++) {
		struct text name = {.used = 0};

		logname_make(&name, template, number);
		fd = absolute_path(name.data);
		if (fd == 0)
			fd = sys_open(file.path, flags, 0600);
		else
			memcpy(file.path, name.data, name.used + 1);
		if (fd == -EEXIST && number == 0)
			file.renamed = !parent_log_is_of(file.path, sys_getpid());
	}
	return fd;
}

/* May the file have SIZE bytes? Asked first, because going over the limit would send SIGXFSZ. */
static long check_limit(uint64_t size)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	(void)SYS4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &limit);
	return limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur ? -EFBIG : 0;
}

/* Real disk space for a piece of the file: a full disk must be an error here, not SIGBUS later. */
static long allocate_space(int fd, uint64_t offset, uint64_t size)
{
	static const char zeros[4096];
	long rc = check_limit(offset + size);

	if (rc == 0) {
		do
			rc = SYS4(SYS_fallocate, fd, 0, offset, size);
		while (rc == -EINTR);
	}
	if (rc != -EOPNOTSUPP && rc != -ENOSYS)
		return rc;
	for (uint64_t done = 0; done < size; done += sizeof(zeros)) {
		rc = sys_pwrite(fd, zeros, sizeof(zeros), offset + done);
		if (rc != (long)sizeof(zeros))
			return rc < 0 ? rc : -ENOSPC;
	}
	return 0;
}

/*
 * Map SIZE bytes of the file from OFFSET on. PLACE is the address of a mapping that this one
 * replaces, or NULL.
 */
static void *map_file(void *place, int fd, uint64_t offset, uint64_t size)
{
	const int flags = MAP_SHARED | (place == NULL ? 0 : MAP_FIXED);
	void *p = (void *)sys_call(SYS_mmap, (long)(intptr_t)place, (long)size,
				   PROT_READ | PROT_WRITE, flags, fd, (long)offset);

	if (sys_failed(p))
		return p;
	(void)sys_madvise(p, size, MADV_DONTFORK);
	/* New pages are empty: to read ahead in them would cost time for nothing. */
	(void)sys_madvise(p, size, MADV_RANDOM);
	return p;
}

/* The pages of a header at FROM take the place of those at TO, at once. Returns 0 or an error. */
static long move_header(void *from, void *to)
{
	return sys_call(SYS_mremap, (long)from, (long)file.header_bytes, (long)file.header_bytes,
			MREMAP_MAYMOVE | MREMAP_FIXED, (long)to, 0) == (long)to
		       ? 0
		       : -1;
}

/* Disk space of a chunk at first. */
#define FIRST_BYTES 8192U

/* Fewer chunks are of no use: so small a limit counts as this many. */
#define CHUNKS_LEAST 8

/* Two of the chunks are left for totals: one for sites, one for what is held. */
static uint64_t max_chunks(uint64_t max_size)
{
	uint64_t chunks = max_size > file.header_bytes
				  ? (max_size - file.header_bytes) / file.chunk_bytes
				  : 0;

	if (max_size == 0)
		return UINT64_MAX;
	return (chunks > CHUNKS_LEAST ? chunks : CHUNKS_LEAST) - 2;
}

static long map_header(const struct pmt_options *options)
{
	uint64_t page = getauxval(AT_PAGESZ);
	const int fd = kept_number(&file.kept);
	long rc;

	file.header_bytes = page > PMT_HEADER_BYTES ? page : PMT_HEADER_BYTES;
	file.chunk_bytes = options->chunk_size > page ? options->chunk_size : page;
	file.max_chunks = max_chunks(options->max_size);
	rc = allocate_space(fd, 0, file.header_bytes);
	if (rc != 0)
		return rc;
	/*
	 * Where the last log had it: another thread may be about to write into that, so it cannot
	 * just go, and a program that begins logs without end must not run out of mappings.
	 */
	void *p = map_file(file.place, fd, 0, file.header_bytes);

	if (!sys_failed(p) && file.place == NULL)
		arena_account((long)file.header_bytes);
	file.place = NULL;
	if (sys_failed(p))
		return (long)p;
	file.header = p;
	memcpy(file.header->magic, PMT_MAGIC, sizeof(file.header->magic));
	file.header->version_major = PMT_VERSION_MAJOR;
	file.header->version_minor = PMT_VERSION_MINOR;
	file.header->header_bytes = (uint32_t)file.header_bytes;
	file.header->chunk_bytes = (uint32_t)file.chunk_bytes;
	file.header->page_bytes = (uint32_t)page;
	return 0;
}

struct pmt_header *logfile_create(const struct pmt_options *options)
{
	long rc = open_new(options->output);

	if (rc >= 0) {
		rc = kept_open(&file.kept, (int)rc);
		if (rc == 0)
			rc = map_header(options);
		if (rc != 0) {
			(void)SYS3(SYS_unlinkat, AT_FDCWD, file.path, 0);
			kept_close(&file.kept);
		}
	}
	if (rc != 0) {
		say_cannot("cannot create the log ", file.path, rc);
		file.path[0] = '\0';
		return NULL;
	}
	atomic_store(&file.next_chunk, 0);
	atomic_store(&file.stopped, 0);
	atomic_store(&file.ending, 0);
	atomic_fetch_add(&file.generation, 1);
	say_note("tracing to ", file.path, NULL);
	return file.header;
}

void logfile_reuse_by(struct pmt_chunk *(*reuse)(uint64_t keep, uint64_t *number))
{
	file.reuse = reuse;
}

uint32_t logfile_generation(void)
{
	return atomic_load_explicit(&file.generation, memory_order_relaxed);
}

struct pmt_header *logfile_header(void)
{
	return file.header;
}

void logfile_publish(void)
{
	file.header->checksum = pmt_header_checksum(file.header);
}

const char *logfile_path(void)
{
	return file.path;
}

int logfile_is_renamed(void)
{
	return file.renamed;
}

int logfile_descriptor(void)
{
	return kept_number(&file.kept);
}

int logfile_has_descriptor(void)
{
	return kept_is_there(&file.kept);
}

static int stop_log(unsigned reason, const char *what, long error)
{
	if (atomic_exchange(&file.stopped, 1) != 0)
		return -1;
	file.header->live.stop_reason = reason;
	file.header->live.state = PMT_STATE_STOPPED;
	file.header->live.end_ns = sys_clock_ns(CLOCK_MONOTONIC);
	if (error == 0)
		say_problem(what, file.path, NULL);
	else
		say_cannot(what, file.path, error);
	return -1;
}

void logfile_stop(unsigned reason)
{
	(void)stop_log(reason, "tracing stopped, the program enters a sandbox: ", 0);
}

/*
 * The program may have closed our descriptor, and something else may have its number now: only the
 * file that we made is ever written to.
 */
static long check_descriptor(int *fd)
{
	*fd = kept_number(&file.kept);
	if (logfile_has_descriptor())
		return 0;
	long opened = sys_open(file.path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);

	if (opened < 0)
		return opened;
	if (!kept_is_file(&file.kept, (int)opened)) {
		(void)sys_close((int)opened);
		return -ENOENT;
	}
	*fd = (int)opened;
	return 0;
}

static int cannot_extend(long error)
{
	if (atomic_load(&file.ending))
		return -1;
	return stop_log(error == -ENOMEM ? PMT_STOP_MEMORY : PMT_STOP_DISK,
			"tracing stopped, cannot extend the log ", error);
}

/*
 * Map chunk NUMBER; when it is new, get disk space for its first NEW bytes before. NULL: the log
 * was stopped.
 */
static struct pmt_chunk *map_chunk(uint64_t number, uint64_t new)
{
	const uint64_t offset = file.header_bytes + number * file.chunk_bytes;
	struct pmt_chunk *chunk = NULL;
	int fd;
	long rc = check_descriptor(&fd);

	if (rc == 0) {
		if (new != 0)
			rc = allocate_space(fd, offset, new);
		if (rc == 0)
			chunk = map_file(NULL, fd, offset, file.chunk_bytes);
		if (rc == 0 && sys_failed(chunk))
			rc = (long)chunk;
		if (fd != kept_number(&file.kept))
			(void)sys_close(fd);
	}
	if (rc != 0) {
		(void)cannot_extend(rc);
		return NULL;
	}
	arena_account((long)(new != 0 ? new : file.chunk_bytes));
	if (new != 0)
		__atomic_fetch_add(&file.header->live.chunks, 1, __ATOMIC_RELAXED);
	return chunk;
}

struct pmt_chunk *logfile_map(uint64_t number)
{
	return map_chunk(number, 0);
}

struct pmt_chunk *logfile_grow(uint64_t *number)
{
	*number = atomic_fetch_add(&file.next_chunk, 1);
	return map_chunk(*number, file.chunk_bytes);
}

static int is_open(void)
{
	return file.header != NULL && atomic_load(&file.stopped) == 0;
}

/* Space is had in these steps, but not at a size limit: there a chunk is used again as it is. */
static uint64_t step_bytes(uint64_t bytes)
{
	uint64_t step = file.header_bytes > FIRST_BYTES ? file.header_bytes : FIRST_BYTES;

	if (file.max_chunks != UINT64_MAX)
		return file.chunk_bytes;
	while (step < bytes)
		step *= 2;
	return step < file.chunk_bytes ? step : file.chunk_bytes;
}

uint64_t logfile_extend(uint64_t number, uint64_t bytes, uint64_t more)
{
	const uint64_t wanted = step_bytes(bytes + more);
	int fd;
	long rc;

	if (wanted < bytes + more || !is_open())
		return bytes;
	rc = check_descriptor(&fd);
	if (rc == 0) {
		rc = allocate_space(fd, file.header_bytes + number * file.chunk_bytes + bytes,
				    wanted - bytes);
		if (fd != kept_number(&file.kept))
			(void)sys_close(fd);
	}
	if (rc != 0) {
		(void)cannot_extend(rc);
		return bytes;
	}
	arena_account((long)(wanted - bytes));
	return wanted;
}

struct pmt_chunk *logfile_chunk(unsigned kind, uint64_t *number, uint64_t *bytes)
{
	struct pmt_chunk *chunk;

	if (!is_open())
		return NULL;
	*bytes = *bytes <= FIRST_BYTES || file.max_chunks != UINT64_MAX
			 ? step_bytes(*bytes)
			 : (*bytes + file.header_bytes - 1) & ~(file.header_bytes - 1);
	if (*bytes > file.chunk_bytes)
		*bytes = file.chunk_bytes;
	*number = atomic_load(&file.next_chunk);
	/* Looked at once more with the number taken: logfile_shorten() may not know of it. */
	while (*number < file.max_chunks)
		if (atomic_compare_exchange_weak(&file.next_chunk, number, *number + 1))
			return is_open() ? map_chunk(*number, *bytes) : NULL;
	*bytes = file.chunk_bytes;
	/*
	 * Chunks of other kinds may replace chunks of events, but a quarter of the log stays for
	 * events.
	 */
	chunk = file.reuse(kind == PMT_CHUNK_EVENTS ? 0 : file.max_chunks / 4, number);
	return chunk != NULL || !is_open() ? chunk : logfile_grow(number);
}

static void unmap_chunk(struct pmt_chunk *chunk, uint64_t bytes)
{
	(void)sys_munmap(chunk, file.chunk_bytes);
	arena_account(-(long)bytes);
}

void logfile_unmap(struct pmt_chunk *chunk)
{
	unmap_chunk(chunk, file.chunk_bytes);
}

int logfile_peek(uint64_t number, struct pmt_chunk *head)
{
	const uint64_t offset = file.header_bytes + number * file.chunk_bytes;
	int fd;
	long got;

	if (check_descriptor(&fd) != 0)
		return -1;
	got = sys_pread(fd, head, sizeof(*head), offset);
	if (fd != kept_number(&file.kept))
		(void)sys_close(fd);
	return got == (long)sizeof(*head) ? 0 : -1;
}

/* What has no place is never dropped, and what is live does not count its records. */
void logfile_begun(const struct pmt_chunk *chunk, uint64_t number)
{
	if (chunk->kind == PMT_CHUNK_EVENTS && file.max_chunks != UINT64_MAX)
		(void)places_begin(number, chunk->slot);
}

uint64_t logfile_max_chunks(void)
{
	return file.max_chunks;
}

void logfile_seal(struct pmt_chunk *chunk, uint64_t number, uint64_t bytes,
		  const struct pmt_state *end)
{
	chunk->checksum = pmt_chunk_checksum(chunk);
	__atomic_store_n(&chunk->sealed, 1, __ATOMIC_RELEASE);
	if (chunk->kind == PMT_CHUNK_EVENTS && file.max_chunks != UINT64_MAX)
		places_add(number, chunk, end);
	unmap_chunk(chunk, bytes);
}

void logfile_trim(uint64_t number, uint64_t used, uint64_t bytes)
{
	const uint64_t page = file.header_bytes;
	const uint64_t from = (used + page - 1) & ~(page - 1);
	int fd;

	if (file.max_chunks != UINT64_MAX || from + page > bytes || check_descriptor(&fd) != 0)
		return;
	(void)SYS4(SYS_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		   page + number * file.chunk_bytes + from, bytes - from);
	if (fd != kept_number(&file.kept))
		(void)sys_close(fd);
}

void logfile_end_begins(void)
{
	atomic_store(&file.ending, 1);
}

void logfile_shorten(void)
{
	struct pmt_chunk last;
	uint64_t count;
	int fd;

	/* From here on nobody gets a chunk behind the last one. */
	atomic_store(&file.stopped, 1);
	count = atomic_load(&file.next_chunk);
	if (file.max_chunks != UINT64_MAX || count == 0 || logfile_peek(count - 1, &last) != 0 ||
	    last.magic != PMT_CHUNK_MAGIC || !last.sealed || check_descriptor(&fd) != 0)
		return;
	(void)SYS2(SYS_ftruncate, fd,
		   file.header_bytes + (count - 1) * file.chunk_bytes + sizeof(last) +
			   last.committed);
	if (fd != kept_number(&file.kept))
		(void)sys_close(fd);
}

void logfile_close(unsigned state, uint64_t end_ns)
{
	if (file.header == NULL)
		return;
	if (file.header->live.state == PMT_STATE_STOPPED)
		return;
	file.header->live.end_ns = end_ns;
	__atomic_store_n(&file.header->live.state, state, __ATOMIC_RELEASE);
}

void logfile_lost(uint64_t count)
{
	if (file.header != NULL)
		__atomic_fetch_add(&file.header->live.lost, count, __ATOMIC_RELAXED);
}

void logfile_flag(unsigned flag)
{
	if (file.header != NULL)
		__atomic_fetch_or(&file.header->live.flags, 1ULL << flag, __ATOMIC_RELAXED);
}

void logfile_let_go(void)
{
	void *copy;

	if (file.header == NULL)
		return;
	kept_close(&file.kept);
	copy = sys_mmap(file.header_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	if (sys_failed(copy))
		return;
	memcpy(copy, file.header, file.header_bytes);
	if (move_header(copy, file.header) != 0)
		(void)sys_munmap(copy, file.header_bytes);
	else
		file.place = file.header;
}

void logfile_forget(int same_process)
{
	/* A forked child does not have the mapping. */
	file.place = same_process ? file.header : NULL;
	/* In a forked child this is the parent's log. */
	kept_close(&file.kept);
	file.header = NULL;
}
