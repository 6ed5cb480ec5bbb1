/* SPDX-License-Identifier: MIT */
/* pymemtrace compress: makes logs smaller; they are read as they are. */
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "error.h"
#include "names.h"

static struct convert_options settings;
static uint64_t level = PACK_LEVEL_STANDARD;

static char *make_name(const char *path)
{
	char *name = need_memory(strlen(path) + sizeof(".zst"));

	return strcat(strcpy(name, path), ".zst");
}

static int write_log(struct pack *pack, FILE *out, const char *path)
{
	if (pack->head.header.live.state == PMT_STATE_OPEN)
		error("note: %s: this log was not closed: its process was killed, or still writes it, and what it writes from now on is left out",
		      source_path(pack->source));
	return pack_compress(pack, (int)level, out, path);
}

static int run_compress(int count, char **operands)
{
	static const struct convert convert = {
		.kind = INPUTS_PLAIN,
		.options = &settings,
		.name = make_name,
		.write = write_log,
	};

	if (level < PACK_LEVEL_LEAST || level > PACK_LEVEL_MOST) {
		error("--level: not allowed, wants a number from %d to %d", PACK_LEVEL_LEAST,
		      PACK_LEVEL_MOST);
		return EXIT_USAGE;
	}
	return convert_run(&convert, count, operands);
}

static const struct command_option options[] = {
	CONVERT_OPTIONS(settings, "compressed log", "log", "that of the log, with .zst behind it",
			"; not for a log that is still being written"),
	{.name = "level",
	 .letter = 'l',
	 .value = "N",
	 .kind = COMMAND_COUNT,
	 .target = &level,
	 .doc = "from 1, fast, to 19, small (default 6)"},
	{.name = NULL},
};

const struct command cmd_compress = {
	.name = "compress",
	.summary = "make logs smaller; all commands read them as they are",
	.operands = "LOG...",
	.doc = "Compresses logs with zstd, each into a file of its own, LOG.zst. "
	       "All commands read it in place of the log; `zstd -d` or `pymemtrace decompress` make the log of it again. A folder stands for the *.pmt files in it.",
	.options = options,
	.run = run_compress,
};
