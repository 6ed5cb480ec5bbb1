/* SPDX-License-Identifier: MIT */
/* The options of a log: from the environment, and from whoever begins one. */
#include "settings.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

/* Bytes that the texts of all options take at most, each with its end. */
enum {
	ROOM_BYTES = 0
#define PMT_OPTION(name, env, flag, type, standard, least, most, doc)                              \
	+((PMT_OPTION_##type == PMT_OPTION_TEXT) ? (most) + 1 : 0)
#include "options.def"
#undef PMT_OPTION
};

/* Copies of texts. The environment is the program's memory: it may write its title over it. */
struct room {
	char data[ROOM_BYTES];
	size_t used;
	struct text output; /* the template of the log's name, absolute */
};

static struct {
	struct room first, later;
	struct pmt_options started; /* as they were at the start */
	int kept;		    /* these stand */
	struct text given;	    /* what the environment sets, as "NAME=VALUE NAME=VALUE" */
} settings;

static void say_wrong_option(const struct pmt_option_info *info, const char *value,
			     const char *allowed)
{
	struct text t = {.used = 0};
	char shown[100];
	const size_t size = strlen(value) < sizeof(shown) ? strlen(value) : sizeof(shown) - 1;

	memcpy(shown, value, size);
	shown[size] = '\0';
	text_add(&t, info->env);
	text_add(&t, "=");
	text_add_clean(&t, shown);
	text_add(&t, value[size] == '\0' ? "" : "...");
	text_add(&t, ": not allowed, wants ");
	say_problem(t.data, allowed, "; the program runs untraced");
}

/* VALUE, or a copy of it that stays where it is a text that may stand. */
static const char *keep_text(struct room *room, const struct pmt_option_info *info,
			     const char *value)
{
	const size_t size = strlen(value);
	char *copy = room->data + room->used;

	if (info->type != PMT_OPTION_TEXT || size > info->most)
		return value;
	memcpy(copy, value, size + 1);
	room->used += size + 1;
	return copy;
}

static void note_given(const struct pmt_option_info *info, const char *value)
{
	text_add(&settings.given, settings.given.used == 0 ? "" : " ");
	text_add(&settings.given, info->env);
	text_add(&settings.given, "=");
	text_add(&settings.given, value);
}

static int read_environment(struct pmt_options *options, struct room *room)
{
	char allowed[300];

	room->used = 0;
	settings.given.used = 0;
	for (const struct pmt_option_info *i = pmt_option_infos; i->env != NULL; i++) {
		const char *value = getenv(i->env);

		if (value == NULL)
			continue;
		note_given(i, value);
		if (*value == '\0' || pmt_option_set(options, i, keep_text(room, i, value), allowed,
						     sizeof(allowed)) == 0)
			continue;
		say_wrong_option(i, value, allowed);
		return -1;
	}
	return 0;
}

/* The name stands where the program is now, wherever it goes. */
static void make_output_absolute(struct pmt_options *options, struct text *output)
{
	char folder[1024];

	output->used = 0;
	if (options->output[0] == '/' || SYS2(SYS_getcwd, folder, sizeof(folder)) <= 0 ||
	    folder[0] != '/')
		return;
	for (const char *p = folder; *p != '\0'; p++)
		text_add_bytes(output, *p == '%' ? "%%" : p, *p == '%' ? 2 : 1);
	if (output->used > 1)
		text_add(output, "/");
	text_add(output, options->output);
	if (output->used + 1 < sizeof(output->data))
		options->output = output->data;
}

int settings_read_first(struct pmt_options *options)
{
	pmt_options_init(options);
	if (read_environment(options, &settings.first) != 0)
		return -1;
	make_output_absolute(options, &settings.first.output);
	settings.started = *options;
	settings.kept = 1;
	return 0;
}

int settings_read(struct pmt_options *options)
{
	if (settings.kept)
		*options = settings.started;
	else
		pmt_options_init(options);
	return read_environment(options, &settings.later);
}

void settings_make_output_absolute(struct pmt_options *options)
{
	make_output_absolute(options, &settings.later.output);
}

const struct text *settings_given(void)
{
	return &settings.given;
}

/* The option that the first SIZE bytes of NAME are called, without prefix; NULL: none. */
static const struct pmt_option_info *find_option(const char *name, size_t size)
{
	const size_t prefix = strlen(PMT_OPTION_PREFIX);

	for (const struct pmt_option_info *i = pmt_option_infos; i->env != NULL; i++)
		if (strlen(i->env + prefix) == size && memcmp(i->env + prefix, name, size) == 0)
			return i;
	return NULL;
}

int settings_set(struct pmt_options *options, const char *setting, struct text *problem)
{
	const size_t size = strcspn(setting, "=");
	const struct pmt_option_info *info = find_option(setting, size);
	char allowed[300];

	if (info == NULL || setting[size] == '\0') {
		text_add(problem, "there is no option ");
		text_add_clean(problem, setting);
		return -1;
	}
	if (pmt_option_set(options, info, setting + size + 1, allowed, sizeof(allowed)) == 0)
		return 0;
	text_add(problem, "option ");
	text_add_clean(problem, setting);
	text_add(problem, ": not allowed, wants ");
	text_add(problem, allowed);
	return -1;
}
