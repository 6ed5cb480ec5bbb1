/* SPDX-License-Identifier: MIT */
/* Asking the tracer for a log, and putting marks into it. */
#include "cpm_log.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/tracer/base/pymemtrace.h"

#define WORDS_SETTING 80
#define MARK_TEXT 4000 /* of the 4096 bytes of a mark */

static struct {
	char *library; /* NULL: not found, `missing` says why */
	char *program;
	char *missing;
	char *decorators;
	int loaded;
	int (*start)(const char *const *settings);
	int (*stop)(void);
	int (*set)(const char *setting);
	int (*mark)(const char *text);
	int (*is_active)(void);
	const char *(*log_path)(void);
	const char *(*problem)(void);
	unsigned long long (*traced)(void);
	struct cpm_log *log; /* being written, with contexts in it */
	unsigned base;	     /* words that are traced anyway */
	unsigned words;	     /* as set last */
} tracer;

static const char *const names[] = {"calls", "c-calls", "lines", "exceptions", "objects"};
/* The number of each word in the tracer's bit set, see docs/log-format.md. */
static const unsigned char bits[] = {4, 5, 6, 8, 9};

#define WORDS (sizeof(names) / sizeof(names[0]))

/* What a function of pymemtrace._paths returns, copied; NULL if there is nothing. */
static char *path_of(PyObject *paths, const char *function)
{
	PyObject *text = PyObject_CallMethod(paths, function, NULL);
	const char *utf8;
	PyObject *bytes = text == NULL ? NULL : PyUnicode_EncodeFSDefault(text);
	char *copy = NULL;

	Py_XDECREF(text);
	if (bytes == NULL)
		return NULL;
	utf8 = PyBytes_AsString(bytes);
	if (utf8 != NULL)
		copy = strdup(utf8);
	Py_DECREF(bytes);
	return copy;
}

/* Why there is no library or program is said when one is needed, not at the import. */
static void keep_reason(void)
{
	PyObject *type, *value, *trace;
	PyObject *text;
	const char *utf8;

	PyErr_Fetch(&type, &value, &trace);
	text = value == NULL ? NULL : PyObject_Str(value);
	utf8 = text == NULL ? NULL : PyUnicode_AsUTF8(text);
	if (tracer.missing == NULL)
		tracer.missing = strdup(utf8 == NULL ? "pymemtrace is not whole" : utf8);
	Py_XDECREF(text);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(trace);
	PyErr_Clear();
}

/* Beside the module PATHS, by the name that code objects have. */
static char *decorators_of(PyObject *paths)
{
	static const char name[] = "cpymemtrace_decs.py";
	PyObject *file = PyObject_GetAttrString(paths, "__file__");
	const char *utf8 = file == NULL ? NULL : PyUnicode_AsUTF8(file);
	const char *slash = utf8 == NULL ? NULL : strrchr(utf8, '/');
	char *path = NULL;

	if (slash != NULL) {
		const size_t folder = (size_t)(slash - utf8) + 1;

		path = malloc(folder + sizeof(name));
		if (path != NULL) {
			memcpy(path, utf8, folder);
			memcpy(path + folder, name, sizeof(name));
		}
	}
	Py_XDECREF(file);
	PyErr_Clear();
	return path;
}

const char *cpm_decorators(void)
{
	return tracer.decorators;
}

int cpm_log_init(void)
{
	PyObject *paths = PyImport_ImportModule("pymemtrace._paths");

	if (paths == NULL)
		return -1;
	if (tracer.library == NULL)
		tracer.library = path_of(paths, "library_path");
	if (tracer.library == NULL)
		keep_reason();
	if (tracer.program == NULL)
		tracer.program = path_of(paths, "program_path");
	if (tracer.program == NULL)
		keep_reason();
	if (tracer.decorators == NULL)
		tracer.decorators = decorators_of(paths);
	Py_DECREF(paths);
	return 0;
}

const char *cpm_program(void)
{
	if (tracer.program == NULL)
		PyErr_SetString(PyExc_FileNotFoundError, tracer.missing);
	return tracer.program;
}

/* A function pointer out of HANDLE, as a pointer to data, which ISO C has no way to convert. */
static int look_up(void *handle, const char *name, void *function)
{
	void *symbol = dlsym(handle, name);

	memcpy(function, &symbol, sizeof(symbol));
	return symbol != NULL;
}

static int look_up_all(void *handle)
{
	return look_up(handle, "pymemtrace_start", &tracer.start) &&
	       look_up(handle, "pymemtrace_stop", &tracer.stop) &&
	       look_up(handle, "pymemtrace_set", &tracer.set) &&
	       look_up(handle, "pymemtrace_mark", &tracer.mark) &&
	       look_up(handle, "pymemtrace_is_active", &tracer.is_active) &&
	       look_up(handle, "pymemtrace_log_path", &tracer.log_path) &&
	       look_up(handle, "pymemtrace_traced", &tracer.traced) &&
	       look_up(handle, "pymemtrace_problem", &tracer.problem);
}

/* The library stays loaded: the interpreter holds pointers to its functions. */
static int load(void)
{
	void *handle;

	if (tracer.loaded)
		return 0;
	tracer.loaded = look_up_all(RTLD_DEFAULT);
	if (tracer.loaded)
		return 0;
	if (tracer.library == NULL) {
		PyErr_SetString(PyExc_FileNotFoundError, tracer.missing);
		return -1;
	}
	handle = dlopen(tracer.library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (handle == NULL || !look_up_all(handle)) {
		const char *why = handle == NULL ? dlerror() : NULL;

		PyErr_Format(PyExc_RuntimeError, "%s cannot be used: %s", tracer.library,
			     why == NULL ? "it is of another version" : why);
		return -1;
	}
	tracer.loaded = 1;
	return 0;
}

static int refused(void)
{
	PyErr_Format(PyExc_RuntimeError, "pymemtrace: %s", tracer.problem());
	return -1;
}

/* "OUTPUT=" and the path, in which a percent sign would mean something. */
static char *output_setting(const char *beside)
{
	char *setting = malloc(strlen(beside) * 2 + 16);
	char *at = setting;

	if (setting == NULL)
		return NULL;
	at += sprintf(at, "OUTPUT=");
	for (; *beside != '\0'; beside++) {
		if (*beside == '%')
			*at++ = '%';
		*at++ = *beside;
	}
	(void)sprintf(at, ".pmt");
	return setting;
}

/* "TRACE=" and the words. */
static void words_setting(unsigned words, char *setting)
{
	strcpy(setting, "TRACE=rss");
	for (size_t i = 0; i < WORDS; i++) {
		if (words >> i & 1) {
			strcat(setting, ",");
			strcat(setting, names[i]);
		}
	}
}

static int start(const char *beside, unsigned words)
{
	char trace[WORDS_SETTING];
	char *output = output_setting(beside);
	const char *settings[] = {output,
				  trace,
				  "RSS_TRIGGER=0",
				  "CALL_DEPTH=0",
				  "INCLUDE_FILES=",
				  "EXCLUDE_FILES=",
				  "INCLUDE_FUNCTIONS=",
				  "EXCLUDE_FUNCTIONS=",
				  "THREADS=",
				  "INCLUDE_TYPES=",
				  "EXCLUDE_TYPES=",
				  "BUILTIN_TYPES=on",
				  "MAX_SIZE=0",
				  "FOLLOW=off",
				  "GC_AT_END=none",
				  "LINES=rss",
				  "START=on",
				  "VERBOSITY=1",
				  "STACK_DEPTH=1024",
				  NULL};
	int rc;

	if (output == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	words_setting(words, trace);
	rc = tracer.start(settings);
	free(output);
	return rc == 0 ? 0 : refused();
}

static unsigned words_of(unsigned long long traced)
{
	unsigned words = 0;

	for (size_t i = 0; i < WORDS; i++)
		if (traced >> bits[i] & 1)
			words |= 1U << i;
	return words;
}

static struct cpm_log *make_log(int own)
{
	struct cpm_log *log = calloc(1, sizeof(*log));

	if (log == NULL || (log->path = strdup(tracer.log_path())) == NULL) {
		free(log);
		PyErr_NoMemory();
		return NULL;
	}
	log->own = own;
	log->all_types = own;
	log->keep = !own;
	return log;
}

struct cpm_log *cpm_log_take(const char *beside, unsigned words)
{
	int own;

	/* Another part of the program may have closed it. */
	if (tracer.log != NULL && (tracer.is_active() == PYMEMTRACE_OFF ||
				   strcmp(tracer.log->path, tracer.log_path()) != 0))
		tracer.log = NULL;
	if (tracer.log == NULL) {
		if (load() < 0)
			return NULL;
		own = tracer.is_active() == PYMEMTRACE_OFF;
		if (own && start(beside, words) < 0)
			return NULL;
		tracer.log = make_log(own);
		tracer.base = own ? 0 : words_of(tracer.traced());
		tracer.words = own ? words : tracer.base;
		if (tracer.log == NULL) {
			if (own)
				(void)tracer.stop();
			return NULL;
		}
	}
	tracer.log->holders++;
	return tracer.log;
}

void cpm_log_release(struct cpm_log *log)
{
	if (log == NULL || --log->holders > 0)
		return;
	cpm_log_close(log);
	if (!log->keep)
		(void)unlink(log->path);
	free(log->path);
	free(log);
}

void cpm_log_close(struct cpm_log *log)
{
	if (tracer.log != log)
		return;
	tracer.log = NULL;
	if (log->own && strcmp(log->path, tracer.log_path()) == 0)
		(void)tracer.stop();
}

int cpm_log_words(unsigned words)
{
	char setting[WORDS_SETTING];

	if (tracer.log == NULL)
		return 0;
	/* Each context chooses among all types when its text log is made. */
	if (words & CPM_OBJECTS && !tracer.log->all_types) {
		if (tracer.set("BUILTIN_TYPES=on") != 0)
			return refused();
		tracer.log->all_types = 1;
	}
	words |= tracer.base;
	if (words == tracer.words)
		return 0;
	words_setting(words, setting);
	if (tracer.set(setting) != 0)
		return refused();
	tracer.words = words;
	return 0;
}

/* The bytes of TEXT that go into one mark: no character is cut. */
static size_t part_of(const char *text, size_t size)
{
	size_t part = size < MARK_TEXT ? size : MARK_TEXT;

	while (part < size && part > 0 && ((unsigned char)text[part] & 0xc0) == 0x80)
		part--;
	return part == 0 ? size : part;
}

int cpm_log_mark(unsigned long long id, const char *verb, const char *text, size_t size)
{
	char mark[4096];
	size_t part;

	if (tracer.log == NULL) {
		PyErr_SetString(PyExc_RuntimeError,
				"the log was closed by another part of the program");
		return -1;
	}
	do {
		part = part_of(text, size);
		(void)snprintf(mark, sizeof(mark), "pymemtrace:%llu:%s:%.*s", id,
			       part < size ? "more" : verb, (int)part, text);
		if (tracer.mark(mark) != 0)
			return refused();
		text += part;
		size -= part;
	} while (size != 0);
	return 0;
}

void cpm_log_forget(void)
{
	tracer.log = NULL;
	tracer.words = 0;
}
