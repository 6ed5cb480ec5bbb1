/* SPDX-License-Identifier: MIT */
/* What was decided for a log, told line by line with PYMEMTRACE_VERBOSITY=3. */
#include "process_tell.h"

#include "fold.h"
#include "logfile.h"
#include "names.h"
#include "process_header.h"
#include "python.h"
#include "sampler.h"
#include "say.h"
#include "tracing.h"

/* A line of texts and numbers: NUMBER stands between BEFORE and AFTER. */
static void tell_number(const char *before, uint64_t number, const char *after)
{
	struct text t = {.used = 0};

	text_add_number(&t, number);
	say_decision(before, t.data, after);
}

static void tell_interpreter(void)
{
	struct text t = {.used = 0};

	if (!python.found) {
		say_decision("interpreter: none in this program (PYMEMTRACE_NON_PYTHON)", NULL,
			     NULL);
		return;
	}
	say_decision("interpreter: ", python.text, python.free_threaded ? ", free-threaded" : NULL);
	if (!python.walkable) {
		say_decision("layout of frames: not known", NULL, NULL);
		return;
	}
	text_add_number(&t, python.known->number >> 8);
	text_add(&t, ".");
	text_add_number(&t, python.known->number & 255);
	say_decision("layout of frames: that of Python ", t.data, NULL);
}

static void tell_folding(const struct pmt_options *options)
{
	struct text t = {.used = 0};

	if (!options->fold) {
		say_decision("folding: off, every event is written", NULL, NULL);
		return;
	}
	text_add_number(&t, options->fold_window);
	text_add(&t, " blocks of up to ");
	text_add_number(&t, PMT_FOLD_SIZE_MAX);
	say_decision("folding: each thread keeps back up to ", t.data, " bytes");
}

static void tell_resident(const char *rss_mode, unsigned sampler_how)
{
	const uint64_t interval_ms = process_rss_interval_ns() / 1000000U;

	say_decision("resident set at events: ",
		     rss_mode == NULL ? "no events of the interpreter are recorded" : rss_mode,
		     NULL);
	if (interval_ms == 0)
		say_decision("resident set over time: no samples", NULL, NULL);
	else
		tell_number("resident set over time: every ", interval_ms,
			    sampler_how & SAMPLER_NO_THREAD ? " ms, by whatever event comes then"
							    : " ms, by a thread");
}

void process_tell_log(const char *rss_mode, unsigned sampler_how)
{
	const struct pmt_options *options = tracing_options();

	tell_interpreter();
	tell_number("Python stacks: up to ", options->stack_depth, " frames");
	tell_folding(options);
	tell_resident(rss_mode, sampler_how);
	tell_number("chunks of the log: ", logfile_header()->chunk_bytes, " bytes each");
	if (options->max_size != 0)
		tell_number("size limit of the log: ", options->max_size, " bytes");
	say_decision("Python's objects are ",
		     tracing_wants_types() ? "told by type" : "not told by type", NULL);
}

void process_tell_close(void)
{
	struct text t = {.used = 0};

	text_add_number(&t, logfile_header()->live.chunks);
	text_add(&t, " chunks, ");
	text_add_number(&t, logfile_header()->live.lost);
	say_decision("the log is closed: ", t.data, " events lost");
}
