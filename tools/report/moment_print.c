/* SPDX-License-Identifier: MIT */
/* The moment of a report in words. */
#include "moment_print.h"

#include <stdio.h>

#include "escape.h"
#include "report.h"

void moment_print(const struct moment *moment, bool several)
{
	switch (moment->kind) {
	case MOMENT_PEAK:
		fputs(several ? "at the peak of all processes together" : "at the peak", stdout);
		break;
	case MOMENT_END:
		fputs(several ? "at the end of each process" : "at the end", stdout);
		break;
	case MOMENT_EXIT:
		fputs(several ? "at the exit of each process" : "at exit", stdout);
		break;
	case MOMENT_MARK:
		fputs("at the mark '", stdout);
		escape_terminal(stdout, moment->label, ESCAPE_LENGTH);
		putchar('\'');
		break;
	case MOMENT_RSS_PEAK:
		fputs("at the peak of the resident set", stdout);
		break;
	case MOMENT_TIME:
		printf("%.3f s after the start%s", report_seconds(moment->at_ns),
		       several ? " of the first process" : "");
		break;
	}
}
