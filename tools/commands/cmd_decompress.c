/* SPDX-License-Identifier: MIT */
/* pymemtrace decompress: makes plain logs of compressed ones. */
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "error.h"

static struct convert_options settings;

static char *make_name(const char *path)
{
	const size_t size = strlen(path);
	char *name;

	if (size < 5 || strcmp(path + size - 4, ".zst") != 0 || path[size - 5] == '/') {
		error("%s: its name does not end in .zst; --output names the log", path);
		return NULL;
	}
	name = strcpy(need_memory(size + 1), path);
	name[size - 4] = '\0';
	return name;
}

static int write_log(struct pack *pack, FILE *out, const char *path)
{
	const char *from = source_path(pack->source);
	struct pack_result result;

	if (pack_decompress(pack, out, path, &result) != 0)
		return -1;
	if (result.lost != 0)
		error("%s: %llu chunk%s damaged, %llu bytes lost", from,
		      (unsigned long long)result.lost, result.lost == 1 ? "" : "s",
		      (unsigned long long)result.lost_bytes);
	if (source_cut(pack->source))
		error("%s: the file is cut off", from);
	if (source_index_damaged(pack->source))
		error("%s: the index of the compressed file is damaged", from);
	return result.lost != 0 || source_cut(pack->source) || source_index_damaged(pack->source);
}

static int run_decompress(int count, char **operands)
{
	static const struct convert convert = {
		.kind = INPUTS_COMPRESSED,
		.options = &settings,
		.name = make_name,
		.write = write_log,
	};

	return convert_run(&convert, count, operands);
}

static const struct command_option options[] = {
	CONVERT_OPTIONS(settings, "log", "compressed log",
			"that of the compressed one, without .zst", ""),
	{.name = NULL},
};

const struct command cmd_decompress = {
	.name = "decompress",
	.summary = "make plain logs of compressed ones",
	.operands = "LOG...",
	.doc = "Makes the log that was compressed, byte for byte. "
	       "Of a damaged file it makes what can be read: a chunk that is lost becomes one that counts as damaged. A folder stands for the *.pmt.zst files in it.",
	.options = options,
	.run = run_decompress,
};
