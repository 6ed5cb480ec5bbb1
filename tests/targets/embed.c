/* SPDX-License-Identifier: MIT */
/* A program that is not Python loads libpython later (its path is the argument) and runs a script.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	free(valloc(1701)); /* nobody is traced yet */
	void *handle = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	int (*run)(int, char **) = (int (*)(int, char **))dlsym(handle, "Py_BytesMain");
	return run(argc - 1, argv + 1);
}
