/* SPDX-License-Identifier: MIT */
/*
 * Whether a command can be traced. A preloaded library is ignored without a word by static
 * programs, by set-user-id programs and by programs of another word size: better to say so before.
 */
#include "program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "error.h"

/* Interpreters of scripts may be scripts, as deep as the kernel allows. */
#define SCRIPTS_MAX 4
#define LINE_MAX_BYTES 256 /* of a #! line that the kernel looks at */
#define SEGMENTS_MAX 1024

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_NONE /* not checked */
#endif

static char *copy_text(const char *text, size_t size)
{
	char *result = need_memory(size + 1);

	memcpy(result, text, size);
	result[size] = '\0';
	return result;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* FOLDER (SIZE bytes, none: the working folder) and NAME. */
static char *join_path(const char *folder, size_t size, const char *name)
{
	char *path = need_memory(size + strlen(name) + 3);

	sprintf(path, "%.*s/%s", size == 0 ? 1 : (int)size, size == 0 ? "." : folder, name);
	return path;
}

/* Look through PATH. Returns NULL if there is no such program; *SEEN: a file that cannot be run. */
static char *search_path(const char *name, bool *seen)
{
	const char *folders = getenv("PATH");

	if (folders == NULL)
		folders = "/bin:/usr/bin";
	for (;;) {
		size_t size = strcspn(folders, ":");
		char *path = join_path(folders, size, name);

		if (is_program(path))
			return path;
		*seen |= access(path, F_OK) == 0;
		free(path);
		if (folders[size] == '\0')
			return NULL;
		folders += size + 1;
	}
}

static int refuse_program(int status, const char *path, const char *why)
{
	error("%s: %s", path, why);
	return status;
}

/* A set-user-id program, or one with capabilities: the loader drops LD_PRELOAD for it. */
static int check_privileges(const char *path, const struct stat *st)
{
	bool other_user = (st->st_mode & S_ISUID) && st->st_uid != geteuid();
	bool other_group =
		(st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP) && st->st_gid != getegid();

	if (other_user || other_group)
		return refuse_program(PROGRAM_NOT_EXECUTABLE, path,
				      "a set-user-id or set-group-id program: cannot be traced");
	if (geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
		return refuse_program(PROGRAM_NOT_EXECUTABLE, path,
				      "a program with file capabilities: cannot be traced");
	return 0;
}

static bool has_interpreter(int fd, const Elf64_Ehdr *elf)
{
	unsigned count = elf->e_phnum < SEGMENTS_MAX ? elf->e_phnum : SEGMENTS_MAX;

	for (unsigned i = 0; i < count; i++) {
		Elf64_Phdr segment;
		off_t at = (off_t)(elf->e_phoff + (uint64_t)i * sizeof(segment));

		if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
			return false;
		if (segment.p_type == PT_INTERP)
			return true;
	}
	return false;
}

static int check_elf(const char *path, int fd, const Elf64_Ehdr *elf)
{
	if (elf->e_ident[EI_CLASS] != ELFCLASS64)
		return refuse_program(PROGRAM_NOT_EXECUTABLE, path,
				      "a 32-bit program: cannot be traced");
	if (elf->e_ident[EI_DATA] != ELFDATA2LSB ||
	    (MACHINE != EM_NONE && elf->e_machine != MACHINE))
		return refuse_program(PROGRAM_NOT_EXECUTABLE, path,
				      "a program for another kind of machine: cannot be traced");
	if (!has_interpreter(fd, elf))
		return refuse_program(PROGRAM_NOT_EXECUTABLE, path,
				      "a statically linked program: cannot be traced");
	return 0;
}

/* What the #! line names, or NULL. */
static char *script_interpreter(const char *line, size_t size)
{
	const char *p = line + 2, *end = memchr(line, '\n', size);
	const char *from;

	if (end == NULL)
		end = line + size;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	from = p;
	while (p < end && *p != ' ' && *p != '\t' && *p != '\0' && *p != '\r')
		p++;
	return p == from ? NULL : copy_text(from, (size_t)(p - from));
}

static int check_program(const char *path, int depth);

static int check_script(const char *path, const char *line, size_t size, int depth)
{
	char *interpreter = script_interpreter(line, size);
	int status;

	if (interpreter == NULL)
		return refuse_program(PROGRAM_NOT_EXECUTABLE, path,
				      "names no interpreter in its first line");
	if (depth == SCRIPTS_MAX) {
		status = refuse_program(PROGRAM_NOT_EXECUTABLE, path,
					"too many scripts run by scripts");
	} else if (!is_program(interpreter)) {
		error("%s: its interpreter %s cannot be run", path, interpreter);
		status =
			access(interpreter, F_OK) == 0 ? PROGRAM_NOT_EXECUTABLE : PROGRAM_NOT_FOUND;
	} else {
		status = check_program(interpreter, depth + 1);
	}
	free(interpreter);
	return status;
}

static int check_content(const char *path, int fd, int depth)
{
	union {
		char line[LINE_MAX_BYTES];
		Elf64_Ehdr elf;
	} head;
	ssize_t size = pread(fd, &head, sizeof(head), 0);

	if (size >= 2 && memcmp(head.line, "#!", 2) == 0)
		return check_script(path, head.line, (size_t)size, depth);
	if (size >= (ssize_t)sizeof(head.elf) && memcmp(head.line, ELFMAG, SELFMAG) == 0)
		return check_elf(path, fd, &head.elf);
	return refuse_program(PROGRAM_NOT_EXECUTABLE, path,
			      "neither a program nor a script with a #! line");
}

static int check_program(const char *path, int depth)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int status;

	/* A program that can be run but not read is left to the kernel. */
	if (fd < 0)
		return errno == EACCES ? 0
				       : refuse_program(PROGRAM_NOT_FOUND, path, strerror(errno));
	status = fstat(fd, &st) == 0 ? check_privileges(path, &st) : 0;
	if (status == 0)
		status = check_content(path, fd, depth);
	close(fd);
	return status;
}

/* The path of a command that was not found, for the message. */
static int not_found(const char *name, bool seen)
{
	struct stat st;

	if (strchr(name, '/') == NULL && !seen)
		return refuse_program(PROGRAM_NOT_FOUND, name, "command not found");
	if (strchr(name, '/') != NULL && stat(name, &st) != 0)
		return refuse_program(errno == EACCES ? PROGRAM_NOT_EXECUTABLE : PROGRAM_NOT_FOUND,
				      name, strerror(errno));
	if (strchr(name, '/') != NULL && S_ISDIR(st.st_mode))
		return refuse_program(PROGRAM_NOT_EXECUTABLE, name, "a folder, not a program");
	return refuse_program(PROGRAM_NOT_EXECUTABLE, name, "not executable");
}

int program_find(const char *name, char **path)
{
	bool seen = false;
	int status;

	if (strchr(name, '/') == NULL)
		*path = search_path(name, &seen);
	else
		*path = is_program(name) ? copy_text(name, strlen(name)) : NULL;
	if (*path == NULL)
		return not_found(name, seen);
	status = check_program(*path, 0);
	if (status != 0)
		free(*path);
	return status;
}
