/* SPDX-License-Identifier: MIT */
/* Lines of source files. */
#include "listing.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

struct content {
	char *data;
	size_t size;
};

/* Neither a pipe, which might wait, nor a device, which might act on being opened. */
static int open_regular(const char *path, struct stat *st)
{
	if (stat(path, st) != 0 || !S_ISREG(st->st_mode))
		return -1;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Empty where it cannot be read. Files of the kernel, which say that they are empty, are not read.
 */
static struct content read_file(const char *path)
{
	struct content content = {NULL, 0};
	struct stat st;
	const int fd = open_regular(path, &st);

	if (fd < 0)
		return content;
	const size_t wanted =
		st.st_size < (off_t)LISTING_FILE_MAX ? (size_t)st.st_size : LISTING_FILE_MAX;

	content.data = need_memory(wanted + 1);
	while (content.size < wanted) {
		const ssize_t got = read(fd, content.data + content.size, wanted - content.size);

		if (got <= 0)
			break;
		content.size += (size_t)got;
	}
	close(fd);
	return content;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f';
}

static char *keep_name(const char *from, size_t size)
{
	while (size != 0 && is_space(from[0])) {
		from++;
		size--;
	}
	while (size != 0 && is_space(from[size - 1]))
		size--;
	if (size > LISTING_LINE_MAX)
		for (size = LISTING_LINE_MAX; size > 0 && ((uint8_t)from[size] & 0xc0) == 0x80;)
			size--;
	char *text = need_memory(size + 1);

	memcpy(text, from, size);
	text[size] = '\0';
	return text;
}

/* The lines of one file, by rising numbers. */
static void take_lines(struct listing *listings, size_t count)
{
	const struct content content = read_file(listings[0].file);
	const char *from = content.data;
	size_t left = content.size;
	uint32_t line = 1;

	for (size_t i = 0; i < count && left != 0;) {
		const char *end = memchr(from, '\n', left);
		const size_t size = end == NULL ? left : (size_t)(end - from);

		for (; i < count && listings[i].line <= line; i++)
			if (listings[i].line == line)
				*listings[i].text = keep_name(from, size);
		left -= size + (end != NULL);
		from += size + (end != NULL);
		line++;
	}
	free(content.data);
}

static int by_place(const void *left, const void *right)
{
	const struct listing *a = left;
	const struct listing *b = right;
	const int order = strcmp(a->file, b->file);

	return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

void listing_read(struct listing *listings, size_t count)
{
	if (count != 0)
		qsort(listings, count, sizeof(*listings), by_place);
	for (size_t first = 0, end; first < count; first = end) {
		end = first + 1;
		while (end < count && strcmp(listings[end].file, listings[first].file) == 0)
			end++;
		take_lines(listings + first, end - first);
	}
}
