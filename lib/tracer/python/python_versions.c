/* SPDX-License-Identifier: MIT */
/* The table of versions. */
#include "python_versions.h"

#include <stddef.h>

#include "names.h"

const struct python_version python_version_none;

#define PYTHON_VERSION(hex, ...) {.number = (hex), __VA_ARGS__},
static const struct python_version versions[] = {
#include "python_versions.def"
};
#undef PYTHON_VERSION

const struct python_version *python_version_of(uint32_t hex)
{
	const struct python_version *found = &python_version_none;

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i].number <= hex >> 16)
			found = &versions[i];
	return found;
}
