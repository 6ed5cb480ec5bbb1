/* SPDX-License-Identifier: MIT */
/* The name of a log, from the template that the user gives. */
#include "logname.h"

#include <limits.h>
#include <stddef.h>

#include "sys.h"

static void add_program(struct text *t)
{
	char exe[PATH_MAX];
	long size = sys_readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	const char *name = exe;

	exe[size < 0 ? 0 : size] = '\0';
	for (const char *p = exe; *p != '\0'; p++)
		if (*p == '/')
			name = p + 1;
	text_add(t, *name == '\0' ? "unknown" : name);
}

static void add_padded(struct text *t, uint64_t n, uint64_t width_limit)
{
	for (; width_limit > n && width_limit > 1; width_limit /= 10)
		text_add(t, "0");
	text_add_number(t, n);
}

static void add_time(struct text *t, uint64_t seconds)
{
	/* Days to date, by the civil calendar: 400 years are 146,097 days. */
	uint64_t days = seconds / 86400 + 719468, rest = seconds % 86400;
	uint64_t era = days / 146097, doe = days % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint64_t mp = (5 * doy + 2) / 153;
	uint64_t month = mp < 10 ? mp + 3 : mp - 9;

	add_padded(t, yoe + era * 400 + (month <= 2), 1000);
	add_padded(t, month, 10);
	add_padded(t, doy - (153 * mp + 2) / 5 + 1, 10);
	text_add(t, "_");
	add_padded(t, rest / 3600, 10);
	add_padded(t, rest / 60 % 60, 10);
	add_padded(t, rest % 60, 10);
}

void logname_make(struct text *t, const char *template, unsigned number)
{
	const char *dot = NULL;

	for (const char *p = template; *p != '\0'; p++) {
		if (*p == '.')
			dot = p;
		if (*p == '/')
			dot = NULL;
	}
	for (const char *p = template; *p != '\0'; p++) {
		if (p == dot && number > 0) {
			text_add(t, ".");
			text_add_number(t, number);
		}
		if (*p != '%' || p[1] == '\0') {
			text_add_bytes(t, p, 1);
			continue;
		}
		switch (*++p) {
		case 'p':
			text_add_number(t, (uint64_t)sys_getpid());
			break;
		case 't':
			add_time(t, sys_clock_ns(CLOCK_REALTIME) / 1000000000U);
			break;
		case 'e':
			add_program(t);
			break;
		case '%':
			text_add(t, "%");
			break;
		default:
			text_add_bytes(t, p - 1, 2);
		}
	}
	if (dot == NULL && number > 0) {
		text_add(t, ".");
		text_add_number(t, number);
	}
}
