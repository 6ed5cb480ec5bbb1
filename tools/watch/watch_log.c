/* SPDX-License-Identifier: MIT */
/* Reads what `pymemtrace watch --json` wrote. */
#include "watch_log.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "progress.h"
#include "watch_json.h"

/* A hundred years: no time of ours is later. */
#define TIME_MOST_S 3.2e9
/* Ids of processes are less than this, so that one number can name a process for certain. */
#define PID_BITS 22

static void find_axes(struct watch_log *log)
{
	for (const struct watch_column *c = watch_columns; c->name != NULL; c++)
		if (c->axis != NULL && log->axis_count < WATCH_LOG_AXES_MAX)
			log->axes[log->axis_count++] = c;
}

/* --- members of an object; the wrong type is as good as none --- */

static bool get_whole(const json_t *object, const char *key, uint64_t *number)
{
	const json_t *member = json_object_get(object, key);

	if (!json_is_integer(member) || json_integer_value(member) < 0)
		return false;
	*number = (uint64_t)json_integer_value(member);
	return true;
}

static char *copy_text(const char *text)
{
	return strcpy(need_memory(strlen(text) + 1), text);
}

static bool is_kind(const json_t *object, const char *kind)
{
	const char *found = json_string_value(json_object_get(object, "kind"));

	return found != NULL && strcmp(found, kind) == 0;
}

/* --- curves --- */

static struct watch_log_curve *add_curve(struct watch_log *log, const char *name, uint64_t pid)
{
	if ((log->count & (log->count - 1)) == 0)
		log->curves = need_resize(log->curves, (log->count == 0 ? 1 : 2 * log->count) *
							       sizeof(*log->curves));
	struct watch_log_curve *curve = &log->curves[log->count++];

	*curve = (struct watch_log_curve){.name = copy_text(name), .pid = pid};
	for (size_t i = 0; i < WATCH_LOG_AXES_MAX; i++)
		curve->most[i] = -1;
	return curve;
}

/* The curve of a sample's process; a new one when it is the first. NULL: not understood. */
static struct watch_log_curve *curve_of(struct watch_log *log, const json_t *sample)
{
	const char *name = json_string_value(json_object_get(sample, "name"));
	uint64_t pid, start;

	if (name == NULL || !get_whole(sample, "pid", &pid) ||
	    !get_whole(sample, "start_ticks", &start) || pid == 0 || pid >> PID_BITS != 0 ||
	    start >> (63 - PID_BITS) != 0)
		return NULL;
	const uint64_t id = start << PID_BITS | pid;
	const int64_t index = idmap_get(&log->map, id);

	if (index >= 0) {
		struct watch_log_curve *curve = &log->curves[index];

		if (strcmp(curve->name, name) != 0) { /* what it became says more */
			free(curve->name);
			curve->name = copy_text(name);
		}
		return curve;
	}
	if (idmap_put(&log->map, id, (uint32_t)log->count) != 0)
		return NULL;
	return add_curve(log, name, pid);
}

static bool add_point(const struct watch_log *log, struct watch_log_curve *curve,
		      const json_t *object)
{
	const json_t *time = json_object_get(object, "time_s");
	struct watch_log_point point = {.time_s = json_number_value(time)};

	if (!json_is_number(time) || !(point.time_s >= 0) || !(point.time_s < TIME_MOST_S) ||
	    (curve->count != 0 && point.time_s < curve->points[curve->count - 1].time_s))
		return false;
	for (size_t i = 0; i < log->axis_count; i++) {
		const json_t *value = json_object_get(object, log->axes[i]->key);

		point.values[i] = json_is_number(value) ? json_number_value(value) : NAN;
		if (point.values[i] > curve->most[i])
			curve->most[i] = point.values[i];
	}
	if ((curve->count & (curve->count - 1)) == 0)
		curve->points =
			need_resize(curve->points, (curve->count == 0 ? 1 : 2 * curve->count) *
							   sizeof(*curve->points));
	curve->points[curve->count++] = point;
	return true;
}

/* --- lines --- */

static void set_command(struct watch_log *log, const json_t *words)
{
	char *text = NULL;
	size_t size = 0, i;
	json_t *word;
	FILE *memory;

	if (json_array_size(words) == 0)
		return;
	memory = open_memstream(&text, &size);
	if (memory == NULL)
		return;
	json_array_foreach(words, i, word)
	{
		if (json_is_string(word))
			fprintf(memory, "%s%s", i == 0 ? "" : " ", json_string_value(word));
	}
	fclose(memory);
	free(log->command); /* of the program that runs last */
	log->command = text;
}

static bool read_sample(struct watch_log *log, const json_t *object)
{
	struct watch_log_curve *curve = curve_of(log, object);

	if (curve == NULL)
		return false;
	if (curve->pid == log->pid)
		set_command(log, json_object_get(object, "command"));
	return add_point(log, curve, object);
}

/* Kinds of lines that are not known are those of later versions. */
static bool read_object(struct watch_log *log, const json_t *object)
{
	if (is_kind(object, "sample"))
		return read_sample(log, object);
	if (is_kind(object, "total"))
		return add_point(log, &log->curves[0], object);
	if (is_kind(object, "summary"))
		log->complete = true;
	return json_object_get(object, "kind") != NULL;
}

static json_t *parse_line(const char *line, size_t size)
{
	return json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
}

static int read_header(struct watch_log *log, const char *line, size_t size, const char *path)
{
	json_t *object = parse_line(line, size);
	uint64_t version = 0;
	const bool good = object != NULL && is_kind(object, "header") &&
			  get_whole(object, "version", &version) &&
			  get_whole(object, "pid", &log->pid);

	json_decref(object);
	if (!good)
		return error("%s: its first line cannot be read", path);
	if (version != WATCH_JSON_VERSION)
		return error("%s: version %" PRIu64 " of the format; this program reads %d", path,
			     version, WATCH_JSON_VERSION);
	add_curve(log, "tree", 0);
	return 0;
}

/* A last line that is cut is what a killed process leaves: not a damage. */
static void read_line(struct watch_log *log, const char *line, size_t size)
{
	json_t *object = parse_line(line, size);

	if (line[size - 1] == '\n' && (object == NULL || !read_object(log, object)))
		log->damaged++;
	json_decref(object);
}

static int read_lines(struct watch_log *log, FILE *file, const char *path)
{
	char *line = NULL;
	size_t room = 0;
	uint64_t number = 0;
	ssize_t size;
	int result = 0;

	progress_begin(path);
	while (result == 0 && (size = getline(&line, &room, file)) > 0) {
		progress_step(number);
		if (number++ == 0)
			result = read_header(log, line, (size_t)size, path);
		else
			read_line(log, line, (size_t)size);
	}
	progress_end();
	free(line);
	if (result == 0 && ferror(file))
		result = error("%s: %s", path, strerror(errno));
	else if (number == 0)
		result = error("%s: is empty", path);
	return result;
}

int watch_log_init(struct watch_log *log, const char *path)
{
	FILE *file = fopen(path, "re");
	int result;

	*log = (struct watch_log){0};
	find_axes(log);
	if (file == NULL) {
		error("%s: %s", path, strerror(errno));
		return EXIT_DATA;
	}
	result = read_lines(log, file, path);
	fclose(file);
	if (result == 0 && log->damaged != 0)
		result = error("%s: %" PRIu64 " line%s could not be read", path, log->damaged,
			       log->damaged == 1 ? "" : "s");
	return result == 0 ? EXIT_OK : EXIT_DATA;
}

void watch_log_fini(struct watch_log *log)
{
	for (size_t i = 0; i < log->count; i++) {
		free(log->curves[i].name);
		free(log->curves[i].points);
	}
	free(log->curves);
	free(log->command);
	idmap_fini(&log->map);
	*log = (struct watch_log){0};
}
