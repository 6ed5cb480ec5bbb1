/* SPDX-License-Identifier: MIT */
/* Loads a library that lies beside this program, found through RPATH $ORIGIN only. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	void *handle = dlopen("loaded.so", RTLD_NOW);
	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	void *(*function)(size_t) = (void *(*)(size_t))dlsym(handle, "loaded_valloc");
	free(function(1802));
	puts(dlclose(handle) ? "cannot close" : "loaded and closed");
	return 0;
}
