/* SPDX-License-Identifier: MIT */
/* pymemtrace gnuplot: a data file and a script for each log, and pictures if wanted. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "error.h"
#include "inputs.h"
#include "pictures.h"
#include "plot.h"
#include "report_options.h"

static const char *folder;
static bool only;
static int render; /* of RENDER_WORDS, plus one; 0: none */
static uint64_t width = 1200;
static uint64_t height = 700;
static int second_axis; /* enum plot_second */

enum { RENDER_NONE, RENDER_PNG, RENDER_SVG, NAME_BYTES = 128 };
#define RENDER_WORDS "none|png|svg"

/* The log's file name without folder and ending, with nothing in it that gnuplot could mistake. */
static void make_name(const char *path, char name[NAME_BYTES])
{
	const char *base = strrchr(path, '/');
	size_t size;

	base = base == NULL ? path : base + 1;
	size = strlen(base);
	if (size > 4 && strcmp(base + size - 4, ".zst") == 0)
		size -= 4;
	if (size > 4 && strncmp(base + size - 4, ".pmt", 4) == 0)
		size -= 4;
	if (size > NAME_BYTES - 16)
		size = NAME_BYTES - 16;
	for (size_t i = 0; i < size; i++) {
		const bool safe = (base[i] >= '0' && base[i] <= '9') || base[i] == '_' ||
				  (base[i] >= 'A' && base[i] <= 'Z') || base[i] == '-' ||
				  (base[i] >= 'a' && base[i] <= 'z') || (base[i] == '.' && i != 0);

		name[i] = base[i];
		if (!safe)
			name[i] = '_';
	}
	name[size] = '\0';
}

/* Logs of the same name in different folders: the second is NAME-2. */
static void make_unique(char (*names)[NAME_BYTES], size_t count)
{
	char *name = names[count];
	const size_t size = strlen(name);

	for (unsigned number = 2;; number++) {
		bool taken = false;

		for (size_t i = 0; i < count; i++)
			taken |= strcmp(names[i], name) == 0;
		if (!taken)
			return;
		snprintf(name + size, NAME_BYTES - size, "-%u", number);
	}
}

/* DIR/NAME.ENDING, in a buffer that the next call overwrites. */
static const char *file_path(const char *name, const char *ending)
{
	static char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s.%s", folder, name, ending) >= (int)sizeof(path))
		return NULL;
	return path;
}

/* A file that exists is ours when its first line says so. */
static bool is_ours(int fd)
{
	char start[sizeof(PLOT_SIGNATURE) - 1];
	const ssize_t size = pread(fd, start, sizeof(start), 0);

	return size == 0 || (size == (ssize_t)sizeof(start) &&
			     memcmp(start, PLOT_SIGNATURE, sizeof(start)) == 0);
}

/* Open for writing; an existing file only if we made it. NULL after a message. */
static FILE *open_output(const char *path)
{
	struct stat st;
	FILE *file;

	if (path == NULL) {
		error("%s: the name is too long", folder);
		return NULL;
	}
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);

	if (fd < 0) {
		error("%s: %s", path, strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !is_ours(fd)) {
		error("%s: was not made by this command; it is left as it is", path);
		close(fd);
		return NULL;
	}
	file = ftruncate(fd, 0) == 0 ? fdopen(fd, "w") : NULL;
	if (file == NULL) {
		error("%s: %s", path, strerror(errno));
		close(fd);
	}
	return file;
}

static int close_output(FILE *file, const char *path)
{
	const bool failed = ferror(file) != 0;

	if (fclose(file) != 0 || failed)
		return error("%s: cannot write: %s", path, strerror(errno));
	return 0;
}

/* What is drawn, and how it is written. */
struct drawing {
	const struct picture_kind *kind;
	void *picture;
	struct plot_style style;
};

static int write_files(const struct drawing *drawing, const char *name)
{
	FILE *file = open_output(file_path(name, "dat"));

	if (file == NULL)
		return -1;
	drawing->kind->write_data(drawing->picture, file);
	if (close_output(file, file_path(name, "dat")) != 0)
		return -1;
	file = open_output(file_path(name, "plt"));
	if (file == NULL)
		return -1;
	drawing->kind->write_script(drawing->picture, &drawing->style, name, file);
	return close_output(file, file_path(name, "plt"));
}

/* In the child: the script speaks of files in its own folder. */
static _Noreturn void exec_gnuplot(const char *script)
{
	if (chdir(folder) != 0)
		_exit(126);
	execlp("gnuplot", "gnuplot", script, (char *)NULL);
	_exit(errno == ENOENT ? 127 : 126);
}

static int run_gnuplot(const char *name)
{
	char script[NAME_BYTES + 8];
	int status;

	snprintf(script, sizeof(script), "%s.plt", name);
	fflush(NULL);
	pid_t child = fork();

	if (child < 0)
		return error("cannot start gnuplot: %s", strerror(errno));
	if (child == 0)
		exec_gnuplot(script);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return error("gnuplot: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return error(
			"gnuplot: not found; install the package gnuplot-nox (Debian, Ubuntu) or gnuplot; the data and the script are in %s",
			folder);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error("gnuplot failed with %s", file_path(name, "plt"));
	return 0;
}

/* Returns the exit status; EXIT_DATA after a log that could not be read is no FAILURE. */
static int run_file(const char *path, const char *name, bool *failure)
{
	struct drawing drawing = {
		.kind = picture_kind(path),
		.style = {render == RENDER_SVG ? "svg" : "png", width, height, second_axis},
	};
	int status = drawing.kind->read(path, &drawing.style, &drawing.picture);

	if (drawing.picture == NULL)
		return status;
	if (write_files(&drawing, name) != 0 || (render != RENDER_NONE && run_gnuplot(name) != 0))
		*failure = true;
	else
		printf("%s\n",
		       file_path(name, render == RENDER_NONE ? "plt" : drawing.style.format));
	drawing.kind->destroy(drawing.picture);
	return status;
}

static int check_options(void)
{
	if (folder == NULL)
		return error("no folder given for the output: -o DIR");
	if (width < 200 || width > 20000 || height < 150 || height > 20000)
		return error(
			"--width and --height: not allowed, want pixels from 200 and 150 to 20000");
	return 0;
}

static int run_plots(int count, char **operands)
{
	struct inputs inputs;
	char(*names)[NAME_BYTES];
	bool failure = false; /* of a file or of gnuplot */

	if (check_options() != 0)
		return EXIT_USAGE;
	int status = inputs_init_run(&inputs, only, count, operands);

	if (status != EXIT_OK)
		return status;
	if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
		error("%s: %s", folder, strerror(errno));
		inputs_fini(&inputs);
		return EXIT_DATA;
	}
	names = need_memory(inputs.count * sizeof(*names));
	status = EXIT_DATA;
	for (size_t i = 0; i < inputs.count; i++) {
		make_name(inputs.paths[i], names[i]);
		make_unique(names, i);
		if (run_file(inputs.paths[i], names[i], &failure) == EXIT_OK)
			status = EXIT_OK;
	}
	if (failure)
		status = EXIT_DATA;
	free(names);
	inputs_fini(&inputs);
	return status;
}

static const struct command_option options[] = {
	{.name = "output",
	 .letter = 'o',
	 .value = "DIR",
	 .kind = COMMAND_TEXT,
	 .target = &folder,
	 .doc = "folder for the files, made if there is none; files in it that this command made are overwritten, others are not"},
	{.name = "render",
	 .value = RENDER_WORDS,
	 .kind = COMMAND_CHOICE,
	 .target = &render,
	 .doc = "run gnuplot on each script to draw a picture (none is the default)"},
	{.name = "width",
	 .value = "PIXELS",
	 .kind = COMMAND_COUNT,
	 .target = &width,
	 .doc = "width of the picture (1200)"},
	{.name = "height",
	 .value = "PIXELS",
	 .kind = COMMAND_COUNT,
	 .target = &height,
	 .doc = "height of the picture (700)"},
	{.name = "second-axis",
	 .value = PLOT_SECOND_WORDS,
	 .kind = COMMAND_CHOICE,
	 .target = &second_axis,
	 .doc = "draw on an axis of its own how many Python objects were live, or how many events of the interpreter there were a second (none is the default); of logs that have these"},
	FAMILY_OPTION(&only),
	{.name = NULL},
};

const struct command cmd_gnuplot = {
	.name = "gnuplot",
	.summary = "curves of heap, mappings and resident set over time",
	.operands = "[LOG...]",
	.doc = "Writes, for each log, a data file NAME.dat (seconds, then bytes), thinned to at most 10,000 points that keep the extremes, and a script NAME.plt, and with --render a picture NAME.png or NAME.svg. "
	       "Prints the name of what it made last. "
	       "Marks of the program and points of the process's life are vertical lines. A log with events of the interpreter (calls, lines, objects) has the resident set at these as a curve of its own. "
	       "Of a file that `pymemtrace watch --json` wrote: resident set, USS, swap, page faults and CPU over time, of the processes with the largest resident set and of all together.",
	.options = options,
	.run = run_plots,
};
