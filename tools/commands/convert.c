/* SPDX-License-Identifier: MIT */
/* What `pymemtrace compress` and `pymemtrace decompress` have in common. */
#include "convert.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "escape.h"
#include "names.h"
#include "outfile.h"
#include "progress.h"

/* One log that is converted. */
struct job {
	const struct convert *convert;
	const char *from;
	struct pack pack;
	struct outfile out;
};

/* Read back what was written, before the original goes. Returns 0, or -1 after a message. */
static int verify_copy(struct job *job)
{
	struct pack copy;
	int rc;

	if (pack_init(&copy, job->out.temporary) != 0)
		return -1;
	rc = pack_same(&job->pack, &copy);
	pack_fini(&copy);
	if (rc == 0)
		return error(
			"%s: is not the same when read back; perhaps the log is still being written. It is kept",
			job->from);
	return rc < 0 ? -1 : 0;
}

/* Whether the process that writes the log may still run. */
static bool is_written(const struct job *job)
{
	const struct pmt_header *h = &job->pack.head.header;

	return h->live.state == PMT_STATE_OPEN && h->pid != 0 && h->pid <= INT32_MAX &&
	       (kill((pid_t)h->pid, 0) == 0 || errno == EPERM);
}

/* Remove the original. Returns 0, or -1 after a message. */
static int remove_original(const struct job *job)
{
	if (!source_compressed(job->pack.source) && is_written(job))
		return error("%s: process %u runs and may still write this log: it is kept",
			     job->from, job->pack.head.header.pid);
	if (unlink(job->from) != 0)
		return error("%s: cannot be removed: %s", job->from, strerror(errno));
	return 0;
}

/* The output is begun. Returns 0; 1 if it is there, but not all of it; -1 after a message. */
static int convert_begun(struct job *job)
{
	const bool remove = job->convert->options->remove;
	int rc;

	progress_begin_bytes(job->from);
	rc = job->convert->write(&job->pack, job->out.file, job->out.path);
	if (rc >= 0 && outfile_close(&job->out) != 0)
		rc = -1;
	if (rc == 0 && remove)
		rc = verify_copy(job);
	progress_end();
	if (rc < 0 || outfile_commit(&job->out) != 0)
		return -1;
	escape_terminal(stdout, job->out.path, ESCAPE_LENGTH);
	putchar('\n');
	return rc == 0 && remove ? remove_original(job) : rc;
}

/* Returns the exit status. */
static int convert_log(const struct convert *convert, const char *from, const char *to)
{
	struct job job = {.convert = convert, .from = from};
	int rc = -1;

	if (pack_init(&job.pack, from) != 0)
		return EXIT_DATA;
	if (source_compressed(job.pack.source) != (convert->kind == INPUTS_COMPRESSED))
		error(convert->kind == INPUTS_COMPRESSED ? "%s: is not compressed"
							 : "%s: is compressed already",
		      from);
	else if (outfile_init(&job.out, to, from, convert->options->force) == 0)
		rc = convert_begun(&job);
	outfile_fini(&job.out);
	pack_fini(&job.pack);
	return rc == 0 ? EXIT_OK : EXIT_DATA;
}

/* Where the log PATH goes; free() it. NULL after a message. */
static char *name_target(const struct convert *convert, const char *path)
{
	const struct convert_options *o = convert->options;
	const char *base;
	char *name, *joined;

	if (o->output != NULL)
		return strcpy(need_memory(strlen(o->output) + 1), o->output);
	name = convert->name(path);
	if (name == NULL || o->folder == NULL)
		return name;
	base = strrchr(name, '/');
	base = base == NULL ? name : base + 1;
	joined = need_memory(strlen(o->folder) + strlen(base) + 2);
	sprintf(joined, "%s/%s", o->folder, base);
	free(name);
	return joined;
}

/* With --force a second log of the same name would replace the first one's output. */
static bool is_taken(char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (names[i] != NULL && strcmp(names[i], names[count]) == 0)
			return true;
	return false;
}

static int convert_all(const struct convert *convert, const struct inputs *inputs)
{
	char **names = need_memory(inputs->count * sizeof(*names));
	int status = EXIT_OK;

	for (size_t i = 0; i < inputs->count; i++) {
		names[i] = name_target(convert, inputs->paths[i]);
		if (names[i] == NULL) {
			status = EXIT_DATA;
		} else if (is_taken(names, i)) {
			error("%s: %s is made of another log already", inputs->paths[i], names[i]);
			status = EXIT_DATA;
		} else if (convert_log(convert, inputs->paths[i], names[i]) != EXIT_OK) {
			status = EXIT_DATA;
		}
	}
	for (size_t i = 0; i < inputs->count; i++)
		free(names[i]);
	free(names);
	return status;
}

static int check_options(const struct convert_options *o, const struct inputs *inputs)
{
	if (o->keep && o->remove)
		return error("--keep does not go with --remove");
	if (o->output != NULL && o->folder != NULL)
		return error("--output does not go with --output-folder");
	if (o->output != NULL && inputs->count > 1)
		return error(
			"--output names one file, for several logs; --output-folder takes them all");
	return 0;
}

int convert_run(const struct convert *convert, int count, char **operands)
{
	const char *folder = convert->options->folder;
	struct inputs inputs;
	int status = inputs_init_only(&inputs, convert->kind, count, operands);

	if (status != EXIT_OK)
		return status;
	if (check_options(convert->options, &inputs) != 0) {
		status = EXIT_USAGE;
	} else if (folder != NULL && mkdir(folder, 0777) != 0 && errno != EEXIST) {
		error("%s: %s", folder, strerror(errno));
		status = EXIT_DATA;
	} else {
		status = convert_all(convert, &inputs);
	}
	inputs_fini(&inputs);
	return status;
}
