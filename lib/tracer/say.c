/* SPDX-License-Identifier: MIT */
/* Diagnostic lines and small texts, without stdio and heap. */
#include "say.h"

#include "sys.h"

static uint64_t verbosity = 1;

void text_add_bytes(struct text *t, const char *s, size_t size)
{
	while (size-- > 0 && t->used + 1 < sizeof(t->data))
		t->data[t->used++] = *s++;
	t->data[t->used] = '\0';
}

void text_add(struct text *t, const char *s)
{
	size_t size = 0;

	while (s[size] != '\0')
		size++;
	text_add_bytes(t, s, size);
}

void text_add_clean(struct text *t, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		char shown = c < 0x20 || c == 0x7f ? '?' : (char)c;

		text_add_bytes(t, &shown, 1);
	}
}

void text_add_number(struct text *t, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n != 0);
	text_add_bytes(t, digits + i, sizeof(digits) - i);
}

void say_set_verbosity(uint64_t level)
{
	verbosity = level;
}

static void say(const char *a, const char *b, const char *c)
{
	struct text t = {.used = 0};

	text_add(&t, "pymemtrace: ");
	text_add_clean(&t, a);
	text_add_clean(&t, b == NULL ? "" : b);
	text_add_clean(&t, c == NULL ? "" : c);
	text_add(&t, "\n");
	(void)sys_write(2, t.data, t.used);
}

void say_problem(const char *a, const char *b, const char *c)
{
	if (verbosity >= 1)
		say(a, b, c);
}

void say_note(const char *a, const char *b, const char *c)
{
	if (verbosity >= 2)
		say(a, b, c);
}
