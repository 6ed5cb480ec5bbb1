/* SPDX-License-Identifier: MIT */
/* The options of a log: from the environment, and from whoever begins one. */
#include "settings.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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

int settings_read(struct pmt_options *options)
{
	char allowed[300];

	pmt_options_init(options);
	for (const struct pmt_option_info *i = pmt_option_infos; i->env != NULL; i++) {
		const char *value = getenv(i->env);

		if (value == NULL || *value == '\0' ||
		    pmt_option_set(options, i, value, allowed, sizeof(allowed)) == 0)
			continue;
		say_wrong_option(i, value, allowed);
		return -1;
	}
	return 0;
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
