/* SPDX-License-Identifier: MIT */
/* What `pymemtrace gnuplot` can draw. */
#include "pictures.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "log_end.h"
#include "names.h"
#include "plot.h"
#include "watch_json.h"
#include "watch_plot.h"

enum { START_BYTES = 64 };
/* The words of which some are needed for the interpreter's events. */
#define EVENTS_TRACED                                                                              \
	(1U << PMT_TRACED_CALLS | 1U << PMT_TRACED_C_CALLS | 1U << PMT_TRACED_LINES |              \
	 1U << PMT_TRACED_OPCODES | 1U << PMT_TRACED_EXCEPTIONS | 1U << PMT_TRACED_OBJECTS)

/* --- logs of the tracer --- */

static void log_destroy(void *picture)
{
	plot_fini(picture);
	free(picture);
}

/* Whether the log has nothing for the second axis because it was traced without it. */
static bool lacks_second(const struct plot *plot, const struct plot_style *style)
{
	if (style->second == PLOT_SECOND_OBJECTS && !plot->events.has_objects)
		return log_end_lacks(plot->reader, 1U << PMT_TRACED_OBJECTS, "Python objects",
				     "objects");
	return style->second == PLOT_SECOND_EVENTS && plot->events.count == 0 &&
	       log_end_lacks(plot->reader, EVENTS_TRACED, "events of the interpreter", "profile");
}

static int log_read(const char *path, const struct plot_style *style, void **picture)
{
	struct plot *plot = need_memory(sizeof(*plot));
	const int status = plot_init(plot, path, style->second == PLOT_SECOND_OBJECTS);

	*picture = plot;
	if (plot->reader == NULL) {
		log_destroy(plot);
		*picture = NULL;
		return status;
	}
	return lacks_second(plot, style) ? EXIT_DATA : status;
}

static void log_data(const void *picture, FILE *out)
{
	plot_write_data(picture, out);
}

static void log_script(const void *picture, const struct plot_style *style, const char *name,
		       FILE *out)
{
	plot_write_script(picture, style, name, out);
}

/* --- what `pymemtrace watch --json` wrote --- */

static void watch_destroy(void *picture)
{
	watch_log_fini(picture);
	free(picture);
}

static int watch_read(const char *path, const struct plot_style *style, void **picture)
{
	struct watch_log *log = need_memory(sizeof(*log));
	const int status = watch_log_init(log, path);

	(void)style;

	*picture = log;
	if (log->count == 0) {
		watch_destroy(log);
		*picture = NULL;
	}
	return status;
}

static void watch_data(const void *picture, FILE *out)
{
	watch_plot_data(picture, out);
}

static void watch_script(const void *picture, const struct plot_style *style, const char *name,
			 FILE *out)
{
	watch_plot_script(picture, style, name, out);
}

/* The last entry takes every file that no other entry takes. */
static const struct picture_kind kinds[] = {
	{WATCH_JSON_START, watch_read, watch_data, watch_script, watch_destroy},
	{"", log_read, log_data, log_script, log_destroy},
};

const struct picture_kind *picture_kind(const char *path)
{
	char start[START_BYTES] = "";
	struct stat st;
	const struct picture_kind *kind = kinds;
	/* not a pipe: what is read of it here would be missing later */
	const int fd =
		stat(path, &st) == 0 && S_ISREG(st.st_mode) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	const ssize_t size = fd < 0 ? 0 : pread(fd, start, sizeof(start), 0);

	if (fd >= 0)
		close(fd);
	while (*kind->start != '\0' && (size < (ssize_t)strlen(kind->start) ||
					memcmp(start, kind->start, strlen(kind->start)) != 0))
		kind++;
	return kind;
}
