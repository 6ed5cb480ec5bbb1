/* SPDX-License-Identifier: MIT */
/* The options of options.def: values, parsing, checks. Used by the tracer and by `pymemtrace run`.
 */
#ifndef PMT_FORMAT_OPTIONS_H
#define PMT_FORMAT_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#define PMT_OPTION_PREFIX "PYMEMTRACE_"

enum pmt_option_type {
	PMT_OPTION_TEXT,
	PMT_OPTION_SIZE,
	PMT_OPTION_COUNT,
	PMT_OPTION_ROUND_SIZE,
	PMT_OPTION_ROUND_COUNT,
	PMT_OPTION_SWITCH,
	PMT_OPTION_WORDS,
	PMT_OPTION_CHOICE,
	PMT_OPTION_TRIGGER,
	PMT_OPTION_SIGNAL,
};

typedef const char *pmt_option_TEXT; /* borrowed from whoever set it */
typedef uint64_t pmt_option_SIZE;
typedef uint64_t pmt_option_COUNT;
typedef uint64_t pmt_option_ROUND_SIZE;
typedef uint64_t pmt_option_ROUND_COUNT;
typedef uint64_t pmt_option_SWITCH;  /* 0 or 1 */
typedef uint64_t pmt_option_WORDS;   /* bit set of PMT_TRACED_* */
typedef uint64_t pmt_option_CHOICE;  /* number of the name */
typedef uint64_t pmt_option_TRIGGER; /* PMT_TRIGGER_PAGE for -1 */
typedef uint64_t pmt_option_SIGNAL;  /* its number */

#define PMT_TRIGGER_PAGE UINT64_MAX

/* One field an option, named as in options.def. */
struct pmt_options {
#define PMT_OPTION(name, env, flag, type, standard, least, most, doc) pmt_option_##type name;
#include "options.def"
#undef PMT_OPTION
};

struct pmt_option_info {
	const char *env;  /* "PYMEMTRACE_OUTPUT" */
	const char *flag; /* "output" */
	enum pmt_option_type type;
	const char *standard;
	uint64_t least;
	uint64_t most;
	const char *doc;
	size_t offset; /* in struct pmt_options */
};

/* All options, in the order of options.def; ends with env NULL. */
extern const struct pmt_option_info pmt_option_infos[];

/* Set every option to its standard value. */
void pmt_options_init(struct pmt_options *options);

/*
 * Set one option from TEXT, which must outlive OPTIONS. Returns 0; or -1 and, in ALLOWED
 * (ALLOWED_SIZE bytes), what would have been right ("a number from 0 to 2"), OPTIONS unchanged.
 * Never allocates.
 */
int pmt_option_set(struct pmt_options *options, const struct pmt_option_info *info,
		   const char *text, char *allowed, size_t allowed_size);

#endif
