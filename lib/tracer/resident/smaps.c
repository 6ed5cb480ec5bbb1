/* SPDX-License-Identifier: MIT */
/* The parser of smaps, and the rules that say what a mapping is for. */
#include "smaps.h"

#include <string.h>

#include "names.h"

/* malloc's arenas but the first are parts of areas of this size, which begin at a multiple of it.
 */
#define ARENA_BYTES (64ULL << 20)
/* Above are the kernel's own. */
#define ADDRESS_MAX (1ULL << 62)

void smaps_init(struct smaps *s, smaps_visit visit, void *context)
{
	memset(s, 0, sizeof(*s));
	s->visit = visit;
	s->context = context;
	s->log = "";
}

static int begins_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* The path of our log, perhaps with " (deleted)" behind it. */
static int is_log(const struct smaps *s, const char *name)
{
	size_t size = strlen(s->log);

	return size != 0 && size < SMAPS_LINE && strncmp(name, s->log, size) == 0 &&
	       (name[size] == '\0' || strcmp(name + size, " (deleted)") == 0);
}

static uint32_t file_kind(const struct smaps_mapping *m)
{
	if (begins_with(m->name, "/dev/shm/") || begins_with(m->name, "/memfd:") ||
	    begins_with(m->name, "/SYSV") || begins_with(m->name, "/dev/zero"))
		return PMT_MEMORY_SHARED;
	return m->executable ? PMT_MEMORY_LIBRARY : PMT_MEMORY_FILE;
}

/* Memory without a file, whose name in brackets says what it is; ANONYMOUS when that says nothing.
 */
static uint32_t named_kind(const char *name)
{
	static const struct {
		const char *begin;
		uint32_t kind;
	} names[] = {
		{"[heap]", PMT_MEMORY_HEAP},
		{"[stack", PMT_MEMORY_STACK},
		{"[anon: glibc: malloc", PMT_MEMORY_MALLOC_ARENA},
		{"[anon: glibc: pthread", PMT_MEMORY_THREAD_STACK},
		{"[anon_shmem:", PMT_MEMORY_SHARED},
		{"[anon:", PMT_MEMORY_ANONYMOUS},
		{"", PMT_MEMORY_OTHER},
	};
	size_t i = 0;

	if (name[0] == '\0')
		return PMT_MEMORY_ANONYMOUS;
	while (!begins_with(name, names[i].begin))
		i++;
	return names[i].kind;
}

static int is_file(const struct smaps_mapping *m)
{
	return m->inode != 0 || m->name[0] == '/';
}

static int is_reserved(const struct smaps_mapping *m)
{
	return m->inode == 0 && begins_with(m->access, "---");
}

/* malloc makes the used part of an area accessible; the rest, if there is any, follows it. */
static int is_arena(const struct smaps_mapping *m, const struct smaps_mapping *next)
{
	uint64_t last = (m->end - 1) & ~(ARENA_BYTES - 1);

	if (m->start % ARENA_BYTES != 0)
		return 0;
	if (m->end % ARENA_BYTES == 0)
		return 1;
	return next != NULL && is_reserved(next) && next->start == m->end &&
	       next->end - last >= ARENA_BYTES;
}

/* NEXT is what follows M, or NULL. */
static uint32_t kind_of(const struct smaps *s, const struct smaps_mapping *m,
			const struct smaps_mapping *next)
{
	int follows = s->last_end == m->start;
	uint32_t kind;

	if (m->own)
		return PMT_MEMORY_OWN;
	if (is_file(m))
		return file_kind(m);
	kind = named_kind(m->name);
	if (kind != PMT_MEMORY_ANONYMOUS)
		return kind;
	if (m->access[3] == 's')
		return PMT_MEMORY_SHARED;
	if (is_reserved(m))
		return PMT_MEMORY_RESERVED;
	if (is_arena(m, next))
		return PMT_MEMORY_MALLOC_ARENA;
	if (m->stack || (follows && s->last_kind == PMT_MEMORY_RESERVED))
		return PMT_MEMORY_THREAD_STACK;
	if (follows && s->last_kind == PMT_MEMORY_LIBRARY)
		return PMT_MEMORY_LIBRARY_DATA;
	return PMT_MEMORY_ANONYMOUS;
}

static void report_mapping(struct smaps *s, const struct smaps_mapping *next)
{
	if (!s->has_held)
		return;
	s->held.kind = kind_of(s, &s->held, next);
	s->visit(s->context, &s->held);
	s->last_end = s->held.end;
	s->last_kind = s->held.kind;
	s->has_held = 0;
}

/* The mapping NOW is read: part of the file that is held, or the next one. */
static void close_mapping(struct smaps *s)
{
	struct smaps_mapping *now = &s->now, *held = &s->held;

	if (!s->has_now)
		return;
	s->has_now = 0;
	if (now->resident > now->size)
		now->resident = now->size;
	if (!is_file(now)) {
		/* Without a file all pages are private, which says nothing about copies. */
		now->copied = 0;
	}
	if (is_file(now) || now->access[3] == 's')
		now->shared = 0;
	if (now->shared > now->resident)
		now->shared = now->resident;
	if (now->copied > now->resident)
		now->copied = now->resident;
	if (s->has_held && now->inode != 0 && now->inode == held->inode &&
	    strcmp(now->name, held->name) == 0) {
		held->end = now->end;
		held->size += now->size;
		held->resident += now->resident;
		held->copied += now->copied;
		held->swap += now->swap;
		held->executable |= now->executable;
		held->own |= now->own;
		memcpy(held->access, now->access, sizeof(held->access));
		return;
	}
	report_mapping(s, now);
	*held = *now;
	s->has_held = 1;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A number in hexadecimal, at most 16 digits. Returns what follows, or NULL. */
static const char *parse_hex(const char *p, uint64_t *value)
{
	int digits = 0;

	*value = 0;
	for (; hex_digit(*p) >= 0; p++, digits++)
		*value = *value << 4 | (uint64_t)hex_digit(*p);
	return digits == 0 || digits > 16 ? NULL : p;
}

/* Decimal; what is too large becomes the largest number. */
static uint64_t read_decimal(const char **text)
{
	const char *p = *text;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			n = UINT64_MAX;
	*text = p;
	return n;
}

static const char *behind_word(const char *p)
{
	while (*p != '\0' && *p != ' ')
		p++;
	while (*p == ' ')
		p++;
	return p;
}

/*
 * "START-END ACCESS OFFSET DEVICE INODE   NAME". Returns 0, or -1 when the line is none of these.
 * The lines that follow one that cannot be (the kernel's half of the address space) are nobody's.
 */
static int open_mapping(struct smaps *s)
{
	struct smaps_mapping m;
	const char *p = parse_hex(s->line, &m.start);

	if (p == NULL || *p != '-')
		return -1;
	close_mapping(s);
	p = parse_hex(p + 1, &m.end);
	if (p == NULL || *p != ' ' || strlen(p) < 6 || p[5] != ' ' || m.start >= m.end ||
	    m.end > ADDRESS_MAX)
		return 0;
	memset(&m.size, 0, sizeof(m) - offsetof(struct smaps_mapping, size));
	m.size = m.end - m.start;
	memcpy(m.access, p + 1, 4);
	m.executable = m.access[2] == 'x';
	p = behind_word(behind_word(behind_word(p + 1)));
	m.inode = read_decimal(&p);
	p = behind_word(p);
	memcpy(m.name, p, strlen(p)); /* shorter than the line */
	m.own = is_log(s, m.name) || s->address - m.start < m.size;
	s->now = m;
	s->has_now = 1;
	return 0;
}

#define FIRST_ADDED 3 /* of the values from this on, one is the sum of two */

/* "NAME:   123 kB", in bytes. */
static void read_value(struct smaps *s)
{
	static const struct {
		const char *name;
		size_t offset;
	} values[] = {
		{"Rss:", offsetof(struct smaps_mapping, resident)},
		{"Anonymous:", offsetof(struct smaps_mapping, copied)},
		{"Swap:", offsetof(struct smaps_mapping, swap)},
		{"Shared_Clean:", offsetof(struct smaps_mapping, shared)},
		{"Shared_Dirty:", offsetof(struct smaps_mapping, shared)},
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const char *p = s->line + strlen(values[i].name);
		uint64_t value, before;

		if (!begins_with(s->line, values[i].name))
			continue;
		while (*p == ' ')
			p++;
		value = read_decimal(&p);
		value = value > 1ULL << 52 ? ADDRESS_MAX : value * 1024;
		memcpy(&before, (char *)&s->now + values[i].offset, sizeof(before));
		value += i >= FIRST_ADDED ? before : 0;
		memcpy((char *)&s->now + values[i].offset, &value, sizeof(value));
	}
	/* Linux makes MAP_STACK "no huge pages" from 6.7 on. */
	if (begins_with(s->line, "VmFlags:") &&
	    (strstr(s->line, " nh") != NULL || strstr(s->line, " gu") != NULL))
		s->now.stack = 1;
}

static void end_line(struct smaps *s)
{
	s->line[s->used] = '\0';
	s->used = 0;
	if (open_mapping(s) != 0 && s->has_now)
		read_value(s);
}

void smaps_feed(struct smaps *s, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n')
			end_line(s);
		else if (s->used < SMAPS_LINE - 1)
			s->line[s->used++] = data[i];
	}
}

void smaps_finish(struct smaps *s)
{
	s->used = 0; /* a line without an end was cut off */
	close_mapping(s);
	report_mapping(s, NULL);
}
