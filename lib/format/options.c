/* SPDX-License-Identifier: MIT */
/* Parsing and checks of option values. Safe before main(): uses no locale, stdio or heap. */
#include "options.h"

#include <signal.h>
#include <string.h>

#include "names.h"

const struct pmt_option_info pmt_option_infos[] = {
#define PMT_OPTION(name, env, flag, type, standard, least, most, doc)                              \
	{PMT_OPTION_PREFIX env,                                                                    \
	 flag,                                                                                     \
	 PMT_OPTION_##type,                                                                        \
	 standard,                                                                                 \
	 least,                                                                                    \
	 most,                                                                                     \
	 doc,                                                                                      \
	 offsetof(struct pmt_options, name)},
#include "options.def"
#undef PMT_OPTION
	{NULL, NULL, PMT_OPTION_TEXT, NULL, 0, 0, NULL, 0},
};

/* Signals that a program may be sent from outside, by the names that kill(1) knows them by. */
static const struct {
	const char *name;
	uint64_t number;
} signals[] = {
	{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT},     {"USR1", SIGUSR1},
	{"USR2", SIGUSR2}, {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},     {"TERM", SIGTERM},
	{"CHLD", SIGCHLD}, {"CONT", SIGCONT}, {"TSTP", SIGTSTP},     {"TTIN", SIGTTIN},
	{"TTOU", SIGTTOU}, {"URG", SIGURG},   {"XCPU", SIGXCPU},     {"XFSZ", SIGXFSZ},
	{"PROF", SIGPROF}, {"IO", SIGIO},     {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH},
};

/* A buffer that text is added to; what does not fit is cut. */
struct text {
	char *data;
	size_t size;
	size_t used;
};

static void add_text(struct text *t, const char *s)
{
	while (*s != '\0' && t->used + 1 < t->size)
		t->data[t->used++] = *s++;
	if (t->size != 0)
		t->data[t->used] = '\0';
}

static void add_number(struct text *t, uint64_t n)
{
	char digits[24];
	size_t i = sizeof(digits);

	digits[--i] = '\0';
	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n != 0);
	add_text(t, digits + i);
}

/* May K, M or G stand behind the number? */
static int has_unit(const struct pmt_option_info *info)
{
	return info->type == PMT_OPTION_SIZE || info->type == PMT_OPTION_ROUND_SIZE ||
	       info->type == PMT_OPTION_TRIGGER;
}

static int wants_round(const struct pmt_option_info *info)
{
	return info->type == PMT_OPTION_ROUND_SIZE || info->type == PMT_OPTION_ROUND_COUNT;
}

/* The names of SET, with commas. */
static void add_names(struct text *t, const char *set, const char *between)
{
	for (const struct pmt_name *n = pmt_name_table; n->set != NULL; n++) {
		if (strcmp(n->set, set) != 0)
			continue;
		add_text(t, between);
		add_text(t, n->name);
		between = ", ";
	}
}

/* The set of a CHOICE. */
static const char *choice_set(const struct pmt_option_info *info)
{
	return info->env + strlen(PMT_OPTION_PREFIX);
}

static void describe_number(const struct pmt_option_info *info, struct text *t)
{
	add_text(t, info->type == PMT_OPTION_TRIGGER ? "-1, or a number from " : "a number from ");
	add_number(t, info->least);
	add_text(t, " to ");
	add_number(t, info->most);
	if (has_unit(info))
		add_text(t, ", with K, M or G behind it if wanted");
}

static void describe_option(const struct pmt_option_info *info, struct text *t)
{
	switch (info->type) {
	case PMT_OPTION_TEXT:
		add_text(t, "a text of ");
		add_number(t, info->least);
		add_text(t, " to ");
		add_number(t, info->most);
		add_text(t, " bytes");
		break;
	case PMT_OPTION_SIZE:
	case PMT_OPTION_COUNT:
	case PMT_OPTION_ROUND_SIZE:
	case PMT_OPTION_ROUND_COUNT:
	case PMT_OPTION_TRIGGER:
		describe_number(info, t);
		break;
	case PMT_OPTION_SIGNAL:
		add_text(t, "the name of a signal, such as USR2, or ");
		describe_number(info, t);
		break;
	case PMT_OPTION_SWITCH:
		add_text(t, "on or off");
		break;
	case PMT_OPTION_WORDS:
		add_text(t, "words of: ");
		add_names(t, "TRACED", "");
		add_names(t, "PRESET", ", ");
		break;
	case PMT_OPTION_CHOICE:
		add_text(t, "one of: ");
		add_names(t, choice_set(info), "");
		break;
	}
}

static int parse_number(const struct pmt_option_info *info, const char *text, uint64_t *value)
{
	uint64_t n = 0;
	unsigned shift = 0;

	if (*text < '0' || *text > '9')
		return -1;
	for (; *text >= '0' && *text <= '9'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return -1;
		n = n * 10 + digit;
	}
	if (has_unit(info) && *text != '\0') {
		switch (*text++ | 0x20) {
		case 'k':
			shift = 10;
			break;
		case 'm':
			shift = 20;
			break;
		case 'g':
			shift = 30;
			break;
		default:
			return -1;
		}
	}
	if (*text != '\0' || n > UINT64_MAX >> shift)
		return -1;
	n <<= shift;
	if (n < info->least || n > info->most)
		return -1;
	*value = n;
	return 0;
}

/* The name of SIZE bytes in SET, or NULL. */
static const struct pmt_name *find_name(const char *set, const char *text, size_t size)
{
	for (const struct pmt_name *n = pmt_name_table; n->set != NULL; n++)
		if (strcmp(n->set, set) == 0 && strlen(n->name) == size &&
		    memcmp(n->name, text, size) == 0)
			return n;
	return NULL;
}

static int parse_words(const char *text, uint64_t *value)
{
	uint64_t set = 0;

	while (*text != '\0') {
		size_t size = strcspn(text, ",");
		const struct pmt_name *word = find_name("TRACED", text, size);
		const struct pmt_name *preset = find_name("PRESET", text, size);

		if (word == NULL && preset == NULL)
			return -1;
		set |= word != NULL ? 1ULL << word->number : preset->number;
		text += size;
		if (*text == ',' && *++text == '\0')
			return -1;
	}
	*value = set;
	return set == 0 ? -1 : 0;
}

static int parse_switch(const char *text, uint64_t *value)
{
	static const char *const words[][2] = {{"off", "on"}, {"0", "1"}, {"no", "yes"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (uint64_t v = 0; v < 2; v++)
			if (strcmp(text, words[i][v]) == 0) {
				*value = v;
				return 0;
			}
	return -1;
}

static int parse_choice(const struct pmt_option_info *info, const char *text, uint64_t *value)
{
	const struct pmt_name *name = find_name(choice_set(info), text, strlen(text));

	if (name == NULL)
		return -1;
	*value = name->number;
	return 0;
}

/* USR2, SIGUSR2 or 12. */
static int parse_signal(const struct pmt_option_info *info, const char *text, uint64_t *value)
{
	if (*text >= '0' && *text <= '9')
		return parse_number(info, text, value);
	if (strncmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strcmp(text, signals[i].name) == 0) {
			*value = signals[i].number;
			return 0;
		}
	return -1;
}

static int parse_value(const struct pmt_option_info *info, const char *text, uint64_t *value)
{
	switch (info->type) {
	case PMT_OPTION_SIZE:
	case PMT_OPTION_COUNT:
	case PMT_OPTION_ROUND_SIZE:
	case PMT_OPTION_ROUND_COUNT:
		return parse_number(info, text, value);
	case PMT_OPTION_SWITCH:
		return parse_switch(text, value);
	case PMT_OPTION_WORDS:
		return parse_words(text, value);
	case PMT_OPTION_CHOICE:
		return parse_choice(info, text, value);
	case PMT_OPTION_TRIGGER:
		if (strcmp(text, "-1") != 0)
			return parse_number(info, text, value);
		*value = PMT_TRIGGER_PAGE;
		return 0;
	case PMT_OPTION_SIGNAL:
		return parse_signal(info, text, value);
	case PMT_OPTION_TEXT:
		break;
	}
	return -1;
}

int pmt_option_set(struct pmt_options *options, const struct pmt_option_info *info,
		   const char *text, char *allowed, size_t allowed_size)
{
	struct text t = {allowed, allowed_size, 0};
	char *field = (char *)options + info->offset;
	uint64_t value = 0;

	if (info->type == PMT_OPTION_TEXT) {
		size_t size = strlen(text);

		if (size >= info->least && size <= info->most) {
			memcpy(field, &text, sizeof(text));
			return 0;
		}
	} else if (parse_value(info, text, &value) == 0) {
		if (!wants_round(info) || (value & (value - 1)) == 0) {
			memcpy(field, &value, sizeof(value));
			return 0;
		}
		add_text(&t, "a power of two; ");
	}
	describe_option(info, &t);
	return -1;
}

void pmt_options_init(struct pmt_options *options)
{
	char unused[1];

	memset(options, 0, sizeof(*options));
	for (const struct pmt_option_info *i = pmt_option_infos; i->env != NULL; i++)
		(void)pmt_option_set(options, i, i->standard, unused, sizeof(unused));
}
