/* SPDX-License-Identifier: MIT */
/* Reading what watch wrote: good lines, cut ones, and those that nobody wrote. */
#include "watch_log.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "watch_json.h"

#define HEADER WATCH_JSON_START "\"version\":1,\"kind\":\"header\",\"pid\":7}\n"
#define SAMPLE(time, pid, rss)                                                                     \
	"{\"kind\":\"sample\",\"time_s\":" time ",\"pid\":" pid                                    \
	",\"start_ticks\":5,\"name\":\"it\",\"rss_bytes\":" rss ",\"cpu_percent\":null}\n"
#define TOTAL(time, rss) "{\"kind\":\"total\",\"time_s\":" time ",\"rss_bytes\":" rss "}\n"
#define SUMMARY "{\"kind\":\"summary\"}\n"

static struct watch_log watched;
static char messages[4000];

static int read_text(const char *text, size_t size)
{
	char path[] = "/tmp/watchlog.XXXXXX";
	const int fd = mkstemp(path);

	CHECK(fd >= 0 && write(fd, text, size) == (ssize_t)size);
	close(fd);
	check_capture_begin();
	const int status = watch_log_init(&watched, path);

	check_capture_end(messages, sizeof(messages));
	unlink(path);
	return status;
}

static void good(void)
{
	static const char text[] = HEADER SAMPLE("0.5", "7", "4096") TOTAL("0.5", "4096")
		SAMPLE("1.5", "7", "8192") SAMPLE("1.5", "8", "100") TOTAL("1.5", "8292") SUMMARY;

	CHECK_EQ(read_text(text, strlen(text)), 0);
	CHECK(watched.complete);
	CHECK_EQ(watched.count, 3);
	CHECK_EQ(watched.curves[0].count, 2);
	CHECK_EQ(watched.curves[1].count, 2);
	CHECK_EQ(watched.curves[2].pid, 8);
	CHECK(watched.axis_count >= 5);
	CHECK(watched.curves[1].points[1].values[0] == 8192.0);
	CHECK(watched.curves[1].points[1].time_s == 1.5);
	CHECK(isnan(watched.curves[1].points[1].values[watched.axis_count - 1]));
	CHECK(watched.curves[0].most[0] == 8292.0);
	CHECK(watched.curves[0].most[1] < 0);
	watch_log_fini(&watched);
}

/* Wherever it is cut: no damage, and never more lines than there are whole ones. */
static void cut(void)
{
	static const char text[] = HEADER SAMPLE("0.5", "7", "4096") TOTAL("0.5", "4096")
		SAMPLE("1", "7", "1") SUMMARY;

	for (size_t size = strlen(HEADER); size < strlen(text); size++) {
		CHECK_EQ(read_text(text, size), 0);
		CHECK_EQ(watched.damaged, 0);
		CHECK(!watched.complete);
		CHECK_STR(messages, "");
		watch_log_fini(&watched);
	}
	for (size_t size = 0; size < strlen(HEADER) - 1; size++) {
		CHECK_EQ(read_text(text, size), 1);
		CHECK_EQ(watched.count, 0);
		watch_log_fini(&watched);
	}
}

static void hostile(void)
{
	static const char *const lines[] = {
		"\n",
		"[]\n",
		"null\n",
		"{}\n",
		"{\"kind\":3\n",
		"{\"kind\":\"sample\"}\n",
		"{\"kind\":\"total\"}\n",
		"\xff\xfe\n",
		"{\"kind\":\"total\",\"kind\":\"total\",\"time_s\":1}\n",
		SAMPLE("-1", "7", "1"),
		SAMPLE("1e300", "7", "1"),
		SAMPLE("1e999", "7", "1"),
		SAMPLE("\"1\"", "7", "1"),
		SAMPLE("1", "0", "1"),
		SAMPLE("1", "-7", "1"),
		SAMPLE("1", "4194304", "1"),
		SAMPLE("1", "1e3", "1"),
		SAMPLE("1", "99999999999999999999", "1"),
		"{\"kind\":\"sample\",\"time_s\":1,\"pid\":3,\"start_ticks\":-1,\"name\":\"x\"}\n",
		"{\"kind\":\"sample\",\"time_s\":1,\"pid\":3,\"start_ticks\":1,\"name\":[]}\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[2000];
		const int size = snprintf(text, sizeof(text), HEADER "%s" SUMMARY, lines[i]);

		CHECK_EQ(read_text(text, (size_t)size), 1);
		CHECK_EQ(watched.damaged, 1);
		CHECK(watched.complete);
		CHECK(strstr(messages, "1 line could not be read") != NULL);
		watch_log_fini(&watched);
	}
}

static void times_never_go_back(void)
{
	static const char text[] = HEADER TOTAL("2", "1") TOTAL("1", "2") TOTAL("2", "3");

	CHECK_EQ(read_text(text, strlen(text)), 1);
	CHECK_EQ(watched.curves[0].count, 2);
	CHECK_EQ(watched.damaged, 1);
	watch_log_fini(&watched);
}

/* Lines of a later version are no damage; another version of the whole is not read. */
static void versions(void)
{
	static const char later[] = HEADER "{\"kind\":\"weather\"}\n" SUMMARY;
	static const char other[] =
		WATCH_JSON_START "\"version\":2,\"kind\":\"header\",\"pid\":7}\n";

	CHECK_EQ(read_text(later, strlen(later)), 0);
	watch_log_fini(&watched);
	CHECK_EQ(read_text(other, strlen(other)), 1);
	CHECK(strstr(messages, "version 2") != NULL);
	CHECK_EQ(watched.count, 0);
	watch_log_fini(&watched);
}

int main(void)
{
	static const struct check_test tests[] = {
		{"good lines", good},
		{"cut anywhere", cut},
		{"lines that nobody wrote", hostile},
		{"times never go back", times_never_go_back},
		{"versions", versions},
		{0},
	};

	return check_run(tests);
}
