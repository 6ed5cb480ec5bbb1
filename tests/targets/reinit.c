/* SPDX-License-Identifier: MIT */
/* A program that is not Python loads libpython (the argument), and begins and ends it three times.
 */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void *handle = dlopen(argv[argc - 1], RTLD_NOW | RTLD_GLOBAL);
	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	void (*begin)(void) = (void (*)(void))dlsym(handle, "Py_Initialize");
	int (*end)(void) = (int (*)(void))dlsym(handle, "Py_FinalizeEx");
	int (*run)(const char *, void *) =
		(int (*)(const char *, void *))dlsym(handle, "PyRun_SimpleStringFlags");
	for (int i = 0; i < 3; i++) {
		begin();
		if (run("def step(i):\n    return i\nfor i in range(5):\n    step(i)\n", NULL))
			return 2;
		if (end())
			return 3;
	}
	puts("done");
	return 0;
}
