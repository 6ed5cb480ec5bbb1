/* SPDX-License-Identifier: MIT */
/* Logs that do not have what a report is about. */
#include "lacking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

/* So many are named. */
#define NAMED 3

struct thing {
	char *what;
	const char *words;
	struct log_names logs;
};

/* Of the command that runs. */
static struct {
	struct thing *things;
	size_t count;
} noted;

static void append(struct log_names *names, const char *text)
{
	const size_t used = names->text == NULL ? 0 : strlen(names->text);

	names->text = need_resize(names->text, used + strlen(text) + 1);
	strcpy(names->text + used, text);
}

void log_names_add(struct log_names *names, const char *path)
{
	if (names->count != 0 && names->count <= NAMED)
		append(names, names->count < NAMED ? ", " : " ...");
	if (names->count < NAMED)
		append(names, path);
	names->count++;
}

void log_names_fini(struct log_names *names)
{
	free(names->text);
	*names = (struct log_names){0};
}

void lacking_note(const char *path, const char *what, const char *words)
{
	size_t i = 0;

	while (i < noted.count && strcmp(noted.things[i].what, what) != 0)
		i++;
	if (i == noted.count) {
		noted.things = need_resize(noted.things, (noted.count + 1) * sizeof(*noted.things));
		noted.things[noted.count++] = (struct thing){
			.what = strcpy(need_memory(strlen(what) + 1), what), .words = words};
	}
	log_names_add(&noted.things[i].logs, path);
}

static void say(const struct thing *thing, size_t count)
{
	const struct log_names *logs = &thing->logs;
	const char *trace = thing->words == NULL ? "" : "; trace with --trace ";
	const char *words = thing->words == NULL ? "" : thing->words;

	if (logs->count == 1)
		error("%s: no %s are in this log%s%s", logs->text, thing->what, trace, words);
	else if (logs->count == count)
		error("none of the %zu logs has %s%s%s", count, thing->what, trace, words);
	else
		error("%zu of the %zu logs have no %s (%s)%s%s", logs->count, count, thing->what,
		      logs->text, trace, words);
}

void lacking_say(size_t count)
{
	for (size_t i = 0; i < noted.count; i++) {
		say(&noted.things[i], count);
		log_names_fini(&noted.things[i].logs);
		free(noted.things[i].what);
	}
	free(noted.things);
	noted.things = NULL;
	noted.count = 0;
}
